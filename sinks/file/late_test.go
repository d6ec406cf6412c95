package file_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
)

// A process that was stopped while its reload ran, and wakes when others have
// gone on, neither puts anything back nor removes what is live.
func TestLateProcessTouchesNothing(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		for _, reload := range []string{"ends well", "fails"} {
			for _, others := range [][]string{{"the same"}, {"a later one"}, {"the same", "a later one"}, {"a later one", "a later one", "a later one"}} {
				t.Run(l.name+", its reload "+reload+", others put "+others[0], func(t *testing.T) {
					t.Parallel()
					b := newBench(t)
					s := l.spec(b, "site")
					s.Reload = []string{"reload"}
					b.renew(s, 2)
					ours := sinktest.Bundle(t, "example.com")
					last := ours
					other := &bench{t: t, dir: b.dir, ran: map[string]int{}, world: &world.World{Secret: b.world.Secret,
						Exec: func(context.Context, []string) ([]byte, error) { return nil, nil }}}
					runs := 0
					b.world.Exec = func(context.Context, []string) ([]byte, error) {
						if runs++; runs > 1 {
							return nil, nil
						}
						for _, what := range others {
							var err error
							if what == "the same" {
								// Its delivery was found interrupted.
								was, lookErr := other.look(s)
								b.must(lookErr)
								was.Leaf = ""
								_, err = other.put(s, ours, was)
							} else {
								last = other.renew(s, 1)
							}
							b.must(err)
						}
						if reload == "fails" {
							return nil, errors.New("it took longer than 1m0s")
						}
						return nil, nil
					}
					was, err := b.look(s)
					b.must(err)
					held, err := b.put(s, ours, was)
					if (err == nil) != (reload == "ends well") {
						t.Errorf("put: %+v, %v", held, err)
					}
					holds(t, l.read, b, last)
					if now, err := b.look(s); err != nil || now.Leaf != last.Leaf() || now.Broken != "" {
						t.Errorf("it holds %+v, %v; want %s", now, err, last.Leaf())
					}
					// And the next one goes its way.
					holds(t, l.read, b, b.renew(s, 1))
				})
			}
		}
	}
}

func holds(t *testing.T, read func(*bench, string) ([]byte, []byte, error), b *bench, want *cert.Bundle) {
	t.Helper()
	data, key, err := read(b, "site")
	if err != nil {
		t.Fatalf("what is live cannot be read: %v", err)
	}
	chain, err := cert.ParseChain(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := sinks.Hold(chain); got.Leaf != want.Leaf() || !slices.Equal(got.Names, sinks.Hold(want.Chain).Names) {
		t.Errorf("live is %s, want %s", got.Leaf, want.Leaf())
	}
	if pem, err := want.Key().PEM(); err != nil || !bytes.Contains(key, bytes.TrimSpace(pem)) {
		t.Errorf("the key is another one's: %v", err)
	}
}
