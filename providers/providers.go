// Package providers is what a DNS host must do, and everything between the
// flow and it: the libdns bridge, the zone broker, finding the zone of a name,
// and waiting until every authoritative server shows a value.
//
// Which values are wanted, and when they are not wanted any more, is decided
// above. It knows nothing of ACME, of records in the state, or of sinks.
package providers

import (
	"context"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/libdns/libdns"
)

// Provider adds and removes records (libdns's own contract). The optional
// interfaces of libdns (RecordGetter, RecordSetter, ZoneLister) and Changer
// are found by type assertion. Zones are fully qualified with a trailing dot.
type Provider interface {
	libdns.RecordAppender
	libdns.RecordDeleter
}

// Changer is a Provider that takes many changes in one call: all are made or
// none is, unless the error says otherwise. Names in add and del are relative
// to zone; values are exact and unquoted. Adding what is there and deleting
// what is not are no errors.
type Changer interface {
	Change(ctx context.Context, zone string, add, del []libdns.RR) error
}

// Value is one TXT record, exact. Zone and Name are fully qualified, lower
// case, with a trailing dot.
type Value struct {
	Zone, Name, Text string
	Provider         string // address of the dns block, as dns.cloudflare.main
}

// Spec is a dns block, decoded and not connected. All methods are pure but
// Open.
type Spec interface {
	// Check says what is wrong beyond the types of single arguments.
	Check() []block.Problem
	// Account identifies, without any secret, what shares one pace at the
	// host: two blocks with one Account are paced together.
	Account() string
	// Open connects; secrets are resolved here.
	Open(ctx context.Context, w *world.World) (Provider, error)
}

// Batcher is a Spec whose host takes another number of changes in one call than
// its kind's Quirks say. It is optional.
type Batcher interface{ Batch() int }

// Viewer is a Spec that may name one of several zones of one name at its account
// (a split horizon). Blocks of one account and different views write to
// different zones, and so do not share a writer. It is optional, and for hosts
// where two writers of one zone lose nothing.
type Viewer interface{ View() string }

// Kind is one line of the table of DNS providers in cmd/certform.
type Kind struct {
	Name    string
	Doc     string
	Example string // a whole block, validated by a test
	New     func() Spec
	Quirks  Quirks
	Proven  []Proof // from least to most; a test compares it with the tests that there are
	Special string  // what a user of this host should know, for its page
	Module  string  // the module of libdns that is used, as PATH@VERSION; "" for a back end of ours
	Cites   []Cite  // where its quirks were read, beside Quirks.Source
}

// Quirks is how a host must be treated, from reading its code and documents.
// The zero value is the careful one.
type Quirks struct {
	OneValue      bool          // holds one TXT value per name: challenges of one name go one after the other
	DeletesByName bool          // deletes every value at a name, whatever value was given
	Replaces      bool          // append replaces the whole set
	WholeZone     bool          // every change writes the whole zone back: what others change meanwhile is lost
	NeedsID       bool          // deletes only a record that it returned itself, or as it returned it (with its TTL)
	Rolls         bool          // keeps the newest values and lets none be removed: there is nothing to clean
	Batch         int           // most changes in one call; 0: one
	MinTTL        time.Duration // smaller ones are refused or raised
	PerSecond     float64       // calls a second, per account; 0: unlimited
	Burst         int           // how many of them at once; 0: those of a second
	Wait          time.Duration // how long propagation may take before it is an error; 0: 2 minutes
	Source        string        // where this was learnt: file:line@version, or a document
}

// DNS is one dns block instance as config decoded it.
type DNS struct {
	Address string   // dns.cloudflare.main
	Kind    string   // cloudflare
	Zones   []string // declared zones, canonical without trailing dot; nil: to be asked
	Spec    Spec
	Quirks  Quirks
}

// Zone is one zone block instance: what cannot be guessed about a zone.
type Zone struct {
	Address     string        // zone.internal
	Name        string        // canonical, without trailing dot
	DNS         []string      // addresses of the dns blocks that serve it, all of them
	Nameservers []string      // host or host:port; these are asked instead of those that the delegation names
	Resolvers   []string      // host or host:port, tcp://host:port, or https://... (RFC 8484), instead of the machine's
	ResolversCA string        // PEM file of the roots that vouch for https:// resolvers; "": the system's
	MaxWait     time.Duration // for propagation
	MaxValues   int           // how many TXT values may be at one name at a time; 0: as many as come
}
