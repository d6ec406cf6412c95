package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// cleaning begins to remove values from DNS; no delivery waits for it. It may
// be that another certificate's order, or another runner's, is handed the same
// values again, so only the record's owner does it.
func (e *Engine) cleaning(ctx context.Context, j *journal, values []state.Value, say event.Listener) (*cleanup, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if !j.mine {
		if err := j.save(ctx); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	guarded, done, err := j.guard(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &cleanup{e: e, say: say, values: slices.Clone(values), over: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(c.over)
		defer cancel()
		for todo := providerValues(c.values); ; {
			c.left = e.Zones.Clean(guarded, todo)
			stood := errors.Is(context.Cause(guarded), ErrNotOwner)
			done()
			if len(c.left) == 0 || !stood {
				return
			}
			// The process was stopped meanwhile; guard decides whether the record
			// is still ours.
			if guarded, done, err = j.guard(ctx); err != nil {
				return
			}
			todo = todo[:0]
			for _, l := range c.left {
				todo = append(todo, l.Value)
			}
		}
	}()
	return c, nil
}

// cleanup is the removal of values that is under way. A nil one has nothing to
// remove. Only the goroutine that owns the record calls its methods.
type cleanup struct {
	e      *Engine
	say    event.Listener
	values []state.Value
	cancel context.CancelFunc
	over   chan struct{} // closed when left is known
	left   []providers.Left

	struck bool
	err    error
}

// ended is closed when what is left is known; nil for a nil cleanup.
func (c *cleanup) ended() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.over
}

// wait waits for the end, at most CleanupTimeout in which the host takes no
// call, and strikes.
func (c *cleanup) wait(rec *state.Record) error {
	if c == nil {
		return nil
	}
	c.patiently()
	c.cancel()
	return c.strike(rec)
}

// end breaks it off, for who gives the record up; after the end it does
// nothing.
func (c *cleanup) end() {
	if c != nil {
		c.cancel()
		<-c.over
	}
}

func (c *cleanup) patiently() {
	since, lapses := time.Now(), c.e.Runner.Lapses()
	for {
		t := time.NewTimer(time.Until(since.Add(c.e.cleanupTimeout())))
		select {
		case <-c.over:
			t.Stop()
			return
		case <-t.C:
			if last := c.e.Zones.Moved(providerValues(c.values)); last.After(since) {
				since = last // a thousand removals at five a second take their time
				continue
			}
			if now := c.e.Runner.Lapses(); now != lapses {
				since, lapses = time.Now(), now // this process stood still: nobody waited
				continue
			}
			c.cancel()
		case <-c.e.stop():
			t.Reset(min(c.e.cleanupTimeout(), grace))
			select {
			case <-c.over:
			case <-t.C:
				c.cancel()
			}
			t.Stop()
		}
		<-c.over
		return
	}
}

// strike takes from the record, once, what is seen to be gone, and returns an
// error that names what is left. It is called after the end.
func (c *cleanup) strike(rec *state.Record) error {
	if c.struck {
		return c.err
	}
	c.struck = true
	still := map[providers.Value]error{}
	for _, l := range c.left {
		still[l.Value] = l.Err
	}
	var errs []error
	gone := 0
	for _, v := range c.values {
		err, ok := still[providerValue(v)]
		if !ok {
			rec.Strike(v)
			gone++
			continue
		}
		if err == nil {
			err = errors.New("it was not seen to be gone in time")
		}
		for n := range rec.Owed {
			if rec.Owed[n].Key() == v.Key() {
				rec.Owed[n].Why = short(err.Error())
			}
		}
		errs = append(errs, fmt.Errorf("TXT %q at %s (zone %s, %s): %w", v.Value, v.Name, v.Zone, v.Provider, err))
	}
	if gone > 0 {
		c.say(event.Event{Kind: event.Cleaned, N: gone})
	}
	if len(errs) > 0 {
		c.err = world.Hint(leftInDNS(errs),
			"they are remembered: the next apply removes them as soon as a dns block serves the zone again")
	}
	return c.err
}

func (e *Engine) cleanupTimeout() time.Duration {
	if e.CleanupTimeout == 0 {
		return 2 * time.Minute
	}
	return e.CleanupTimeout
}

// leftInDNS names values that are not known to be gone. A call that failed may
// have written its values or not, so it does not say that they are there.
func leftInDNS(errs []error) error {
	return fmt.Errorf("%d TXT %s may still be in DNS: %w", len(errs), plural(len(errs), "value", "values"), errors.Join(errs...))
}

// overtaken is for a record that another runner took over while this one was
// stopped. A call that was on its way may have written values since that the
// record lists no more: they are deleted again. What is left is named, and
// owed where nobody works on the record.
func (e *Engine) overtaken(ctx context.Context, j *journal) error {
	listed := map[string]bool{}
	list := func(values []state.Value) {
		for _, v := range values {
			listed[v.Key()] = true
		}
	}
	list(j.owed) // not written by this run
	values := slices.Clone(j.rec.Owed)
	if j.rec.Work != nil {
		values = append(values, j.rec.Work.Values...)
	}
	now, err := e.open(ctx, j.rec.Address)
	if err != nil {
		return err
	}
	if now.rec.Work != nil {
		list(now.rec.Work.Values)
	}
	list(now.rec.Owed)
	values = slices.DeleteFunc(values, func(v state.Value) bool { return listed[v.Key()] })
	if len(values) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, e.cleanupTimeout())
	defer cancel()
	var errs []error
	for _, l := range e.Zones.Clean(limited, providerValues(values)) {
		i := slices.IndexFunc(values, func(v state.Value) bool { return providerValue(v) == l.Value })
		if i >= 0 {
			now.rec.Owe(values[i])
		}
		errs = append(errs, fmt.Errorf("TXT %q at %s (zone %s, %s): %w", l.Value.Text, l.Value.Name, l.Value.Zone, l.Value.Provider, l.Err))
	}
	if len(errs) == 0 {
		return nil
	}
	if err = now.mayClaim(ctx); err == nil {
		err = now.rest(ctx)
	}
	return errors.Join(leftInDNS(errs), err)
}

func short(s string) string {
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}

// forget ends the record of a certificate that left the configuration: an
// order under way is given up, what it owes is cleaned. What was delivered is
// kept and nothing is revoked, so that a certificate that comes back is found.
func (e *Engine) forget(ctx context.Context, j *journal, say event.Listener, out *Outcome) error {
	e.giveUp(j)
	if j.rec.Gone.IsZero() {
		j.rec.Gone = time.Now().UTC().Truncate(time.Second)
	}
	cleaned, err := e.cleaning(ctx, j, j.rec.Owed, say)
	if err != nil {
		return err
	}
	owing := cleaned.wait(j.rec)
	if owing != nil {
		out.Status = Owing
	}
	return errors.Join(owing, j.finish(ctx))
}

// renewalWindow asks the CA for the new certificate's renewal window while it
// is being delivered. The returned function waits and writes it down. No
// answer is no fault: two thirds of the life are the rule then.
func (e *Engine) renewalWindow(ctx context.Context, j *journal, want *plan.Want, bundle *cert.Bundle) func(*state.Record) {
	if bundle == nil || j.rec.Live == nil {
		return func(*state.Record) {}
	}
	issuer, ok := e.issuerOf(j.rec.Live)
	if !ok {
		return func(*state.Record) {}
	}
	result := make(chan *state.Renewal, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		result <- askRenewal(ctx, issuer, bundle.Chain)
	}()
	return func(rec *state.Record) {
		if r := <-result; r != nil {
			rec.Renewal = r
		}
	}
}
