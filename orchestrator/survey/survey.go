// Package survey asks what is: the records, the places, the endpoints, and
// where the names of certificates that must be ordered would be proven.
//
// It reads with read-only rights, holds no lock and changes nothing; what
// follows from what it saw is left to plan.
package survey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/verify"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/sinks"
)

// Bounds on what is looked at at a time, so that a fleet's survey neither
// takes for ever nor opens ten thousand connections at once.
const (
	placesAtOnce    = 128
	endpointsAtOnce = 256
	namesAtOnce     = 256
)

// Survey looks at the world of one configuration. Its methods may be called
// concurrently; its fields are not changed after the first call.
type Survey struct {
	World *world.World
	Store state.Store // nil: no state yet
	Zones *providers.Zones

	once      sync.Once
	places    chan struct{}
	endpoints chan struct{}
	names     chan struct{}
}

func (s *Survey) init() {
	s.once.Do(func() {
		s.places = make(chan struct{}, placesAtOnce)
		s.endpoints = make(chan struct{}, endpointsAtOnce)
		s.names = make(chan struct{}, namesAtOnce)
	})
}

// Records reads every record, by address.
func (s *Survey) Records(ctx context.Context) (map[string]*state.Record, error) {
	out := map[string]*state.Record{}
	if s.Store == nil {
		return out, nil
	}
	for e, err := range s.Store.List(ctx, state.Query{Prefix: state.Certificates}) {
		if err != nil {
			return nil, fmt.Errorf("read the records: %w", err)
		}
		r, err := state.DecodeRecord(e.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Key, err)
		}
		out[r.Address] = r
	}
	return out, nil
}

// Record reads one certificate's record, nil if it has none.
func (s *Survey) Record(ctx context.Context, address string) (*state.Record, error) {
	if s.Store == nil {
		return nil, nil
	}
	e, err := s.Store.Get(ctx, state.RecordKey(address))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", address, err)
	}
	return state.DecodeRecord(e.Data)
}

// All looks at everything that wants need, concurrently, and never fails as a
// whole: what could not be looked at says so in its own line.
func (s *Survey) All(ctx context.Context, wants []plan.Want, records map[string]*state.Record, owners map[string]string) map[string]plan.Seen {
	out := make(map[string]plan.Seen, len(wants))
	var mu sync.Mutex
	var wg sync.WaitGroup
	workers := make(chan struct{}, 512)
	for _, w := range wants {
		workers <- struct{}{}
		wg.Go(func() {
			defer func() { <-workers }()
			rec := records[w.Address]
			seen := s.One(ctx, w, rec)
			if rec != nil {
				seen.Busy = owners[rec.Owner]
			}
			mu.Lock()
			defer mu.Unlock()
			out[w.Address] = seen
		})
	}
	wg.Wait()
	return out
}

// One looks at one certificate's places and endpoints.
func (s *Survey) One(ctx context.Context, want plan.Want, rec *state.Record) plan.Seen {
	s.init()
	seen := plan.Seen{Places: map[string]plan.Place{}, Endpoints: map[string]plan.EndpointStatus{}}
	if len(want.Places) == 1 && len(want.Endpoints) == 0 {
		// The common case of a fleet needs no goroutine of its own.
		p := want.Places[0]
		if !p.Passive {
			seen.Places[p.ID] = s.place(ctx, p, rec)
		}
		return seen
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range want.Places {
		if p.Passive {
			continue
		}
		wg.Go(func() {
			v := s.place(ctx, p, rec)
			mu.Lock()
			defer mu.Unlock()
			seen.Places[p.ID] = v
		})
	}
	expect := s.expected(ctx, want, rec)
	for _, e := range want.Endpoints {
		wg.Go(func() {
			v := s.endpoint(ctx, e, expect)
			mu.Lock()
			defer mu.Unlock()
			seen.Endpoints[e.ID()] = v
		})
	}
	wg.Wait()
	return seen
}

// expected is the chain that endpoints should serve, nil if there is none.
func (s *Survey) expected(ctx context.Context, want plan.Want, rec *state.Record) cert.Chain {
	if len(want.Endpoints) == 0 || rec == nil || s.Store == nil {
		return nil
	}
	target := rec.Target()
	if target == nil {
		return nil
	}
	// Without the chain the leaf alone is compared; the plan still says so.
	chain, _ := state.GetBundle(ctx, s.Store, target.Leaf)
	return chain
}

func (s *Survey) place(ctx context.Context, p sinks.Place, rec *state.Record) plan.Place {
	s.places <- struct{}{}
	defer func() { <-s.places }()
	sink, err := p.Open(ctx, s.World)
	if err != nil {
		return unread(err)
	}
	o, ok := sink.(sinks.Observer)
	if !ok {
		return plan.Place{Blind: true}
	}
	ref := ""
	if rec != nil && rec.Places[p.ID] != nil {
		ref = rec.Places[p.ID].Ref
	}
	held, err := o.Observe(ctx, ref)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return plan.Place{}
	case err != nil:
		return unread(err)
	}
	if held.Leaf == "" && held.SHA1 != "" {
		held = s.identify(ctx, held, rec)
	}
	return plan.Place{Held: held, Exists: true}
}

