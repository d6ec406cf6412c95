package sinktest

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// Op is a passage of Memory at which a test may make something happen.
type Op string

// The passages, in the order in which a delivery comes by.
const (
	Open     Op = "open"
	Look     Op = "look"      // Observe, before it reads
	Begin    Op = "begin"     // Put, before anything changed
	Commit   Op = "commit"    // Put, right after everything changed and before it is in use
	Activate Op = "activate"  // Put, right after it came into use: a lost reply
	Finish   Op = "no change" // Put that found its bundle in use already
)

// Memory is a sink that keeps bundles in memory: the first customer of the
// conformance suite, and the place that tests of the engine deliver to. Make
// one with NewMemory; one Memory is a whole back end with any number of
// places. It may be used by many goroutines.
type Memory struct {
	// Fault, if not nil, is asked at each passage, outside of Memory's lock, so
	// it may also block or call Memory. An error ends the passage with it.
	Fault func(ctx context.Context, op Op, target string) error
	// Blind makes sinks that cannot Observe.
	Blind bool
	// Name is the kind's name; "memory" if empty.
	Name string

	mu     sync.Mutex
	places map[string]*slot
}

type slot struct {
	holds, uses      *cert.Bundle
	broken           string
	rev, writes, act int
}

// NewMemory makes an empty back end.
func NewMemory() *Memory { return &Memory{places: map[string]*slot{}} }

// MemorySpec is the block of a Memory sink.
type MemorySpec struct {
	Place string       `arg:"name,required" doc:"Which place in memory."`
	Token block.Secret `arg:"token" doc:"Resolved when the place is opened; its value is not looked at."`
	m     *Memory
}

// Kind is the line of the table of sinks for m.
func (m *Memory) Kind() sinks.Kind {
	name := m.Name
	if name == "" {
		name = "memory"
	}
	return sinks.Kind{
		Name: name, Doc: "Keeps bundles in memory, for tests.",
		Example: "sink \"" + name + "\" \"one\" {\n  name = \"${certificate.name}\"\n}\n",
		New:     func() sinks.Spec { return &MemorySpec{m: m} },
		Blind:   m.Blind,
	}
}

// Spec is a decoded block that writes target.
func (m *Memory) Spec(target string) sinks.Spec { return &MemorySpec{m: m, Place: target} }

// Place is a place as config would make it, with ID sink.memory.ID, wave 1
// and no endpoint; it writes target ID.
func (m *Memory) Place(id string) sinks.Place {
	k, s := m.Kind(), m.Spec(id)
	return sinks.Place{ID: "sink." + k.Name + "." + id, Kind: k.Name, Target: s.Target(), Wave: 1, Open: s.Open}
}

// Check finds nothing wrong.
func (s *MemorySpec) Check() []block.Problem { return nil }

// Target is the name with its kind.
func (s *MemorySpec) Target() string { return "memory:" + s.Place }

// Open resolves the token, if there is one.
func (s *MemorySpec) Open(ctx context.Context, w *world.World) (sinks.Sink, error) {
	if err := s.m.pass(ctx, Open, s.Place); err != nil {
		return nil, err
	}
	if !s.Token.Zero() {
		if _, err := w.Resolve(ctx, s.Token.Ref()); err != nil {
			return nil, err
		}
	}
	if s.m.Blind {
		return blindSink{&memorySink{m: s.m, target: s.Place}}, nil
	}
	return &memorySink{m: s.m, target: s.Place}, nil
}

// Holds is what the place of target holds, nil for nothing.
func (m *Memory) Holds(target string) *cert.Bundle {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(target).holds
}

// Uses is what the place of target has in use: what its endpoint would serve.
func (m *Memory) Uses(target string) *cert.Bundle {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(target).uses
}

// Set makes the place of target hold and use b, behind everybody's back; nil
// empties it.
func (m *Memory) Set(target string, b *cert.Bundle) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(target)
	s.holds, s.uses, s.broken = b, b, ""
	s.rev++
}

// Break makes Observe report why what is held cannot be in use, until the
// next Put or Set.
func (m *Memory) Break(target, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at(target).broken = why
	m.at(target).rev++
}

// Writes counts the changes that Puts made to the place of target.
func (m *Memory) Writes(target string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(target).writes
}

// Activations counts how often a bundle came into use there by a Put.
func (m *Memory) Activations(target string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(target).act
}

// Targets lists the places that hold something, sorted.
func (m *Memory) Targets() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for k, s := range m.places {
		if s.holds != nil {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func (m *Memory) at(target string) *slot {
	s := m.places[target]
	if s == nil {
		s = &slot{}
		m.places[target] = s
	}
	return s
}

func (m *Memory) pass(ctx context.Context, op Op, target string) error {
	if m.Fault != nil {
		if err := m.Fault(ctx, op, target); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type memorySink struct {
	m      *Memory
	target string
}

// blindSink hides Observe.
type blindSink struct{ sinks.Sink }

// Put follows the contract to the letter.
func (s *memorySink) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	if err := s.m.pass(ctx, Begin, s.target); err != nil {
		return sinks.Held{}, err
	}
	if err := s.write(b, was); err != nil {
		return sinks.Held{}, err
	}
	op := Finish
	if s.activates(b, was) {
		if err := s.m.pass(ctx, Commit, s.target); err != nil {
			return sinks.Held{}, err
		}
		s.m.mu.Lock()
		at := s.m.at(s.target)
		at.uses = b
		at.act++
		s.m.mu.Unlock()
		op = Activate
	}
	if err := s.m.pass(ctx, op, s.target); err != nil {
		return sinks.Held{}, err
	}
	return s.held()
}

func (s *memorySink) write(b *cert.Bundle, was sinks.Held) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	at := s.m.at(s.target)
	if at.holds != nil && at.holds.Chain.Fingerprint() == b.Chain.Fingerprint() && at.broken == "" {
		return nil
	}
	now := ""
	if at.holds != nil || at.broken != "" {
		now = strconv.Itoa(at.rev)
	}
	if was.Rev != now && !s.m.Blind {
		return fmt.Errorf("write memory place %s: %w", s.target, sinks.ErrChanged)
	}
	at.holds, at.broken = b, ""
	at.rev++
	at.writes++
	return nil
}

func (s *memorySink) activates(b *cert.Bundle, was sinks.Held) bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	at := s.m.at(s.target)
	return was.Leaf != b.Leaf() || at.uses == nil || at.uses.Leaf() != b.Leaf()
}

// Observe says what the place holds.
func (s *memorySink) Observe(ctx context.Context, _ string) (sinks.Held, error) {
	if err := s.m.pass(ctx, Look, s.target); err != nil {
		return sinks.Held{}, err
	}
	return s.held()
}

func (s *memorySink) held() (sinks.Held, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	at := s.m.at(s.target)
	if at.holds == nil && at.broken == "" {
		return sinks.Held{}, fmt.Errorf("memory place %s: %w", s.target, fs.ErrNotExist)
	}
	var h sinks.Held
	if at.holds != nil {
		h = sinks.Hold(at.holds.Chain)
	}
	h.Ref, h.Rev, h.Broken = "memory:"+s.target, strconv.Itoa(at.rev), at.broken
	return h, nil
}
