package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// askRenewal asks the CA for the renewal window of a certificate; nil if the
// CA has none and need not be asked again.
func askRenewal(ctx context.Context, issuer issue.Issuer, chain cert.Chain) *state.Renewal {
	win, next, ok, err := issuer.Renewal(ctx, chain)
	if !ok && err == nil {
		return nil
	}
	r := &state.Renewal{Leaf: chain.LeafPrint(), Next: next.UTC()}
	if err == nil {
		r.Start, r.End, r.URL = win.Start.UTC(), win.End.UTC(), win.URL
	}
	return r
}

// Refresh asks the CAs again for the renewal windows whose time has come, as
// part of upkeep, so that a plan never has to. records are updated in place
// and in the store; somebody else's write wins, and errors are only said.
func (e *Engine) Refresh(ctx context.Context, wants []plan.Want, records map[string]*state.Record) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for _, w := range wants {
		rec := records[w.Address]
		if rec == nil || rec.Live == nil || rec.Work != nil {
			continue
		}
		if _, ok := e.issuerOf(rec.Live); !ok {
			continue
		}
		switch r := rec.Renewal; {
		case r != nil && r.Leaf == rec.Live.Leaf && time.Now().Before(r.Next):
			continue
		case r == nil && !time.Now().Before(rec.Live.NotAfter):
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := e.refresh(ctx, w.Address, rec); err != nil {
				e.Say(event.Event{Kind: event.Warned, Certificate: w.Address, Note: "its renewal window could not be refreshed", Err: err})
			}
		})
	}
	wg.Wait()
}

// issuerOf is the issuer with the account that b was ordered with, whatever its
// block is called now.
func (e *Engine) issuerOf(b *state.Bundle) (issue.Issuer, bool) {
	if i, ok := e.Issuers[b.Issuer]; ok && i.Account() == b.Account {
		return i, true
	}
	for _, address := range slices.Sorted(maps.Keys(e.Issuers)) {
		if i := e.Issuers[address]; i.Account() == b.Account {
			return i, true
		}
	}
	return nil, false
}

func (e *Engine) refresh(ctx context.Context, address string, rec *state.Record) error {
	issuer, ok := e.issuerOf(rec.Live)
	if !ok {
		return nil
	}
	chain, err := state.GetBundle(ctx, e.Store, rec.Live.Leaf)
	if err != nil {
		return err
	}
	r := askRenewal(ctx, issuer, chain)
	if r == nil {
		return nil
	}
	if r.Start.IsZero() && rec.Renewal != nil && rec.Renewal.Leaf == r.Leaf {
		// No answer this time: the last word stays.
		r.Start, r.End, r.URL = rec.Renewal.Start, rec.Renewal.End, rec.Renewal.URL
	}
	rec.Renewal = r
	entry, err := e.Store.Get(ctx, state.RecordKey(address))
	if err != nil {
		return err
	}
	stored, err := state.DecodeRecord(entry.Data)
	if err != nil {
		return err
	}
	if stored.Live == nil || stored.Live.Leaf != r.Leaf || stored.Work != nil {
		return nil
	}
	// A write here would make its owner think that it was taken over.
	if stored.Owner != "" && stored.Owner != e.Runner.ID() {
		if alive, _, err := e.Runner.Alive(ctx, stored.Owner); err != nil || alive {
			return err
		}
	}
	stored.Renewal = r
	data, err := stored.Encode()
	if err != nil {
		return err
	}
	_, err = e.Store.Put(ctx, state.Entry{Key: entry.Key, Data: data, Rev: entry.Rev, Due: Due(stored)})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}

// Learn saves what this run learnt of zones, for the next plan to need no
// provider's credentials. A write that fails or loses costs only that.
func (e *Engine) Learn(ctx context.Context) error {
	var errs []error
	learnt := e.Zones.Learnt()
	zones := make([]string, 0, len(learnt))
	for z := range learnt {
		zones = append(zones, z)
	}
	slices.Sort(zones)
	for _, z := range zones {
		if err := saveZone(ctx, e.Store, z, learnt[z]); err != nil {
			errs = append(errs, fmt.Errorf("remember zone %s: %w", z, err))
		}
	}
	return errors.Join(errs...)
}
