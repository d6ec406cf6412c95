package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// looksPerPlace is how often a place that changed under our hands is looked
// at anew in one run.
const looksPerPlace = 3

// deliver makes every place hold the target bundle, wave by wave, and waits
// until the endpoints prove it. bundle is the one just issued, or nil. One
// place that fails, or that is left for later since it failed before, stops
// later waves and nothing else. A bundle just issued goes everywhere, as the
// plan says: what failed before failed with another one.
func (e *Engine) deliver(ctx context.Context, j *journal, job *Job, bundle *cert.Bundle, say event.Listener, out *Outcome) error {
	want := &job.Want
	e.readAgain(ctx, j, job)
	now := plan.Again(&plan.Item{}, *want, j.rec, job.Seen, time.Now(), e.Patient && bundle == nil)
	var puts []plan.Step
	var blocked []error
	proofs := map[string]bool{}
	hold := math.MaxInt // the first wave of which something is left for later
	for _, s := range now.Steps {
		switch {
		case s.WaitTill != "" || s.PlaceOp == "unread": // the view of an unread one says why, below
			hold = min(hold, waveOf(want, s))
		case s.Kind == plan.Put:
			puts = append(puts, s)
		case s.Kind == plan.Prove:
			proofs[s.Place] = true
		case s.Kind == plan.Blocked:
			blocked = append(blocked, fmt.Errorf("place %s: %s", s.Place, s.Why))
		}
	}
	puts = slices.DeleteFunc(puts, func(s plan.Step) bool { return s.Wave > hold })
	if len(blocked) > 0 {
		out.Status = Blocked
	}
	for _, v := range now.Places {
		if v.Will == "unread" {
			// What is there is not known, so nothing may be put over it.
			err := fmt.Errorf("place %s: %s", v.ID, v.Now)
			say(event.Event{Kind: event.Retrying, Place: v.ID, Err: errors.New(v.Now)})
			blocked, out.Status = append(blocked, err), Failed
		}
	}
	if len(puts) == 0 && bundle != nil {
		// Nothing to deliver, but an issuance to remember.
		if err := j.save(ctx); err != nil {
			return err
		}
	}
	if len(puts) == 0 && len(proofs) == 0 {
		return errors.Join(blocked...)
	}
	var failed []error
	if len(puts) > 0 {
		if bundle == nil {
			var err error
			if bundle, err = e.bundle(ctx, j.rec.Target()); err != nil {
				return err
			}
		}
		if failed = e.waves(ctx, j, job, bundle, puts, proofs, say, out); len(failed) > 0 {
			out.Status = Failed
		}
	}
	if len(failed) == 0 && !e.stopping() {
		if failed = e.prove(ctx, j, want, proofs, nil, say); len(failed) > 0 {
			out.Status = Failed
		}
	}
	if e.stopping() && len(failed) == 0 && len(proofs) > 0 {
		failed = append(failed, errStopped)
	}
	return errors.Join(append(failed, blocked...)...)
}

// readAgain looks once more at places that could not be looked at before: the
// fault may have passed while the certificate was issued.
func (e *Engine) readAgain(ctx context.Context, j *journal, job *Job) {
	again := plan.Want{Address: job.Want.Address}
	for _, p := range job.Want.Places {
		if job.Seen.Places[p.ID].Unread != "" {
			again.Places = append(again.Places, p)
		}
	}
	if len(again.Places) == 0 {
		return
	}
	seen := maps.Clone(job.Seen.Places)
	maps.Copy(seen, e.Look(ctx, again, j.rec).Places)
	job.Seen.Places = seen
}

// bundle opens a stored bundle with its key.
func (e *Engine) bundle(ctx context.Context, b *state.Bundle) (*cert.Bundle, error) {
	chain, err := state.GetBundle(ctx, e.Store, b.Leaf)
	if err != nil {
		return nil, err
	}
	key, err := seal.GetKey(ctx, e.Store, e.Seal, b.SPKI)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, seal.ErrNoIdentity) {
		b.KeyLost = true
		return nil, world.Hint(err, "the key is lost: the next apply orders another certificate in its place")
	}
	if err != nil {
		return nil, err
	}
	return cert.NewBundle(chain, key)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
