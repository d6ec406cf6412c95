package sinktest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// rows are the promises of the contract, each with the sentence that is broken
// when it fails.
var rows = []struct {
	name, promise string
	run           func(t *testing.T, p *probe, ca *CA)
}{
	{"nothing", "a place that holds nothing is fs.ErrNotExist, not an error of another kind and not an empty Held", nothing},
	{"put then observe", "what was put is what Observe sees", putObserve},
	{"put twice", "a second Put of the same bundle writes nothing", putTwice},
	{"renewal", "Ref stays the same over renewals and names the object to Observe", renewal},
	{"undo", "Put of the previous bundle is undo", undo},
	{"no mixture", "a reader never sees the chain of one bundle with the key of another", noMixture},
	{"stale", "a place that changed since it was looked at is ErrChanged and stays as it is", stale},
	{"stale nothing", "a place that was empty and is not any more is ErrChanged", staleNothing},
	{"foreign", "what somebody else put is seen, and replaced only when it was seen", foreign},
	{"cancelled", "a cancelled context leaves the old bundle", cancelled},
	{"activation", "a Put over a place that holds the bundle but was not seen to use it activates it again", activation},
	{"two places", "two places of one kind do not touch each other", twoPlaces},
	{"denied", "refused credentials are world.ErrNever and change nothing", denied},
	{"read only", "rights to look are enough for Observe", readOnly},
	{"two writers", "of several writers at once exactly one wins", twoWriters},
	{"one sink twice", "a Sink may be used again", again},
	{"death", "killed at any change, the place holds one whole bundle and the next Put finishes", death},
	{"target", "Target names the place, the same each time", target},
}

// Run proves that the sinks of f keep the contract. It is called by the tests
// of each sink, once a back end.
func Run(t *testing.T, f Fixture) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the promise: %s", r.promise)
				}
			})
			r.run(t, f.probe(t), NewCA(t))
		})
	}
}

func site(ca *CA) *cert.Bundle {
	return ca.Bundle(Order{Names: []string{"www.example.com", "example.com"}})
}

func nothing(t *testing.T, p *probe, _ *CA) {
	h, err := p.observe(p.b.Spec(p.name), "")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("observe gave %+v, %v; want fs.ErrNotExist", h, err)
	}
}

func putObserve(t *testing.T, p *probe, ca *CA) {
	b := ca.Bundle(Order{Names: []string{"*.example.com", "example.com"}})
	put := p.put(b, sinks.Held{})
	seen := p.holds(b)
	if want := []string{"*.example.com", "example.com"}; !slices.Equal(seen.Names, want) {
		t.Errorf("names %v, want %v", seen.Names, want)
	}
	if !seen.NotAfter.Equal(b.Chain.Leaf().NotAfter) {
		t.Errorf("not after %v, want %v", seen.NotAfter, b.Chain.Leaf().NotAfter)
	}
	if seen.Chain != "" && seen.Chain != b.Chain.Fingerprint() {
		t.Errorf("chain %s, want %s", seen.Chain, b.Chain.Fingerprint())
	}
	if seen.Ref == "" {
		t.Error("no ref")
	}
	if put.Ref != seen.Ref || put.Rev != seen.Rev || put.Leaf != seen.Leaf {
		t.Errorf("put said ref %q rev %q leaf %q, observe says ref %q rev %q leaf %q", put.Ref, put.Rev, put.Leaf, seen.Ref, seen.Rev, seen.Leaf)
	}
}

func putTwice(t *testing.T, p *probe, ca *CA) {
	b := site(ca)
	held := p.put(b, sinks.Held{})
	var writes, acts int
	if p.b.Writes != nil {
		writes = p.b.Writes()
	}
	if p.b.Activations != nil {
		acts = p.b.Activations(p.name)
	}
	again := p.put(b, held)
	if again.Rev != held.Rev {
		t.Errorf("rev went from %q to %q", held.Rev, again.Rev)
	}
	if p.b.Writes != nil {
		if n := p.b.Writes() - writes; n != 0 {
			t.Errorf("%d writes", n)
		}
	}
	if p.b.Activations != nil {
		if n := p.b.Activations(p.name) - acts; n != 0 {
			t.Errorf("%d activations", n)
		}
	}
	p.put(b, sinks.Held{}) // a repeat by who saw nothing there yet
	p.holds(b)
}

func renewal(t *testing.T, p *probe, ca *CA) {
	var was sinks.Held
	for i := range 3 {
		b := site(ca)
		h := p.put(b, was)
		if i > 0 && h.Ref != was.Ref {
			t.Fatalf("ref went from %q to %q", was.Ref, h.Ref)
		}
		was = p.holds(b)
		byRef, err := p.observe(p.b.Spec(p.name), h.Ref)
		if err != nil || !byRef.Matches(b.Chain) {
			t.Fatalf("observe by ref %q: %+v, %v", h.Ref, byRef, err)
		}
	}
}

