package house_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
)

// foreign is a certificate that is not ours and is good for so long.
func foreign(t *testing.T, life time.Duration) *cert.Bundle {
	return sinktest.NewCA(t).Bundle(sinktest.Order{Names: []string{"example.com"}, NotAfter: time.Now().Add(life)})
}

// TestAPlaceThatChangesUnderOurHands between the look and the Put: what is ours
// to replace is replaced, what is not is left alone, whatever was seen before.
func TestAPlaceThatChangesUnderOurHands(t *testing.T) {
	for _, tt := range []struct {
		name, adopt string
		change      func(t *testing.T, h *house.House, old *cert.Bundle) *cert.Bundle
		want        apply.Status
	}{
		{"somebody emptied it", "", func(*testing.T, *house.House, *cert.Bundle) *cert.Bundle { return nil }, apply.Done},
		{"an older one of ours came back", "", func(_ *testing.T, _ *house.House, old *cert.Bundle) *cert.Bundle { return old }, apply.Done},
		{"a foreign one came", "", func(t *testing.T, _ *house.House, _ *cert.Bundle) *cert.Bundle { return foreign(t, 10*day) }, apply.Failed},
		{"a foreign one came, to be adopted", "yes", func(t *testing.T, _ *house.House, _ *cert.Bundle) *cert.Bundle { return foreign(t, 10*day) }, apply.Done},
		{"one that outlives ours came", "yes", func(t *testing.T, _ *house.House, _ *cert.Bundle) *cert.Bundle { return foreign(t, 300*day) }, apply.Failed},
		{"one that outlives ours came, by force", "force", func(t *testing.T, _ *house.House, _ *cert.Bundle) *cert.Bundle { return foreign(t, 300*day) }, apply.Done},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{})
				defer h.Close()
				h.Want("site", "example.com").Places[0].Adopt = tt.adopt
				run(t, h)
				old := h.Sink.Uses("site")
				time.Sleep(75 * day)
				changed := tt.change(t, h, old)
				doors, once := h.Sink.Fault, false
				h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
					if op == sinktest.Begin && !once {
						once = true
						h.Sink.Set("site", nil) // another revision in any case
						h.Sink.Set("site", changed)
					}
					return doors(ctx, op, target)
				}
				r := run(t, h)
				if s := status(r)["site"]; s != tt.want {
					t.Errorf("%s: %v", s, r.Outcomes[0].Err)
				}
				now := h.Sink.Uses("site")
				if left := tt.want != apply.Done; left != (now == changed) {
					t.Errorf("it holds the certificate of serial %v", now.Chain.Leaf().SerialNumber)
				}
				if n := len(h.CA.Issued()); n != 2 {
					t.Errorf("%d certificates", n)
				}
			})
		})
	}
}

// TestAPlaceThatSleptForAYear still holds one of ours, however many came since.
func TestAPlaceThatSleptForAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "example.com")
		w.Places = append(w.Places, h.Sink.Place("sleeper"))
		asleep := false
		doors := h.Sink.Fault
		h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
			if asleep && target == "sleeper" {
				return errors.New("no route to host")
			}
			return doors(ctx, op, target)
		}
		run(t, h)
		asleep = true
		for range 6 {
			time.Sleep(75 * day)
			if r := run(t, h); r.Code() != 3 {
				t.Fatalf("%+v", r.Outcomes)
			}
		}
		asleep = false
		if r := run(t, h); r.Code() != 0 || h.Sink.Uses("sleeper").Leaf() != h.Sink.Uses("site").Leaf() {
			t.Errorf("it woke up: %+v", r.Outcomes)
		}
	})
}

// TestAPlaceThatCanBeReadAgain after the order is delivered to in the same run.
func TestAPlaceThatCanBeReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		doors, looks := h.Sink.Fault, 0
		h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
			if op == sinktest.Look {
				if looks++; looks == 1 {
					return errors.New("connection reset")
				}
			}
			return doors(ctx, op, target)
		}
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("%+v", r.Outcomes)
		}
	})
}

