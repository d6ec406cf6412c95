package apply

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// prove waits until these endpoints serve the target at every address. Those
// of later are looked at later in this run.
func (e *Engine) prove(ctx context.Context, j *journal, want *plan.Want, ids, later map[string]bool, say event.Listener) []error {
	target := j.rec.Target()
	if len(ids) == 0 || target == nil {
		return nil
	}
	chain, err := state.GetBundle(ctx, e.Store, target.Leaf)
	if err != nil {
		return []error{err}
	}
	bad, err := e.knownMeanwhile(ctx, j, func(ctx context.Context) map[string]error {
		return e.waitFor(ctx, want.Endpoints, ids, chain, say)
	})
	if err != nil {
		return []error{err}
	}
	var failed []error
	for _, ep := range want.Endpoints {
		if err := bad[ep.ID()]; err != nil {
			failed = append(failed, err)
		}
	}
	proven(j, want, ids, later, bad, target.Leaf)
	return failed
}

// knownAfter is how long a certificate may wait for its endpoints before what
// is known of it meanwhile is written down.
const knownAfter = 3 * time.Second

// knownMeanwhile waits for the endpoints. Where that takes long, who reads the
// state (a plan, status) must not take what was delivered for under way, nor
// values that are gone for owed: the record is written with what is known by
// then, and once more when the values are gone. A certificate whose endpoints
// follow at once costs no write.
func (e *Engine) knownMeanwhile(ctx context.Context, j *journal, wait func(context.Context) map[string]error) (map[string]error, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan map[string]error, 1)
	go func() { found <- wait(ctx) }()
	long := time.NewTimer(knownAfter)
	defer long.Stop()
	gone, late := j.gone.ended(), false
	if j.gone != nil && j.gone.struck {
		gone = nil
	}
	for {
		select {
		case bad := <-found:
			return bad, nil
		case <-long.C:
			late = true
		case <-gone:
			gone = nil
			_ = j.gone.strike(j.rec) // what is left is told at the end of the run
		}
		if !late || !j.mine || ctx.Err() != nil {
			continue
		}
		if err := j.save(ctx); err != nil {
			cancel()
			<-found
			return nil, err
		}
	}
}

// waitFor looks at endpoints until they serve chain, and returns why not for
// those that do not in time. A soft stop ends it.
func (e *Engine) waitFor(ctx context.Context, endpoints []cert.Endpoint, ids map[string]bool, chain cert.Chain, say event.Listener) map[string]error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.onStop(func() { cancel(errStopped) })()
	var mu sync.Mutex
	bad := map[string]error{}
	var wg sync.WaitGroup
	for _, ep := range endpoints {
		id := ep.ID()
		if !ids[id] {
			continue
		}
		wg.Go(func() {
			if err := e.Verify(ctx, ep, chain, say); err != nil {
				mu.Lock()
				defer mu.Unlock()
				bad[id] = err
			}
		})
	}
	wg.Wait()
	return bad
}

// proven notes the result at the places that these endpoints prove. A place is
// proven by all its endpoints: one that is looked at later decides then, so
// that its failures are counted from run to run. A stop is no failure.
func proven(j *journal, want *plan.Want, ids, later map[string]bool, bad map[string]error, leaf cert.Fingerprint) {
	for _, p := range want.Places {
		var err error
		looked, open := false, false
		for _, id := range append(slices.Clone(p.Endpoints), p.Shared...) {
			looked, open = looked || ids[id], open || later[id]
			if ids[id] {
				err = errors.Join(err, bad[id])
			}
		}
		if !looked || errors.Is(err, errStopped) || errors.Is(err, context.Canceled) {
			continue
		}
		line := j.rec.Places[p.ID]
		if line == nil {
			line = &state.Place{}
			if j.rec.Places == nil {
				j.rec.Places = map[string]*state.Place{}
			}
			j.rec.Places[p.ID] = line
		}
		switch {
		case err != nil:
			line.Tries = state.Failed(line.Tries, time.Now(), time.Time{}, err.Error())
		case !open:
			line.Proven, line.Tries = leaf, nil
		}
	}
}