func undo(_ *testing.T, p *probe, ca *CA) {
	old, next := site(ca), site(ca)
	h := p.put(old, sinks.Held{})
	h = p.put(next, h)
	p.put(old, h)
	p.holds(old)
}

func noMixture(t *testing.T, p *probe, ca *CA) {
	if p.b.Read == nil {
		t.Skip("nobody can read the place")
	}
	was := p.put(site(ca), sinks.Held{})
	ctx, cancel := context.WithCancel(t.Context())
	// A place keeps the bundle before the present one for readers that are
	// under way, so no read lasts longer than one Put.
	read := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(read)
		for n := 0; ; n++ {
			chain, key, err := p.b.Read(p.name)
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			if _, err := pair(chain, key); err != nil {
				t.Errorf("after %d reads: %v", n, err)
				return
			}
			select {
			case read <- struct{}{}:
			case <-ctx.Done():
				return
			default:
			}
		}
	})
	for range 10 {
		was = p.put(site(ca), was)
		if _, ok := <-read; !ok {
			break
		}
	}
	cancel()
	wg.Wait()
}

func stale(t *testing.T, p *probe, ca *CA) {
	first, second, third := site(ca), site(ca), site(ca)
	was := p.put(first, sinks.Held{})
	if was.Rev == "" {
		t.Skip("the place cannot compare")
	}
	p.put(second, was)
	if _, err := p.try(t.Context(), p.b.Spec(p.name), third, was); !errors.Is(err, sinks.ErrChanged) {
		t.Fatalf("put with a stale Held gave %v, want ErrChanged", err)
	}
	p.holds(second)
}

func staleNothing(t *testing.T, p *probe, ca *CA) {
	first, second := site(ca), site(ca)
	if was := p.put(first, sinks.Held{}); was.Rev == "" {
		t.Skip("the place cannot compare")
	}
	if _, err := p.try(t.Context(), p.b.Spec(p.name), second, sinks.Held{}); !errors.Is(err, sinks.ErrChanged) {
		t.Fatalf("put that expected nothing gave %v, want ErrChanged", err)
	}
	p.holds(first)
}

func foreign(t *testing.T, p *probe, ca *CA) {
	if p.b.Change == nil {
		t.Skip("only the sink can write there")
	}
	theirs, ours := NewCA(t).Bundle(Order{Names: []string{"example.com"}}), site(ca)
	p.b.Change(p.name, theirs)
	h := p.look()
	if !h.Matches(theirs.Chain) {
		t.Fatalf("observe sees %q, want %s", h.Leaf, theirs.Leaf())
	}
	if h.Rev != "" {
		if _, err := p.try(t.Context(), p.b.Spec(p.name), ours, sinks.Held{}); !errors.Is(err, sinks.ErrChanged) {
			t.Fatalf("put over what came unseen gave %v, want ErrChanged", err)
		}
		if h = p.look(); !h.Matches(theirs.Chain) {
			t.Fatalf("what came unseen was written over: the place holds %q", h.Leaf)
		}
	}
	p.put(ours, h)
	was := p.holds(ours)
	p.b.Change(p.name, theirs)
	if h = p.look(); !h.Matches(theirs.Chain) {
		t.Fatalf("after a change behind its back observe sees %q, want %s", h.Leaf, theirs.Leaf())
	}
	if was.Rev != "" {
		if _, err := p.try(t.Context(), p.b.Spec(p.name), ours, was); !errors.Is(err, sinks.ErrChanged) {
			t.Fatalf("put over an unseen change gave %v, want ErrChanged", err)
		}
	}
	p.put(ours, h)
	p.holds(ours)
}

func cancelled(t *testing.T, p *probe, ca *CA) {
	old := site(ca)
	was := p.put(old, sinks.Held{})
	s := p.open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if h, err := s.Put(ctx, site(ca), was); err == nil {
		t.Fatalf("put with a cancelled context gave %+v and no error", h)
	}
	p.holds(old)
}

func activation(t *testing.T, p *probe, ca *CA) {
	if p.b.Activations == nil {
		t.Skip("the place has no activation")
	}
	b := site(ca)
	held := p.put(b, sinks.Held{})
	before := p.b.Activations(p.name)
	if before == 0 {
		t.Error("the first Put did not activate")
	}
	held.Leaf = site(ca).Leaf() // killed between write and activation: what was in use is older
	held.SHA1 = ""
	p.put(b, held)
	if n := p.b.Activations(p.name) - before; n != 1 {
		t.Errorf("%d activations, want 1", n)
	}
}

func twoPlaces(_ *testing.T, p *probe, ca *CA) {
	q := *p
	q.name = "two"
	a, b := site(ca), site(ca)
	was := p.put(a, sinks.Held{})
	q.put(b, sinks.Held{})
	p.holds(a)
	q.holds(b)
	c := site(ca)
	p.put(c, was)
	p.holds(c)
	q.holds(b)
}