// rollBack asks in the record for an earlier bundle, as a command would.
func rollBack(t *testing.T, h *house.House, name string, leaf cert.Fingerprint) {
	t.Helper()
	key := state.RecordKey("certificate." + name)
	e, err := h.Store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, h, name)
	r.Wanted = leaf
	if e.Data, err = r.Encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Store.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// TestRollback: places go back to the bundle that is wanted, stay there though
// the names are others now, and go forward with the next renewal, which comes
// before the end of what is served.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.NoARI = true }})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		first := h.Sink.Uses("site")
		time.Sleep(40 * day)
		h.Wants = nil
		w := h.Want("site", "example.com", "www.example.com")
		h.Serve(w, w.Places[0].ID, "example.com", "site")
		run(t, h)
		rollBack(t, h, "site", first.Leaf())
		if r := run(t, h); r.Code() != 0 || h.Sink.Uses("site").Leaf() != first.Leaf() {
			t.Errorf("back: %+v", r.Outcomes)
		}
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		if made, _, err := p.Plan(plan.Include); err != nil || made.Changes() {
			t.Errorf("after a rollback the plan is %+v, %v", made, err)
		}
		p.End()
		time.Sleep(35 * day) // the first has 15 days left, the second 55
		if r := run(t, h); r.Code() != 0 || len(h.CA.Issued()) != 3 {
			t.Errorf("near the end of what is served: %+v, %d certificates", r.Outcomes, len(h.CA.Issued()))
		}
		if r := record(t, h, "site"); r.Wanted != "" || h.Sink.Uses("site").Leaf() != r.Live.Leaf {
			t.Errorf("the renewal was not delivered: %+v", r)
		}
	})
}

// TestALostKeyIsReplaced: a live bundle without its key can be delivered nowhere
// any more; where a place needs it another one is ordered.
func TestALostKeyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		spki := record(t, h, "site").Live.SPKI
		if err := h.Store.Delete(t.Context(), state.Key(state.Keys, string(spki))); err != nil {
			t.Fatal(err)
		}
		if r := run(t, h); r.Code() != 0 || len(h.CA.Issued()) != 1 {
			t.Errorf("all is delivered, but: %+v, %d certificates", r.Outcomes, len(h.CA.Issued()))
		}
		h.Sink.Set("site", nil)
		if r := run(t, h); r.Code() != 3 || !strings.Contains(r.Outcomes[0].Err.Error(), "private key") {
			t.Errorf("without the key: %+v", r.Outcomes)
		}
		if r := run(t, h); r.Code() != 0 || len(h.CA.Issued()) != 2 || h.Sink.Uses("site") == nil {
			t.Errorf("the next run: %+v, %d certificates", r.Outcomes, len(h.CA.Issued()))
		}
	})
}

// TestWhatCannotBeSeenIsNotDone: a place that held the certificate and cannot be
// looked at now makes a run fail, and nothing is put over what may be there.
func TestWhatCannotBeSeenIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		doors := h.Sink.Fault
		h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
			if op == sinktest.Look {
				return errors.New("403 Forbidden")
			}
			return doors(ctx, op, target)
		}
		if r := run(t, h); r.Code() != 3 || h.Sink.Writes("site") != 1 {
			t.Errorf("%+v, %d writes", r.Outcomes, h.Sink.Writes("site"))
		}
	})
}

// spy is a place that notes what each Put was told of it.
type spy struct {
	sinks.Sink
	sinks.Observer
	told *[]sinks.Held
}

func (s spy) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	*s.told = append(*s.told, was)
	return s.Sink.Put(ctx, b, was)
}

