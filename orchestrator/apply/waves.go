package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// waves puts the places of each wave together and proves them before the next
// wave begins, with those of earlier waves that hold the bundle already and do
// not serve it. Endpoints that several places share are added to proofs, to be
// looked at once, after the last place.
func (e *Engine) waves(ctx context.Context, j *journal, job *Job, bundle *cert.Bundle, puts []plan.Step, proofs map[string]bool, say event.Listener, out *Outcome) []error {
	slices.SortStableFunc(puts, func(a, b plan.Step) int { return a.Wave - b.Wave })
	var failed []error
	for len(puts) > 0 {
		n := slices.IndexFunc(puts, func(s plan.Step) bool { return s.Wave != puts[0].Wave })
		if n < 0 {
			n = len(puts)
		}
		wave := puts[:n]
		puts = puts[n:]
		if first := before(proofs, &job.Want, wave[0].Wave); len(first) > 0 {
			maps.DeleteFunc(proofs, func(id string, _ bool) bool { return first[id] })
			if failed = append(failed, e.prove(ctx, j, &job.Want, first, proofs, say)...); len(failed) > 0 {
				return append(failed, laterWaves(len(wave)+len(puts)))
			}
		}
		if e.stopping() {
			return append(failed, fmt.Errorf("wave %d: %w", wave[0].Wave, errStopped))
		}
		failed = append(failed, e.wave(ctx, j, job, bundle, wave, proofs, say, out)...)
		if len(failed) > 0 && len(puts) > 0 {
			return append(failed, laterWaves(len(puts)))
		}
		if ctx.Err() != nil {
			return append(failed, ctx.Err())
		}
	}
	return failed
}

func laterWaves(n int) error {
	return fmt.Errorf("%d %s of later waves not begun", n, plural(n, "place was", "places were"))
}

// before is those of proofs that a place of an earlier wave has for itself. A
// consumer that fetches for itself has its own pace and holds up nobody.
func before(proofs map[string]bool, want *plan.Want, wave int) map[string]bool {
	out := map[string]bool{}
	for _, p := range want.Places {
		for _, id := range p.Endpoints {
			if proofs[id] && p.Wave < wave && !p.Passive {
				out[id] = true
			}
		}
	}
	return out
}

// waveOf is the wave that a step belongs to.
func waveOf(want *plan.Want, s plan.Step) int {
	if s.Kind == plan.Put {
		return s.Wave
	}
	wave := math.MaxInt
	for _, p := range want.Places {
		if !p.Passive && slices.Contains(p.Endpoints, s.Place) {
			wave = min(wave, p.Wave)
		}
	}
	return wave
}

// put is one place of a wave, with what is known of it.
type put struct {
	step  plan.Step
	place sinks.Place
	line  *state.Place
	was   sinks.Held
	held  sinks.Held
	fresh bool // nothing of ours was ever put there before
	err   error
}

func (e *Engine) wave(ctx context.Context, j *journal, job *Job, bundle *cert.Bundle, steps []plan.Step, proofs map[string]bool, say event.Listener, out *Outcome) []error {
	if j.rec.Places == nil {
		j.rec.Places = map[string]*state.Place{}
	}
	todo := make([]*put, 0, len(steps))
	for _, s := range steps {
		i := slices.IndexFunc(job.Want.Places, func(p sinks.Place) bool { return p.ID == s.Place })
		p := &put{step: s, place: job.Want.Places[i], line: j.rec.Places[s.Place]}
		if p.line == nil {
			p.line = &state.Place{}
			j.rec.Places[s.Place] = p.line
		}
		seen := job.Seen.Places[s.Place]
		p.was = asSeen(s, p.line, seen)
		p.fresh = p.line.Leaf == "" && p.line.Putting == ""
		p.line.Putting, p.line.Wave = bundle.Leaf(), s.Wave
		todo = append(todo, p)
	}
	// The intent is on disk before the first byte goes out. After an issuance
	// this save is also the one that remembers it.
	if err := j.save(ctx); err != nil {
		return []error{err}
	}
	var wg sync.WaitGroup
	for _, p := range todo {
		wg.Go(func() { p.held, p.err = e.put(ctx, j, job, bundle, p, say) })
	}
	wg.Wait()
	var failed []error
	own := map[string]bool{}
	for _, p := range todo {
		if p.err != nil {
			failed = append(failed, e.notDelivered(p, bundle, say))
			continue
		}
		out.Puts++
		p.line.Leaf, p.line.Putting, p.line.Refused = bundle.Leaf(), "", ""
		p.line.Ref, p.line.Rev = p.held.Ref, p.held.Rev
		if b := j.rec.Bundle(bundle.Leaf()); b != nil {
			p.line.Seq = b.Seq
		}
		for _, id := range p.place.Endpoints {
			own[id] = true
			delete(proofs, id)
		}
		for _, id := range p.place.Shared {
			proofs[id] = true
		}
		if len(p.place.Endpoints)+len(p.place.Shared) == 0 {
			p.line.Tries = nil
		}
	}
	if ctx.Err() != nil {
		return append(failed, ctx.Err())
	}
	if len(own) > 0 {
		failed = append(failed, e.prove(ctx, j, &job.Want, own, proofs, say)...)
	}
	return failed
}

