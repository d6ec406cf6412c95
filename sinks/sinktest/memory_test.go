package sinktest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
)

func TestMemory(t *testing.T) {
	sinktest.Run(t, sinktest.Fixture{New: func(*testing.T) sinktest.Backend {
		m := sinktest.NewMemory()
		return sinktest.Backend{
			World:       &world.World{},
			Spec:        m.Spec,
			Writes:      func() int { return m.Writes("one") },
			Activations: m.Activations,
			Change:      m.Set,
			Compares:    true,
			Read: func(name string) (chain, key []byte, err error) {
				b := m.Holds(name)
				if b == nil {
					return nil, nil, errors.New("nothing there")
				}
				key, err = b.Key().PEM()
				return b.FullchainPEM(), key, err
			},
			Denied: func(name string) sinks.Spec {
				return refuser{m.Spec(name)}
			},
			Die: func(k int, after bool) func() bool {
				n, came := 0, false
				m.Fault = func(_ context.Context, op sinktest.Op, target string) error {
					if op == sinktest.Begin && !after || op == sinktest.Commit && after {
						if n++; n == k {
							came = true
						}
					}
					if came {
						return fmt.Errorf("place %s: killed", target)
					}
					return nil
				}
				return func() bool { m.Fault = nil; return came }
			},
		}
	}})
}

// refuser stands for wrong credentials.
type refuser struct{ sinks.Spec }

func (r refuser) Open(context.Context, *world.World) (sinks.Sink, error) {
	return nil, world.Never(errors.New("permission denied"))
}

func TestMatches(t *testing.T) {
	a, b := sinktest.Bundle(t, "example.com"), sinktest.Bundle(t, "example.com")
	held := sinks.Hold(a.Chain)
	remote := held
	remote.Leaf, remote.Chain = "", ""
	serialOnly := sinks.Held{Serial: held.Serial}
	for _, c := range []struct {
		name  string
		held  sinks.Held
		chain cert.Chain
		want  bool
	}{
		{"by leaf", held, a.Chain, true},
		{"another leaf", held, b.Chain, false},
		{"by SHA-1", remote, a.Chain, true},
		{"another SHA-1", remote, b.Chain, false},
		{"a serial is no proof", serialOnly, a.Chain, false},
		{"nothing held", sinks.Held{}, a.Chain, false},
		{"no chain", held, nil, false},
	} {
		if got := c.held.Matches(c.chain); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestKind(t *testing.T) { sinktest.RunKind(t, sinktest.NewMemory().Kind()) }