// identify finds the leaf of a place that only tells a SHA-1 among the
// bundles that the record knows. One that is none of them is not ours: its
// SHA-1 stands for it.
func (s *Survey) identify(ctx context.Context, held sinks.Held, rec *state.Record) sinks.Held {
	var known []state.Bundle
	if rec != nil && rec.Live != nil {
		known = append(known, *rec.Live)
	}
	if rec != nil {
		known = append(known, rec.Past...)
	}
	for _, b := range known {
		chain, err := state.GetBundle(ctx, s.Store, b.Leaf)
		if err == nil && held.Matches(chain) {
			held.Leaf, held.NotAfter = b.Leaf, b.NotAfter
			return held
		}
	}
	held.Leaf = cert.Fingerprint("sha1:" + held.SHA1)
	return held
}

func unread(err error) plan.Place {
	p := plan.Place{Unread: err.Error()}
	if hints := world.Advice(err); len(hints) > 0 {
		p.Hint = hints[0]
	}
	return p
}

func (s *Survey) endpoint(ctx context.Context, e cert.Endpoint, expect cert.Chain) plan.EndpointStatus {
	s.endpoints <- struct{}{}
	defer func() { <-s.endpoints }()
	return Status(verify.Look(ctx, s.World, e, verify.Expect{Chain: expect}))
}

// Names asks where the challenges of these certificates would be answered and
// what CAA records and DNSSEC say, and adds the answers to seen. errs holds, by
// address and name, what is a mistake of the configuration rather than of the
// hour.
func (s *Survey) Names(ctx context.Context, wants []plan.Want, seen map[string]plan.Seen) (errs map[string]map[string]error) {
	s.init()
	errs = map[string]map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, w := range wants {
		names := make(map[string]plan.Name, len(w.Names))
		v := seen[w.Address]
		v.Names = names
		seen[w.Address] = v
		for _, n := range w.Names {
			s.names <- struct{}{}
			wg.Go(func() {
				defer func() { <-s.names }()
				f, err := s.Zones.Find(ctx, n)
				name := named(n, f, err)
				s.allowed(ctx, n, f, &name)
				mu.Lock()
				defer mu.Unlock()
				names[n.Value] = name
				if errors.Is(err, providers.ErrNoZone) {
					if errs[w.Address] == nil {
						errs[w.Address] = map[string]error{}
					}
					errs[w.Address][n.Value] = err
				}
			})
		}
	}
	wg.Wait()
	return errs
}

func named(n cert.Name, f providers.Found, err error) plan.Name {
	out := plan.Name{Name: n.Value, Unicode: n.Unicode(), Zone: f.Zone, Providers: f.Providers, CNAMEs: f.CNAMEs, How: f.How, Warnings: f.Warnings}
	if f.Target != f.Challenge {
		out.Target = f.Target
	}
	switch {
	case errors.Is(err, providers.ErrNotAsked):
		out.Unknown = err.Error()
	case err != nil:
		out.Err = err.Error()
	}
	return out
}
