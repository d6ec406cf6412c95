package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// heldError says that a live runner works on the certificate, or was quicker;
// err, if any, is how that was noticed.
type heldError struct {
	who string
	err error
	// forestalled: that was at the first write, before any effect. Who wrote may
	// have been passing by (with a renewal window), be done, or be at work still.
	forestalled bool
}

func (e *heldError) Error() string { return "another runner works on it (" + e.who + ")" }
func (e *heldError) Unwrap() error { return e.err }

// journal is one certificate's record in the hands of the one goroutine that
// owns it. Every save is a compare-and-swap.
type journal struct {
	e    *Engine
	rec  *state.Record
	rev  state.Revision
	mine bool          // the stored record names this runner as its owner
	owed []state.Value // when it was opened
	gone *cleanup      // the removal of values that is under way beside the delivery

	lapses chan int // holds one: the runner's, before the stored record was last seen to be rev
}

// open reads the record of address, or begins an empty one.
func (e *Engine) open(ctx context.Context, address string) (*journal, error) {
	j := &journal{e: e, lapses: make(chan int, 1)}
	j.lapses <- e.Runner.Lapses()
	entry, err := e.Store.Get(ctx, state.RecordKey(address))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.rec = &state.Record{Address: address}
		return j, nil
	case err != nil:
		return nil, fmt.Errorf("read its record: %w", err)
	}
	if j.rec, err = state.DecodeRecord(entry.Data); err != nil {
		return nil, err
	}
	j.rev, j.mine, j.owed = entry.Rev, j.rec.Owner == e.Runner.ID(), slices.Clone(j.rec.Owed)
	return j, nil
}

// mayClaim returns a heldError if a live runner owns the record.
func (j *journal) mayClaim(ctx context.Context) error {
	if j.mine || j.rec.Owner == "" {
		return nil
	}
	alive, who, err := j.e.Runner.Alive(ctx, j.rec.Owner)
	if err != nil {
		return fmt.Errorf("look for its owner: %w", err)
	}
	if alive {
		return &heldError{who: who}
	}
	return nil
}

// save writes the record as its owner. It is not cut short by a soft stop:
// what was done must be written. A conflict means that another runner took
// the certificate over.
func (j *journal) save(ctx context.Context) error {
	j.rec.Owner = j.e.Runner.ID()
	return j.put(ctx)
}

// rest writes the record without an owner.
func (j *journal) rest(ctx context.Context) error {
	j.rec.Owner = ""
	return j.put(ctx)
}

func (j *journal) put(ctx context.Context) error {
	j.rec.Updated = time.Now().UTC().Truncate(time.Second)
	if len(j.rec.Issuing) == 0 {
		j.rec.Issuing = nil
	}
	var data []byte
	var err error
	world.Aside(func() { data, err = j.rec.Encode() })
	if err != nil {
		return fmt.Errorf("encode its record: %w", err)
	}
	lapses := j.e.Runner.Lapses()
	// A guard beside it must not take our own write for another's.
	since := <-j.lapses
	rev, err := j.e.Store.Put(ctx, state.Entry{Key: state.RecordKey(j.rec.Address), Data: data, Rev: j.rev, Due: Due(j.rec)})
	if err == nil {
		j.rev, j.mine, since = rev, j.rec.Owner == j.e.Runner.ID(), lapses
	}
	j.lapses <- since
	if errors.Is(err, state.ErrConflict) {
		return &heldError{who: j.winner(ctx), err: fmt.Errorf("save its record: %w", err)}
	}
	if err != nil {
		return fmt.Errorf("save its record: %w", err)
	}
	return nil
}

// guard returns the context of one outside effect of the record's owner; done
// must be called after it. Where the process was stopped for so long that
// another may have taken over, it beats first and reads the record anew: if
// another has, nothing is done. It may be called concurrently.
func (j *journal) guard(ctx context.Context) (guarded context.Context, done func(), err error) {
	r, since := j.e.Runner, <-j.lapses
	defer func() { j.lapses <- since }()
	guarded, done, err = r.Guard(ctx, since)
	if err == nil {
		return guarded, done, nil
	}
	if err := r.Renew(ctx); err != nil {
		return nil, nil, fmt.Errorf("announce this runner again: %w", err)
	}
	lapses := r.Lapses()
	entry, err := j.e.Store.Get(ctx, state.RecordKey(j.rec.Address))
	if err != nil {
		return nil, nil, fmt.Errorf("read its record again: %w", err)
	}
	if entry.Rev != j.rev {
		return nil, nil, &heldError{who: "it took over while this one was stopped"}
	}
	since = lapses
	return r.Guard(ctx, since)
}

// winner says who wrote the record before us.
func (j *journal) winner(ctx context.Context) string {
	now, err := j.e.open(ctx, j.rec.Address)
	if err == nil && now.rec.Owner != "" {
		if _, who, _ := j.e.Runner.Alive(ctx, now.rec.Owner); who != "" {
			return who
		}
	}
	return "it was quicker and is done"
}

// Due is when somebody should look at a record next, as far as it says:
// something unfinished, a pause that ends, a renewal, or the CA's word on it.
func Due(r *state.Record) time.Time {
	if !r.Gone.IsZero() && r.Work == nil && len(r.Owed) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(append(dues(r, time.Now()), time.Time{}), sooner)
}

// DueAfter is the first of a record's times that is later than now, for who
// has looked then, decided, and done what there was to do: a time that had
// passed and moved nobody will move nobody in a second either.
func DueAfter(r *state.Record, now time.Time) time.Time {
	later := slices.DeleteFunc(dues(r, now), func(t time.Time) bool { return !t.After(now) })
	return slices.MinFunc(append(later, time.Time{}), sooner)
}

// sooner compares times; the zero one is never.
func sooner(a, b time.Time) int {
	if a.IsZero() || b.IsZero() {
		return b.Compare(a)
	}
	return a.Compare(b)
}

// dues are the times that a record names.
func dues(r *state.Record, now time.Time) []time.Time {
	var out []time.Time
	paused := now // the end of the pause of its orders
	for _, t := range r.Issuing {
		if t.Next.After(paused) {
			paused = t.Next
		}
	}
	if r.Work != nil || len(r.Owed) > 0 || r.Live == nil {
		out = append(out, paused)
	}
	for _, p := range r.Places {
		if p.Tries != nil {
			out = append(out, p.Tries.Next)
		} else if p.Putting != "" {
			out = append(out, now)
		}
	}
	if r.Live != nil {
		at, _ := plan.Moment(r.Address, r.Live, r.Renewal)
		if paused.After(now) && paused.After(at) {
			at = paused
		}
		out = append(out, at)
		if r.Renewal != nil {
			out = append(out, r.Renewal.Next)
		}
	}
	return out
}
