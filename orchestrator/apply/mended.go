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
)

// mended is what failed, and is found well though this record's runner did
// nothing for it: somebody mended it outside, or it came back by itself.
type mended struct {
	places []string // that hold the target, and whose endpoints all serve it
	orders bool     // nothing is to be ordered any more
}

func (m mended) any() bool { return m.orders || len(m.places) > 0 }

// Mended reports whether rec remembers failures that are over, by what was
// seen just now.
func Mended(want plan.Want, rec *state.Record, seen plan.Seen) bool {
	return mendedOf(want, rec, seen, time.Now()).any()
}

func mendedOf(want plan.Want, rec *state.Record, seen plan.Seen, now time.Time) (m mended) {
	if rec == nil || rec.Live == nil || rec.Work != nil {
		return m
	}
	failed := len(rec.Issuing) > 0
	for _, line := range rec.Places {
		failed = failed || line.Tries != nil
	}
	if !failed {
		return m // as nearly always
	}
	// What is owed is removed after the pauses of the orders.
	m.orders = len(rec.Issuing) > 0 && len(rec.Owed) == 0 && plan.Decide(want, rec, seen, now, false).Issues() == nil
	views := plan.Again(&plan.Item{}, want, rec, seen, now, false).Places
	for id, line := range rec.Places {
		if line.Tries != nil && well(want, id, views, rec.Target(), seen) {
			m.places = append(m.places, id)
		}
	}
	return m
}

// well reports whether nothing is wrong with a place. One that is no longer in
// the configuration cannot fail any more.
func well(want plan.Want, id string, views []plan.PlaceView, target *state.Bundle, seen plan.Seen) bool {
	for _, p := range want.Places {
		if p.ID != id {
			continue
		}
		if !slices.ContainsFunc(views, func(v plan.PlaceView) bool { return v.ID == id && v.Will == "keep" }) {
			return false
		}
		for _, e := range slices.Concat(p.Endpoints, p.Shared) {
			if serves, _ := seen.Endpoints[e].Serves(target.Leaf); !serves {
				return false
			}
		}
	}
	return true
}

// ForgetMended forgets the failures of a certificate that a look, seen, found
// to be over, so that nobody is told of them any more. It writes only where
// there are any; somebody else's write wins.
func (e *Engine) ForgetMended(ctx context.Context, want plan.Want, rec *state.Record, seen plan.Seen) error {
	if !Mended(want, rec, seen) {
		return nil
	}
	entry, err := e.Store.Get(ctx, state.RecordKey(want.Address))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read its record: %w", err)
	}
	stored, err := state.DecodeRecord(entry.Data)
	if err != nil {
		return err
	}
	m := mendedOf(want, stored, seen, time.Now())
	// A write here would make its owner think that it was taken over.
	if !m.any() || stored.Owner != "" {
		return nil
	}
	if m.orders {
		stored.Issuing = nil
	}
	for _, id := range m.places {
		stored.Places[id].Tries = nil
	}
	data, err := stored.Encode()
	if err != nil {
		return fmt.Errorf("encode its record: %w", err)
	}
	_, err = e.Store.Put(ctx, state.Entry{Key: entry.Key, Data: data, Rev: entry.Rev, Due: Due(stored)})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("save its record: %w", err)
	}
	return nil
}
