// Package issue turns names into a chain, one phase at a time.
//
// It speaks ACME (RFC 8555, RFC 9773) and answers DNS-01 through providers.
// What is wanted, when, and what happens with the chain is decided above; the
// caller saves the work after every step.
package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
)

// ErrLost is in the chain when the CA no longer knows the order, or the order
// can never succeed. The caller gives the work up (its values become owed)
// and begins a new one.
var ErrLost = errors.New("the order is lost")

// ErrInvalid is in the chain, beside ErrLost, when the CA judged the order and
// refused it: a validation failed, a challenge never ended, the finalization
// was turned down. The order is given up as with ErrLost, but a new one would
// most likely fail the same way: the caller counts a failure and pauses before
// it makes one. ErrLost alone is nobody's fault, and a new order may be made
// at once.
var ErrInvalid = errors.New("the CA refused the order")

// ErrRefusedReplaces is in the chain when the CA would not take `replaces`.
// The caller repeats the step with Work.Replaces cleared.
var ErrRefusedReplaces = errors.New("the CA refused to connect the order with the certificate it replaces")

// Job is what a step needs beside the work.
type Job struct {
	Names []cert.Name
	Key   cert.Key          // the key of Work.SPKI
	Old   *x509.Certificate // the certificate that Work.Replaces names, or nil
	// Fallback says that the issuer is not the first of its list: a profile
	// that it does not offer is left out instead of being an error.
	Fallback bool
	Ticket   *providers.Ticket // says to the brokers that this job is on its way; the step ends it
	// Judged, if not nil, is called when the CA has looked at all that it wants
	// to look at in DNS, from the step's own goroutine; it may be called again.
	Judged func()
	Say    event.Listener
}

// Issuer moves an issuance forward. Its methods may be called concurrently
// for different works.
type Issuer interface {
	// Account identifies the account at the CA (directory and EAB id), not the
	// block's label: work, accounts and `replaces` go by it.
	Account() string
	// Known is what CAA records are compared with, as far as it is known
	// without asking the CA. It reads the state.
	Known(ctx context.Context) (Known, error)
	// Greet reads the CA's directory: doctor asks whether the CA is there.
	Greet(ctx context.Context) error
	// Step moves w one phase forward and may change only w.Phase, w.Data,
	// w.Values and w.Chain. It may be repeated after any error or crash with
	// the w that was last saved. Errors: ErrLost, ErrRefusedReplaces, or a
	// world.Fault that says whether and when to try again. Until it returns
	// with Phase Ordered nothing was written to DNS.
	Step(ctx context.Context, w *state.Work, job Job) error
	// Renewal asks for the CA's renewal window (RFC 9773). ok is false if the
	// CA offers none. next is when to ask again, also with an error.
	Renewal(ctx context.Context, chain cert.Chain) (win Window, next time.Time, ok bool, err error)
	// Revoke tells the CA that a certificate must no longer be trusted; only
	// on an explicit command.
	Revoke(ctx context.Context, leaf *x509.Certificate, reason int) error
}

// Known is how CAA records know an issuer.
type Known struct {
	CAA     []string // the CA's domain names (RFC 8659, section 4.2); none: not known
	Account string   // URL of the account, "" if there is none yet (RFC 8657)
}

// Window is when a certificate should be renewed (RFC 9773, section 4.2).
type Window struct {
	Start, End time.Time
	URL        string // explanationURL, to be shown
}
