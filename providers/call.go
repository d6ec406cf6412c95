package providers

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

// ErrRefused is in the chain of an error by which a host refused the content
// of a change: the same change will be refused again, a part of it may not be.
// A batch that is refused is halved until the fault stands alone.
var ErrRefused = errors.New("the DNS host refused the change")

const (
	defaultWait = 2 * time.Minute        // for a change with all its retries, and for propagation
	callWait    = time.Minute            // for one call
	grace       = 5 * time.Second        // what a provider gets that does not look at its context
	firstPause  = 500 * time.Millisecond // before the first retry
	mostPause   = 30 * time.Second       // between retries
	plainTries  = 4                      // with a provider whose errors say nothing
)

// attempt makes one call as often as it takes: temporary faults (429, 5xx, a
// lost connection) are tried again with growing pauses, a Retry-After is
// obeyed and told to everybody of the account. It gives up when ctx ends
// before the next try, after tries (0: no limit), and at once when trying again
// cannot help. A call whose answer was lost is simply repeated.
func (b *broker) attempt(ctx context.Context, l *link, tries int, call func(context.Context) error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := b.once(ctx, call)
		if err == nil {
			b.pace.moves()
			return nil
		}
		at, again := world.RetryAt(err)
		if !at.IsZero() {
			b.pace.hold(at)
		}
		if !again || errors.Is(err, ErrRefused) || ctx.Err() != nil || n == tries {
			return err
		}
		until := time.Now().Add(pause)
		if at.After(until) {
			until = at
		}
		if d, ok := ctx.Deadline(); ok && until.After(d) {
			return err
		}
		l.say(event.Event{Kind: event.Retrying, Provider: l.address, Zone: bare(b.zone), Until: until, Err: err})
		if sleep(ctx, time.Until(until)) != nil {
			return err
		}
		pause = min(2*pause, mostPause)
	}
}

// once makes one call at the account's pace, with a deadline, and lives through
// a panic and through a provider that does not look at its context.
func (b *broker) once(ctx context.Context, call func(context.Context) error) error {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok {
		ctx, t = b.pace.ranked(ctx, adding)
	}
	if err := t.pay(ctx); err != nil {
		return err
	}
	defer t.paid.Store(false)
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		err := errors.New("the provider ended the call without an answer")
		defer func() {
			if p := recover(); p != nil {
				// Its words could hold a secret, unless they are the runtime's.
				words := fmt.Sprintf("%T", p)
				if r, ok := p.(runtime.Error); ok {
					words = r.Error()
				}
				err = world.Never(fmt.Errorf("the provider panicked: %s (%s)", words, origin()))
			}
			result <- err
		}()
		err = call(ctx)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case err := <-result:
		return err
	case <-late.C:
		return fmt.Errorf("the provider does not return: %w", context.Cause(ctx))
	}
}

// origin is the place of a panic, without arguments, which could hold secrets.
func origin() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && f.Function != "runtime.gopanic" && f.Function != "runtime.panicmem" &&
			f.Function != "runtime.sigpanic" && f.Function != "runtime.goPanicIndex" {
			return f.Function
		}
		if !more {
			return "somewhere"
		}
	}
}
