package plan

import (
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
)

// Kind of a step.
type Kind string

// The kinds, in the order in which they are done.
const (
	Issue   Kind = "issue"   // order a certificate where none is live, or another one
	Renew   Kind = "renew"   // order its successor
	Resume  Kind = "resume"  // go on with an order that is under way
	Put     Kind = "deliver" // make a place hold and use the bundle
	Prove   Kind = "prove"   // an endpoint does not serve it: look again, nothing to write
	Clean   Kind = "clean"   // remove TXT values that are owed
	Forget  Kind = "forget"  // the certificate left the configuration
	Blocked Kind = "blocked" // something that only people can decide
)

// Class of a step: who asks for it.
type Class string

// The classes.
const (
	Intent Class = "intent" // the configuration asks
	Drift  Class = "drift"  // the world moved
	Time   Class = "upkeep" // time asks
)

// Step is one thing to do for one certificate. It holds no secret.
type Step struct {
	Kind     Kind   `json:"kind"`
	Class    Class  `json:"class"`
	Place    string `json:"place,omitempty"`    // place or endpoint ID
	PlaceOp  string `json:"place_op,omitempty"` // create, update, repair, activate, adopt; unread: once it can be looked at
	Wave     int    `json:"wave,omitempty"`
	Why      string `json:"why"`
	Urgent   bool   `json:"urgent,omitempty"`    // too little life is left to wait for upkeep
	WaitTill string `json:"wait_till,omitempty"` // RFC 3339: paused after failures until then
}

// PlaceView is a place as a plan shows it.
type PlaceView struct {
	ID       string           `json:"id"`
	Target   string           `json:"target,omitempty"`
	Wave     int              `json:"wave,omitempty"`
	Leaf     cert.Fingerprint `json:"leaf_sha256,omitempty"`
	NotAfter time.Time        `json:"not_after,omitzero"`
	Now      string           `json:"now"`  // what it holds, in words
	Will     string           `json:"will"` // what happens, one word: keep, create, update, repair, activate, blocked, unread, wait
	Why      string           `json:"why,omitempty"`
	Notes    []string         `json:"notes,omitempty"`
}

// EndpointView is an endpoint as a plan shows it.
type EndpointView struct {
	ID        string    `json:"id"`
	Addresses []Address `json:"addresses,omitempty"`
	Now       string    `json:"now"`
	Will      string    `json:"will"` // keep, verify, prove
}

// Basis is on what a certificate's steps were decided: apply of a saved plan
// does them only if it is the same.
type Basis struct {
	Live   cert.Fingerprint            `json:"live,omitempty"`
	Work   string                      `json:"work,omitempty"` // issuer and id of an order under way
	Places map[string]cert.Fingerprint `json:"places,omitempty"`
}

// Equal reports whether two bases are the same.
func (b Basis) Equal(o Basis) bool {
	if b.Live != o.Live || b.Work != o.Work || len(b.Places) != len(o.Places) {
		return false
	}
	for id, leaf := range b.Places {
		if other, ok := o.Places[id]; !ok || other != leaf {
			return false
		}
	}
	return true
}

// Item is everything a plan says of one certificate.
type Item struct {
	Address   string         `json:"address"`
	Source    string         `json:"source,omitempty"`
	Names     []Name         `json:"names"`
	Issuer    string         `json:"issuer"`
	CA        string         `json:"ca,omitempty"`
	KeyType   cert.KeyType   `json:"key_type"`
	Profile   string         `json:"profile,omitempty"`
	Live      *state.Bundle  `json:"live,omitempty"`
	RenewAt   time.Time      `json:"renew_at,omitzero"`
	RenewWhy  string         `json:"renew_why,omitempty"`
	Deadline  time.Time      `json:"deadline,omitzero"`
	Steps     []Step         `json:"steps"`
	Places    []PlaceView    `json:"places,omitempty"`
	Endpoints []EndpointView `json:"endpoints,omitempty"`
	Owed      []state.Value  `json:"owed,omitempty"`
	Busy      string         `json:"busy,omitempty"`
	Warnings  []string       `json:"warnings,omitempty"`
	Errors    []string       `json:"errors,omitempty"`  // why nothing can be done about it as it is
	Refused   []Refusal      `json:"refused,omitempty"` // what CAA records say against its issuers
	Basis     Basis          `json:"basis"`
	// Later is upkeep that this plan leaves to upkeep.
	Later bool `json:"later,omitempty"`
}

// Changes reports whether the item has anything to do.
func (i *Item) Changes() bool { return len(i.Steps) > 0 }

// Issues returns the step that orders a certificate, or nil.
func (i *Item) Issues() *Step {
	for n := range i.Steps {
		switch i.Steps[n].Kind {
		case Issue, Renew, Resume:
			return &i.Steps[n]
		}
	}
	return nil
}

// FormatVersion is the version of the JSON plan: minor numbers only add.
const FormatVersion = "1.0"

// Plan is what would be done, for people, for JSON, and for `apply PLAN`.
type Plan struct {
	FormatVersion string    `json:"format_version"`
	ID            string    `json:"plan_id"` // short digest of what is decided
	Digest        string    `json:"digest"`
	AsOf          time.Time `json:"as_of"`
	Lineage       string    `json:"lineage,omitempty"`
	ConfigDigest  string    `json:"config_digest"`
	Upkeep        Upkeep    `json:"upkeep_mode"`
	Items         []*Item   `json:"items"` // those with steps, errors or warnings first by address
	Quiet         int       `json:"unchanged"`
	Later         Later     `json:"upkeep"`
	Summary       Summary   `json:"summary"`
	Warnings      []string  `json:"warnings,omitempty"`
}

// Later is the upkeep that the plan leaves alone.
type Later struct {
	Due  int       `json:"due"`           // renewals due now
	Next time.Time `json:"next,omitzero"` // the next one that is not due yet
	Who  string    `json:"next_certificate,omitempty"`
}

// Summary counts.
type Summary struct {
	Issue   int `json:"issue"`
	Renew   int `json:"renew"`
	Resume  int `json:"resume"`
	Deliver int `json:"deliver"`
	Prove   int `json:"prove"`
	Clean   int `json:"clean"`
	Forget  int `json:"forget"`
	Blocked int `json:"blocked"`
	Errors  int `json:"errors"`
	// Impossible are certificates that are wanted and cannot be issued as things
	// are; they are not among those to issue, to renew or to resume.
	Impossible int `json:"impossible,omitempty"`
	// Unread are certificates of which a place could not be looked at; Unserved
	// are endpoints that do not serve theirs while nothing that can be changed
	// would help.
	Unread   int            `json:"unread,omitempty"`
	Unserved int            `json:"unserved,omitempty"`
	Orders   map[string]int `json:"orders,omitempty"` // by issuer
}

// Changes reports whether the plan has anything to do, or an endpoint that does
// not serve what it should.
func (p *Plan) Changes() bool {
	s := p.Summary
	return s.Issue+s.Renew+s.Resume+s.Deliver+s.Prove+s.Clean+s.Forget+s.Blocked+s.Unserved > 0
}
