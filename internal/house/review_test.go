package house_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks/sinktest"
)

// TestARunThatIsStoppedEnds, also when the stop comes before all of its
// certificates were begun.
func TestARunThatIsStoppedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			h.Want(name, name+".example.com")
		}
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		made, facts, err := p.Plan(plan.Include)
		if err != nil {
			t.Fatal(err)
		}
		p.Engine.UnderWay = 1
		p.End() // its context ends here
		for _, o := range p.Engine.Run(p.Context(), house.Jobs(made, facts)).Outcomes {
			if o.Status != apply.Interrupted {
				t.Errorf("%s: %s: %v", o.Address, o.Status, o.Err)
			}
		}
	})
}

// canary is a house with a certificate of two waves: the canary serves
// canary.example.com, the rest comes after it.
func canary(t *testing.T) (h *house.House, fails map[string]bool) {
	h = house.New(t, house.Options{})
	w := h.Want("site", "*.example.com")
	rest := h.Sink.Place("rest")
	rest.Wave = 2
	w.Places = append(w.Places, rest)
	h.Serve(w, w.Places[0].ID, "canary.example.com", "site")
	fails = map[string]bool{}
	doors := h.Sink.Fault
	h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
		if fails[string(op)+" "+target] {
			return errors.New("out of order")
		}
		return doors(ctx, op, target)
	}
	return h, fails
}

// TestACanaryHoldsTheOthers in this run and in every later one, however it
// fails: it cannot be written, or read, or does not serve what it holds.
func TestACanaryHoldsTheOthers(t *testing.T) {
	for name, broken := range map[string]func(h *house.House, fails map[string]bool, yes bool){
		"it cannot be written": func(_ *house.House, fails map[string]bool, yes bool) { fails["begin site"] = yes },
		"it cannot be read":    func(_ *house.House, fails map[string]bool, yes bool) { fails["look site"] = yes },
		"it answers nobody":    func(h *house.House, _ map[string]bool, yes bool) { h.Down("canary.example.com", yes) },
	} {
		for _, patient := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", patient ", patient), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h, fails := canary(t)
					defer h.Close()
					p, err := h.Start(0)
					if err != nil {
						t.Fatal(err)
					}
					defer p.End()
					p.Engine.Patient = patient
					broken(h, fails, true)
					for i := range 3 {
						if r, err := p.Apply(); err != nil || r.Code() != 3 && !patient {
							t.Errorf("run %d: %v %+v", i, err, r.Outcomes)
						}
						if h.Sink.Holds("rest") != nil {
							t.Fatalf("run %d: the rest was written before its canary served", i)
						}
					}
					broken(h, fails, false)
					time.Sleep(2 * time.Hour)
					if r, err := p.Apply(); err != nil || r.Code() != 0 {
						t.Errorf("at last: %v %+v", err, r.Outcomes)
					}
					if h.Sink.Uses("rest") == nil || h.Sink.Uses("site") == nil {
						t.Error("not delivered at last")
					}
				})
			})
		}
	}
}

// record reads a certificate's record.
func record(t *testing.T, h *house.House, name string) *state.Record {
	t.Helper()
	e, err := h.Store.Get(t.Context(), state.RecordKey("certificate."+name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := state.DecodeRecord(e.Data)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFailuresAreCounted from run to run, also where a place is written well
// each time and what it shares with others is not served.
func TestFailuresAreCounted(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprint("own ", own), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{})
				defer h.Close()
				w := h.Want("site", "*.example.com")
				id := w.Places[0].ID
				if own {
					h.Serve(w, id, "own.example.com", "site")
				}
				h.Serve(w, "", "shared.example.com", "another")
				h.Sink.Set("another", sinktest.Bundle(t, "shared.example.com"))
				for n := 1; n <= 5; n++ {
					if r := run(t, h); r.Code() != 3 {
						t.Fatalf("run %d: %+v", n, r.Outcomes)
					}
					if tries := record(t, h, "site").Places[id].Tries; tries == nil || tries.N != n {
						t.Fatalf("run %d: tries are %+v", n, tries)
					}
				}
			})
		})
	}
}

// TestAStopIsNoFailure of the endpoint that was being waited for.
func TestAStopIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "*.example.com")
		h.Serve(w, w.Places[0].ID, "www.example.com", "another")
		w.Endpoints[0].Within = time.Hour
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		stop, ask := context.WithCancel(context.Background())
		p.Engine.Stop = stop
		time.AfterFunc(30*time.Minute, ask)
		r, err := p.Apply()
		if err != nil || status(r)["site"] != apply.Interrupted {
			t.Errorf("%v %+v", err, r.Outcomes)
		}
		line := record(t, h, "site").Places[w.Places[0].ID]
		if line.Tries != nil || line.Leaf == "" {
			t.Errorf("the place: %+v", line)
		}
	})
}