// TestWhatAPlaceIsTold: a sink that cannot know what is in use activates unless
// it is told the leaf. So it is told of it only where that is known.
func TestWhatAPlaceIsTold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(t *testing.T, h *house.House)
		puts   int
	}{
		{"killed before its result was saved", func(t *testing.T, h *house.House) {
			p, err := h.Begin(&doom.Doom{When: func(door string) bool { return door == "commit of site" }})
			if err == nil {
				_, err = p.Apply()
			}
			if p.End(); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"its endpoint serves another", func(t *testing.T, h *house.House) {
			run(t, h)
			h.Serve(&h.Wants[0], h.Wants[0].Places[0].ID, "www.example.com", "another")
			h.Sink.Set("another", foreign(t, day))
		}, 1},
		{"what is there is broken", func(t *testing.T, h *house.House) {
			run(t, h)
			h.Sink.Break("site", "the key does not fit")
		}, 1},
		{"all is well", func(t *testing.T, h *house.House) { run(t, h) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{})
				defer h.Close()
				w := h.Want("site", "example.com", "www.example.com")
				var told []sinks.Held
				open := w.Places[0].Open
				w.Places[0].Open = func(ctx context.Context, world *world.World) (sinks.Sink, error) {
					s, err := open(ctx, world)
					if err != nil {
						return nil, err
					}
					return spy{s, s.(sinks.Observer), &told}, nil
				}
				tt.before(t, h)
				told = nil
				run(t, h)
				if len(told) != tt.puts {
					t.Fatalf("%d puts: %+v", len(told), told)
				}
				for _, was := range told {
					if was.Leaf != "" || was.Rev == "" || was.Ref == "" {
						t.Errorf("it was told %+v", was)
					}
				}
			})
		})
	}
}

// TestKnownWhileAnEndpointIsWaitedFor: who reads the state beside a runner that
// waits takes nothing that is done for under way, and nothing that is gone for
// owed. What comes at once costs no write for that.
func TestKnownWhileAnEndpointIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "example.com")
		id := w.Places[0].ID
		h.Serve(w, id, "example.com", "somebody else's")
		w.Endpoints[0].Within = 10 * time.Minute
		ended := make(chan apply.Report)
		go func() { ended <- run(t, h) }()
		time.Sleep(5 * time.Minute)
		rec := record(t, h, "site")
		switch line := rec.Places[id]; {
		case rec.Owner == "":
			t.Error("nobody works on it any more")
		case line.Putting != "" || line.Leaf != rec.Live.Leaf:
			t.Errorf("delivered minutes ago, the place is remembered as %+v", line)
		case len(rec.Owed) > 0:
			t.Errorf("gone minutes ago, values are remembered as owed: %+v", rec.Owed)
		}
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		beside, _, err := p.Plan(plan.Exclude)
		if err != nil {
			t.Fatal(err)
		}
		if s := beside.Summary; s.Clean+s.Issue+s.Resume > 0 {
			t.Errorf("a plan beside it wants %+v", s)
		}
		if r := <-ended; r.Code() != 3 {
			t.Errorf("code %d of %+v", r.Code(), r.Outcomes)
		}
	})
}

// TestKilledWhileAConsumerFetches: with nothing to put, what was issued is in the
// record before the long wait for who fetches for itself.
func TestKilledWhileAConsumerFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.OrderLife = 7 * day }})
		defer h.Close()
		w := h.Want("site", "example.com")
		w.Places[0].Passive = true
		h.Serve(w, w.Places[0].ID, "example.com", "site")
		w.Endpoints[0].Within = 20 * time.Minute
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Minute, p.Doom.Die)
		if _, err := p.Apply(); err != nil {
			t.Fatal(err)
		}
		p.End()
		time.Sleep(8 * day)
		live := record(t, h, "site").Live
		if live == nil {
			t.Fatal("nothing is live")
		}
		time.AfterFunc(time.Minute, func() {
			chain, err := state.GetBundle(context.Background(), h.Store, live.Leaf)
			if err != nil {
				t.Error(err)
			}
			key, err := seal.GetKey(context.Background(), h.Store, h.Seal, live.SPKI)
			if err != nil {
				t.Error(err)
			}
			b, err := cert.NewBundle(chain, key)
			if err != nil {
				t.Error(err)
			}
			h.Sink.Set("site", b)
		})
		if r := run(t, h); r.Code() != 0 || len(h.CA.Issued()) != 1 {
			t.Errorf("%+v, %d certificates", r.Outcomes, len(h.CA.Issued()))
		}
	})
}
