// Package sinktest is what every sink must be able to prove: a suite that runs
// against any kind, bundles to run it with, and Memory, a sink in memory that
// is the suite's first customer and stands in for real ones in the engine's
// tests.
//
// How a target is started, faked or counted is left to the fixture of each
// sink.
package sinktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// Fixture makes back ends of one kind of sink for Run.
type Fixture struct {
	// New makes a fresh back end for one row of the suite.
	New func(t *testing.T) Backend
}

// Backend is one target with any number of places, none of which holds
// anything. What is nil or zero cannot be had there, and the rows that need it
// are passed over.
type Backend struct {
	World *world.World
	// Spec is the decoded block of the place called name. It may be asked
	// again for the same place.
	Spec func(name string) sinks.Spec
	// Denied is the same with credentials that the target refuses.
	Denied func(name string) sinks.Spec
	// ReadOnly is the same with rights to look only; where the target can tell
	// the difference, without the right to read private keys.
	ReadOnly func(name string) sinks.Spec
	// Writes counts the changes that the target saw so far.
	Writes func() int
	// Activations counts how often the place was put in use.
	Activations func(name string) int
	// Read gives chain and key as a consumer of the place reads them.
	Read func(name string) (chain, key []byte, err error)
	// Change makes the place hold b without the sink.
	Change func(name string, b *cert.Bundle)
	// Compares says that the target itself compares and writes in one step, so
	// that of several writers at once exactly one wins.
	Compares bool
	// Die makes the k-th change from now on, and all later calls, fail: before
	// it took effect, or after it. k counts from 1. The returned func makes all
	// well again and reports whether the moment came.
	Die func(k int, after bool) (heal func() bool)
	// Secrets are values that must not be in any error.
	Secrets []string
}

// probe is a place under test: every answer of it is searched for keys.
type probe struct {
	t       *testing.T
	b       Backend
	name    string
	keys    [][]byte
	secrets []string
}

func (f Fixture) probe(t *testing.T) *probe {
	t.Helper()
	b := f.New(t)
	return &probe{t: t, b: b, name: "one", secrets: b.Secrets}
}

func (p *probe) open() sinks.Sink {
	p.t.Helper()
	s, err := p.b.Spec(p.name).Open(p.t.Context(), p.b.World)
	if err != nil {
		p.t.Fatalf("open: %v", err)
	}
	return s
}

// try puts b through a new Sink, as another process would.
func (p *probe) try(ctx context.Context, spec sinks.Spec, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	p.t.Helper()
	pem, err := b.Key().PEM()
	if err != nil {
		p.t.Fatal(err)
	}
	p.keys = append(p.keys, pem)
	s, err := spec.Open(ctx, p.b.World)
	if err != nil {
		p.search(err.Error())
		return sinks.Held{}, err
	}
	h, err := s.Put(ctx, b, was)
	p.check(h, err)
	return h, err
}

func (p *probe) put(b *cert.Bundle, was sinks.Held) sinks.Held {
	p.t.Helper()
	h, err := p.try(p.t.Context(), p.b.Spec(p.name), b, was)
	if err != nil {
		p.t.Fatalf("put: %v", err)
	}
	if !h.Matches(b.Chain) {
		p.t.Fatalf("put says that the place holds %s, want %s", h.Leaf, b.Leaf())
	}
	return h
}

// observe looks, and skips the row for a blind sink.
func (p *probe) observe(spec sinks.Spec, ref string) (sinks.Held, error) {
	p.t.Helper()
	s, err := spec.Open(p.t.Context(), p.b.World)
	if err != nil {
		return sinks.Held{}, err
	}
	o, ok := s.(sinks.Observer)
	if !ok {
		p.t.Skip("the sink is blind")
	}
	h, err := o.Observe(p.t.Context(), ref)
	p.check(h, err)
	return h, err
}

func (p *probe) look() sinks.Held {
	p.t.Helper()
	h, err := p.observe(p.b.Spec(p.name), "")
	if err != nil {
		p.t.Fatalf("observe: %v", err)
	}
	return h
}

// holds fails unless the place holds b, whole and usable.
func (p *probe) holds(b *cert.Bundle) sinks.Held {
	p.t.Helper()
	h := p.look()
	if !h.Matches(b.Chain) {
		p.t.Fatalf("the place holds leaf %q (SHA-1 %s), want %s", h.Leaf, h.SHA1, b.Leaf())
	}
	if h.Broken != "" {
		p.t.Fatalf("the place is broken: %s", h.Broken)
	}
	if p.b.Read != nil {
		chain, key, err := p.b.Read(p.name)
		if err != nil {
			p.t.Fatalf("read as a consumer: %v", err)
		}
		got, err := pair(chain, key)
		if err != nil {
			p.t.Fatalf("what a consumer reads: %v", err)
		}
		if got.Chain.Fingerprint() != b.Chain.Fingerprint() {
			p.t.Fatalf("a consumer reads %s, want %s", got.Leaf(), b.Leaf())
		}
	}
	return h
}

func pair(chain, key []byte) (*cert.Bundle, error) {
	c, err := cert.ParseChain(chain)
	if err != nil {
		return nil, err
	}
	k, err := cert.ParseKey(key)
	if err != nil {
		return nil, err
	}
	return cert.NewBundle(c, k)
}

func (p *probe) check(h sinks.Held, err error) {
	p.t.Helper()
	said, jerr := json.Marshal(h)
	if jerr != nil {
		p.t.Fatal(jerr)
	}
	p.search(fmt.Sprintf("%+v", h) + string(said))
	for ; err != nil; err = errors.Unwrap(err) {
		p.search(fmt.Sprintf("%v %+v %#v", err, err, err))
	}
}

// search fails when text holds a line of a key, or a secret.
func (p *probe) search(text string) {
	p.t.Helper()
	for _, k := range p.keys {
		for line := range strings.Lines(string(k)) {
			if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") && strings.Contains(text, line) {
				p.t.Error("a line of the private key is in what the sink said")
			}
		}
	}
	for _, s := range p.secrets {
		if strings.Contains(text, s) {
			p.t.Error("a secret is in what the sink said")
		}
	}
}
