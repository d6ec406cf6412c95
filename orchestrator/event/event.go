// Package event says what happens, once.
//
// One stream of flat events feeds the terminal view, the JSON lines, the log
// and the metrics. Emitters call a Listener and never print; only listeners
// print.
package event

import (
	"sync"
	"time"
)

// Kind is what happened. The list is closed: docs/events.md is made from it.
type Kind string

// The kinds, in the order of a certificate's day.
const (
	RunStarted    Kind = "run_started"    // an apply began with its certificates; N of them
	Surveyed      Kind = "surveyed"       // the world was asked; N targets
	Began         Kind = "began"          // work on a certificate began
	Waiting       Kind = "waiting"        // a certificate waits: for another, for a runner, for Retry-After (Until)
	Claimed       Kind = "claimed"        // key made, sealed and stored
	Ordered       Kind = "ordered"        // the CA has an order and we know its URL
	Presented     Kind = "presented"      // TXT values are at the provider
	Propagating   Kind = "propagating"    // waiting for servers; Note names those that lag
	Propagated    Kind = "propagated"     // every authoritative server shows them
	Validated     Kind = "validated"      // the CA accepted the challenges
	Issued        Kind = "issued"         // chain received and stored
	GaveUp        Kind = "gave_up"        // an order was lost or died and is made anew
	FellBack      Kind = "fell_back"      // another issuer of the list is used
	Putting       Kind = "putting"        // a place is being written
	Delivered     Kind = "delivered"      // a place holds and uses the bundle
	Verifying     Kind = "verifying"      // an endpoint does not serve it yet
	Verified      Kind = "verified"       // an endpoint serves it at every address
	Cleaned       Kind = "cleaned"        // TXT values are gone and seen to be gone; N values
	Owing         Kind = "owing"          // TXT values are left; Note says which and why
	Retrying      Kind = "retrying"       // a fault that may pass; Until says when
	Failed        Kind = "failed"         // a certificate or place is given up for this run
	Done          Kind = "done"           // a certificate is at rest
	Skipped       Kind = "skipped"        // left alone: held by another runner, stale, foreign
	Noted         Kind = "noted"          // something worth knowing; Note says what
	Warned        Kind = "warned"         // something people should know; Note says what
	Checked       Kind = "checked"        // doctor, or a canary of run, found something well; Note says what
	Ailing        Kind = "ailing"         // doctor, or a canary of run, found something wrong: a token that died, say
	RunEnded      Kind = "run_ended"      // the daemon ended; Note says what was broken off
	ConfigLoaded  Kind = "config_loaded"  // the daemon took a configuration
	ConfigRefused Kind = "config_refused" // the daemon kept the old one
)

// Kinds lists every kind in order.
var Kinds = []Kind{RunStarted, Surveyed, Began, Waiting, Claimed, Ordered, Presented, Propagating, Propagated,
	Validated, Issued, GaveUp, FellBack, Putting, Delivered, Verifying, Verified, Cleaned, Owing, Retrying,
	Failed, Done, Skipped, Noted, Warned, Checked, Ailing, RunEnded, ConfigLoaded, ConfigRefused}

// Event is one thing that happened. It is flat, holds no secret, and must not
// be changed after it was said.
type Event struct {
	Time        time.Time
	Kind        Kind
	Certificate string // address, as certificate.site["example.com"]
	Place       string // place or endpoint
	Issuer      string
	Provider    string
	Zone        string
	Note        string
	N           int
	Took        time.Duration
	Until       time.Time
	Leaf        string
	NotAfter    time.Time
	Err         error
}

// Listener hears events. It may be called from many goroutines unless it was
// made by Tee; it must not block for long and must not call back.
type Listener func(Event)

// Tee is a Listener that stamps the time where it is missing and passes each
// event to every listener, one event at a time.
func Tee(listeners ...Listener) Listener {
	var mu sync.Mutex
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		for _, l := range listeners {
			if l != nil {
				l(e)
			}
		}
	}
}

// Discard hears and forgets.
func Discard(Event) {}

// For is a Listener that fills in the certificate.
func (l Listener) For(certificate string) Listener {
	return func(e Event) {
		if e.Certificate == "" {
			e.Certificate = certificate
		}
		l(e)
	}
}