func denied(t *testing.T, p *probe, ca *CA) {
	if p.b.Denied == nil {
		t.Skip("the place has no credentials")
	}
	old := site(ca)
	was := p.put(old, sinks.Held{})
	_, err := p.try(t.Context(), p.b.Denied(p.name), site(ca), was)
	if err == nil {
		t.Fatal("put with refused credentials gave no error")
	}
	if !errors.Is(err, world.ErrNever) {
		t.Errorf("trying again is not said to be pointless: %v", err)
	}
	p.holds(old)
}

func readOnly(t *testing.T, p *probe, ca *CA) {
	if p.b.ReadOnly == nil {
		t.Skip("the place knows no rights")
	}
	if _, err := p.observe(p.b.ReadOnly(p.name), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("observe of nothing gave %v, want fs.ErrNotExist", err)
	}
	b := site(ca)
	held := p.put(b, sinks.Held{})
	h, err := p.observe(p.b.ReadOnly(p.name), held.Ref)
	if err != nil {
		t.Fatalf("observe: %v", err)
	}
	if !h.Matches(b.Chain) || h.Broken != "" || h.Rev != held.Rev {
		t.Errorf("observe sees leaf %q, rev %q, broken %q; want %s, %q and nothing broken", h.Leaf, h.Rev, h.Broken, b.Leaf(), held.Rev)
	}
	if _, err := p.try(t.Context(), p.b.ReadOnly(p.name), site(ca), h); err == nil {
		t.Error("put with rights to look only gave no error")
	}
	p.holds(b)
}

func twoWriters(t *testing.T, p *probe, ca *CA) {
	if !p.b.Compares {
		t.Skip("the place cannot compare and write in one step")
	}
	was := p.put(site(ca), sinks.Held{})
	const writers = 5
	bundles, errs := make([]*cert.Bundle, writers), make([]error, writers)
	open := make([]sinks.Sink, writers)
	for i := range writers {
		bundles[i], open[i] = site(ca), p.open()
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { _, errs[i] = open[i].Put(t.Context(), bundles[i], was) })
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			t.Errorf("writers %d and %d won", won, i)
		case err == nil:
			won = i
		case !errors.Is(err, sinks.ErrChanged):
			t.Errorf("writer %d: %v, want ErrChanged", i, err)
		}
	}
	if won < 0 {
		t.Fatal("nobody won")
	}
	p.holds(bundles[won])
}

func again(t *testing.T, p *probe, ca *CA) {
	s := p.open()
	var was sinks.Held
	for range 3 {
		b := site(ca)
		h, err := s.Put(t.Context(), b, was)
		if err != nil {
			t.Fatal(err)
		}
		p.holds(b)
		was = h
	}
}

func death(t *testing.T, p *probe, ca *CA) {
	if p.b.Die == nil {
		t.Skip("deaths cannot be staged here")
	}
	old := site(ca)
	was := p.put(old, sinks.Held{})
	deaths := 0
	for _, after := range []bool{false, true} {
		for k, came := 1, true; came; k++ {
			next := site(ca)
			heal := p.b.Die(k, after)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			_, err := p.try(ctx, p.b.Spec(p.name), next, was)
			cancel()
			if came = heal(); came {
				deaths++
			} else if err != nil {
				t.Fatalf("put without a death: %v", err)
			}
			h := p.look()
			// It may be Broken, in two halves of which one is new, but each whole.
			if !h.Matches(next.Chain) && !h.Matches(old.Chain) {
				t.Fatalf("after death %d (after it: %v) the place holds %q, broken %q", k, after, h.Leaf, h.Broken)
			}
			if p.b.Read != nil {
				chain, key, err := p.b.Read(p.name)
				if err != nil {
					t.Fatalf("after death %d (after it: %v): read as a consumer: %v", k, after, err)
				}
				if _, err := pair(chain, key); err != nil {
					t.Fatalf("after death %d (after it: %v) a consumer reads: %v", k, after, err)
				}
			}
			h.Leaf, h.SHA1 = "", "" // the engine knows that it may not be in use
			p.put(next, h)
			old, was = next, p.holds(next)
		}
	}
	if deaths == 0 {
		t.Error("nothing died")
	}
}

func target(t *testing.T, p *probe, _ *CA) {
	one, same, two := p.b.Spec("one").Target(), p.b.Spec("one").Target(), p.b.Spec("two").Target()
	if one == "" || one != same || one == two {
		t.Errorf("targets %q, %q and %q: want the first two equal and the third another", one, same, two)
	}
	for _, s := range []sinks.Spec{p.b.Spec("one"), p.b.Spec("two")} {
		if bad := s.Check(); len(bad) > 0 {
			t.Errorf("check: %+v", bad)
		}
	}
}
