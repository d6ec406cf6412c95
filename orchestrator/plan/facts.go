// Package plan decides what to do. It is pure: the same facts give the same
// plan. Asking the world is left to survey, changing it to apply.
package plan

import (
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks"
)

// Issuer is what a plan must know of one issuer of a certificate's list.
type Issuer struct {
	Address string // issuer.acme.letsencrypt
	Account string // directory and EAB id: what a bundle's Account is compared with
	CA      string // for people
	// CAA is the domain names by which CAA records know the CA, none if they
	// are not known; AccountURL is the account there, "" if there is none yet.
	CAA        []string
	AccountURL string
}

// Want is one certificate as the configuration wants it.
type Want struct {
	Address   string // certificate.site["example.com"]
	Name      string // site-example.com
	Names     []cert.Name
	Hosts     []string
	Issuers   []Issuer // the first, then fallbacks
	KeyType   cert.KeyType
	Profile   string
	ReuseKey  bool
	Places    []sinks.Place
	Endpoints []cert.Endpoint
	Source    string // file:line, for people
}

// Seen is what survey saw of one certificate's part of the world.
type Seen struct {
	Names     map[string]Name           // by name; nil where it was not asked
	Places    map[string]Place          // by place ID
	Endpoints map[string]EndpointStatus // by endpoint ID
	// Busy is the live runner that works on the certificate now, "" for none.
	Busy string
}

// Name is where the challenge of one name would be answered.
type Name struct {
	Name      string   `json:"name"`
	Unicode   string   `json:"unicode,omitempty"`
	Zone      string   `json:"zone,omitempty"`
	Providers []string `json:"providers,omitempty"`
	Target    string   `json:"target,omitempty"`
	CNAMEs    []string `json:"cnames,omitempty"`
	How       string   `json:"how,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Err       string   `json:"error,omitempty"`
	CAA       []CAA    `json:"caa,omitempty"`    // the records that say who may issue for it
	Broken    []string `json:"broken,omitempty"` // why a CA cannot look at it: broken DNSSEC, say
	// Unknown says why it could not be asked, "" if it was: in a plan that is no
	// fault of the certificate.
	Unknown string `json:"unknown,omitempty"`
}

// Place is what survey saw at one place.
type Place struct {
	Held   sinks.Held
	Exists bool
	// Blind: the sink cannot look; the record and the endpoints must do.
	Blind bool
	// Unread says why the place could not be looked at, "" if it was.
	Unread string
	Hint   string
}

// EndpointStatus is what survey saw at one endpoint.
type EndpointStatus struct {
	Addresses []Address `json:"addresses,omitempty"`
	Err       string    `json:"error,omitempty"` // nothing could be looked at
}

// Address is what one address of an endpoint answered.
type Address struct {
	Address  string           `json:"address"`
	Leaf     cert.Fingerprint `json:"leaf_sha256,omitempty"`
	NotAfter time.Time        `json:"not_after,omitzero"`
	Names    []string         `json:"names,omitempty"`
	Issuer   string           `json:"issuer,omitempty"`
	Err      string           `json:"error,omitempty"`      // the dial, the handshake, or the chain
	Unrouted bool             `json:"unrouted,omitempty"`   // this machine has no way there: reported, not counted
	NoAnswer bool             `json:"unanswered,omitempty"` // no TLS handshake came about
}

// Serves reports whether every address that counts serves leaf with a good
// chain, and why not.
func (s EndpointStatus) Serves(leaf cert.Fingerprint) (bool, string) {
	if s.Err != "" {
		return false, s.Err
	}
	counted := 0
	for _, a := range s.Addresses {
		if a.Unrouted {
			continue
		}
		counted++
		switch {
		case a.Leaf == "" && a.Err != "":
			return false, a.Address + ": " + a.Err
		case a.Leaf != leaf:
			return false, a.Address + " serves " + cert.Another(a.Leaf, a.Names, a.Issuer, a.NotAfter)
		case a.Err != "":
			return false, a.Address + ": " + a.Err
		}
	}
	if counted == 0 {
		return false, "it has no address that can be reached from here"
	}
	return true, ""
}

// answers reports whether any address that counts completed a handshake.
func (s EndpointStatus) answers() bool {
	for _, a := range s.Addresses {
		if a.Leaf != "" {
			return true
		}
	}
	return false
}

// Upkeep says what a plan does with changes that only time asks for.
type Upkeep string

// The three ways; the zero value is Exclude.
const (
	Exclude Upkeep = "exclude" // shown as one line, left to `run`
	Include Upkeep = "include"
	Only    Upkeep = "only"
)

// Facts is everything a plan is made of.
type Facts struct {
	Now     time.Time // the run's one clock reading
	Looked  time.Time // when the look at the world ended; nothing is decided by it
	Wants   []Want
	Records map[string]*state.Record // by address
	Seen    map[string]Seen          // by address
	Upkeep  Upkeep
	// Targets restricts the plan to these addresses; nil: all.
	Targets func(address string) bool
	// Replace asks for a new certificate though the old one is good.
	Replace func(address string) bool
	// Patient keeps to the pauses between tries (run does, apply does not).
	Patient bool

	Lineage      string
	ConfigDigest string
}
