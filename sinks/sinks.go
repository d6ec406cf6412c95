// Package sinks is what a place for certificates must do.
//
// One folder a sink; the engine above decides what goes where and when, asks
// Observe what is, and calls Put. A sink never decides, never sleeps and
// never logs; undo is Put of the previous bundle.
package sinks

import (
	"context"
	"errors"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
)

// ErrChanged is in the chain when the place no longer holds what the engine
// last saw there. Nothing was changed; the engine looks again.
var ErrChanged = errors.New("the place has changed since it was looked at")

// Held is what a place holds, read without the private key and with
// read-only rights.
type Held struct {
	Leaf, Chain cert.Fingerprint // of the leaf; of all certificates in order
	NotAfter    time.Time
	Names       []string // sorted, canonical
	Issuer      string   // common name of who signed the leaf, for people
	Ref         string   // which object: path, ARN, secret name. Chosen at the first Put, the same for ever after
	Rev         string   // which state of it: KV version, ETag, digest of the bytes; "" where the place has none
	Broken      string   // "" or why what is there cannot be in use as it is: key missing, wrong mode, half a pair
	// Strange says that what is there cannot be read here, and is plainly
	// somebody's all the same: an archive that another password opens. It is not
	// ours unless its Rev is that of our last Put.
	Strange bool
	Notes   []string // for people: what is special about this place (memory only, no versioning)

	// SHA1 and Serial of the leaf are all that some places show (a remote
	// HAProxy); Leaf is then "" and Matches tells whether a chain is what is
	// held. SHA1 is lower-case hex of the leaf's DER, Serial lower-case hex
	// without leading zeros.
	SHA1, Serial string
}

// Sink writes one place. It is made by Place.Open, used by one goroutine at a
// time, and closed by nobody: connections are shared through world.Shared.
type Sink interface {
	// Put makes the place hold AND use b. was is what the engine last saw
	// there (zero: nothing). It returns an error that wraps ErrChanged, and
	// changes nothing, when the place no longer holds was.Rev (where the place
	// can compare). It may be repeated: bytes already there are not written
	// again, but unless was.Leaf is b's leaf the place is activated again
	// (test, reload), so that a crash between write and activation heals.
	// Before its commit point nothing has changed, after it everything has;
	// Observe tells which, not the error.
	Put(ctx context.Context, b *cert.Bundle, was Held) (Held, error)
}

// Observer is a Sink that can look. With ref "" it finds the place by its own
// name; an error that wraps fs.ErrNotExist says that nothing is there.
type Observer interface {
	Observe(ctx context.Context, ref string) (Held, error)
}

// Spec is a sink block decoded for one certificate: valid or not, but not
// connected. All methods are pure but Open.
type Spec interface {
	// Check says what is wrong beyond the types of single arguments.
	Check() []block.Problem
	// Target is what is written, normalised: two certificates with one Target
	// are a configuration error. "" for a sink that writes nothing (pull).
	Target() string
	// Open connects, through shared connections; secrets are resolved here.
	Open(ctx context.Context, w *world.World) (Sink, error)
}

// Noted is a Spec with something that a plan should say about the place: that
// it lives in memory only, say.
type Noted interface{ Notes() []string }

// Rebased is a Spec with arguments that are paths on this machine. Config
// calls Rebase once, after decoding and before any other method, with the
// absolute directory that relative paths are relative to.
type Rebased interface{ Rebase(dir string) }

// OnDisk is a Spec that writes files of this machine. Paths are absolute; all
// that hold something of the certificate are listed. Two certificates that
// write one file are a configuration error, whatever their Targets are.
type OnDisk interface{ Paths() []string }

// Named is a Spec with a default that is made of the certificate's name.
// Config calls SetCertificate once, after decoding and before any other
// method.
type Named interface{ SetCertificate(name string) }

// Kind is one line of the table of sinks in cmd/certform.
type Kind struct {
	Name    string
	Doc     string // one or two sentences for people
	Example string // a whole block, parsed by a test
	New     func() Spec
	// Blind: it cannot Observe; config demands an endpoint.
	Blind bool
	// Passive: it is never Put; its consumers fetch for themselves (pull).
	Passive bool
}

// Place is one sink instance and one certificate: the smallest thing that can
// be written, seen, verified and undone by itself. It is pure data; its ID
// comes from config alone and is the key of its line in the record.
type Place struct {
	ID        string   // sink.haproxy.edge/lb1
	Kind      string   // haproxy
	Target    string   // what it writes, normalised
	Wave      int      // waves are delivered in order, smallest first
	Adopt     string   // "", "yes" or "force": a certificate that is not ours may be replaced
	Endpoints []string // IDs of those that prove this place alone
	Shared    []string // IDs of the sink's other endpoints: looked at once, after the last place
	Passive   bool     // never Put
	Notes     []string
	Secrets   []string // references that Open will resolve
	Open      func(context.Context, *world.World) (Sink, error)
}