// asSeen is what Put is told of the place: what we know to be held AND in use
// there. A delivery that was interrupted, or a place that must be activated
// again, passes no leaf, so that the sink activates whatever it finds.
func asSeen(s plan.Step, line *state.Place, seen plan.Place) sinks.Held {
	was := seen.Held
	if !seen.Exists {
		was = sinks.Held{}
	}
	if was.Ref == "" {
		was.Ref = line.Ref
	}
	if s.PlaceOp == "activate" || s.PlaceOp == "repair" {
		was.Leaf = ""
	}
	return was
}

// put writes one place, looking anew where it changed under our hands.
func (e *Engine) put(ctx context.Context, j *journal, job *Job, bundle *cert.Bundle, p *put, say event.Listener) (sinks.Held, error) {
	began := time.Now()
	say(event.Event{Kind: event.Putting, Place: p.place.ID, Note: p.step.Why})
	for look := 1; ; look++ {
		held, err := e.putOnce(ctx, j, bundle, p)
		if err == nil {
			say(event.Event{Kind: event.Delivered, Place: p.place.ID, Leaf: string(bundle.Leaf()), Took: time.Since(began)})
			return held, nil
		}
		if !errors.Is(err, sinks.ErrChanged) || look == looksPerPlace {
			return held, err
		}
		seen := e.Look(ctx, plan.Want{Address: job.Want.Address, Places: []sinks.Place{p.place}}, j.rec).Places[p.place.ID]
		if seen.Unread != "" {
			return held, fmt.Errorf("%w; looked again: %s", err, seen.Unread)
		}
		if why := mayNot(job.Want, p, j.rec, seen); why != "" {
			return held, fmt.Errorf("%w: %s", err, why)
		}
		p.was = asSeen(p.step, &state.Place{Ref: p.line.Ref}, seen)
		p.was.Leaf = ""
	}
}

// mayNot says why a place must be left alone as it is now, "" if it need not.
func mayNot(want plan.Want, p *put, rec *state.Record, seen plan.Place) string {
	want.Places, want.Endpoints = []sinks.Place{p.place}, nil
	// What this Put is about to do makes nothing ours that lies there.
	line, was := *p.line, *rec
	if p.fresh {
		line.Putting = ""
	}
	was.Places = map[string]*state.Place{p.place.ID: &line}
	it := plan.Again(&plan.Item{}, want, &was, plan.Seen{Places: map[string]plan.Place{p.place.ID: seen}}, time.Now(), false)
	for _, s := range it.Steps {
		if s.Kind == plan.Blocked {
			return s.Why
		}
	}
	return ""
}

func (e *Engine) putOnce(ctx context.Context, j *journal, bundle *cert.Bundle, p *put) (sinks.Held, error) {
	g, done, err := j.guard(ctx)
	if err != nil {
		return sinks.Held{}, err
	}
	defer done()
	sink, err := p.place.Open(g, e.World)
	if err != nil {
		return sinks.Held{}, err
	}
	return sink.Put(g, bundle, p.was)
}

// notDelivered remembers that a place failed; Putting stays where the sink
// may have been cut off in the middle, so that the next run activates it.
func (e *Engine) notDelivered(p *put, bundle *cert.Bundle, say event.Listener) error {
	err := fmt.Errorf("place %s: %w", p.place.ID, p.err)
	var held *heldError
	if !errors.Is(p.err, context.Canceled) && !errors.Is(p.err, ErrNotOwner) && !errors.As(p.err, &held) {
		at, retry := world.RetryAt(p.err)
		p.line.Tries = state.Failed(p.line.Tries, time.Now(), at, p.err.Error())
		if !retry {
			p.line.Refused = bundle.Leaf()
		}
	}
	say(event.Event{Kind: event.Retrying, Place: p.place.ID, Err: p.err, Until: triesNext(p.line)})
	return err
}

func triesNext(line *state.Place) time.Time {
	if line.Tries == nil {
		return time.Time{}
	}
	return line.Tries.Next
}
