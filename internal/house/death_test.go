package house_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// life is a story in which one run is killed.
type life struct {
	name string
	// before builds the house and brings it to where the run begins.
	before func(t *testing.T, h *house.House)
	// certs and orders are what the story costs when nobody is killed; doors is
	// how many it passes at least.
	certs, orders, doors int
}

var lives = []life{
	{"a new certificate", func(t *testing.T, h *house.House) {
		h.Want("site", "example.com", "*.example.com")
	}, 1, 1, 45},
	{"a renewal in two waves", func(t *testing.T, h *house.House) {
		w := h.Want("site", "example.com", "*.example.com")
		rest := h.Sink.Place("rest")
		rest.Wave = 2
		w.Places = append(w.Places, rest)
		h.Serve(w, w.Places[0].ID, "www.example.com", "site")
		h.Serve(w, "", "shared.example.com", "rest")
		run(t, h)
		time.Sleep(75 * day)
	}, 2, 2, 40},
	{"two keys for the same names", func(t *testing.T, h *house.House) {
		h.Want("site", "example.com", "*.example.com")
		h.Want("other", "example.com", "*.example.com").KeyType = cert.ECDSAP384
	}, 2, 2, 70},
	{"names that change", func(t *testing.T, h *house.House) {
		h.Want("site", "example.com")
		run(t, h)
		h.Wants = nil
		h.Want("site", "example.com", "www.example.com")
	}, 2, 2, 40},
	{"a certificate that is forgotten with an order under way", func(t *testing.T, h *house.House) {
		h.Want("site", "example.com")
		p, err := h.Begin(&doom.Doom{When: after("/chall/")})
		if err == nil {
			_, err = p.Apply()
		}
		if p.End(); err != nil || len(h.Net.AllTXT()) == 0 {
			t.Fatalf("it was not killed in the middle: %v", err)
		}
		h.Wants = nil
	}, 0, 1, 6},
}

// TestDeathAtEveryDoor kills a run at each of its passages to the outside, in
// turn, and lets the next run come at once, or eight days later when the CA
// has forgotten the order.
func TestDeathAtEveryDoor(t *testing.T) {
	for _, l := range lives {
		for _, pause := range []time.Duration{time.Second, 8 * day} {
			t.Run(fmt.Sprint(l.name, ", ", pause), func(t *testing.T) {
				doors := 0
				for at := 1; ; at++ {
					died := true
					synctest.Test(t, func(t *testing.T) { died = dieAndReturn(t, l, at, pause) })
					if t.Failed() || !died {
						break
					}
					doors++
				}
				t.Logf("died at %d doors", doors)
				if doors < l.doors {
					t.Errorf("only %d doors: the house has more", doors)
				}
			})
		}
	}
}

func dieAndReturn(t *testing.T, l life, at int, pause time.Duration) (died bool) {
	h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.OrderLife = 7 * day }})
	defer h.Close()
	l.before(t, h)
	first, err := h.Start(at)
	if err == nil {
		_, err = first.Apply()
	}
	died = first.Doom.Dead()
	_, where := first.Doom.Passed()
	first.End()
	if !died && err != nil {
		t.Fatalf("a run that nobody killed: %v", err)
	}
	time.Sleep(pause)
	second, err := h.Start(0)
	defer second.End()
	if err != nil {
		t.Fatalf("died %s: the next run: %v", where, err)
	}
	report, err := second.Apply()
	if err != nil || report.Code() != 0 {
		t.Errorf("died %s: the next run: %v %+v", where, err, report.Outcomes)
	}
	atRest(t, h, second, where)
	// One more order for the kill at most, for each certificate that was under
	// way if the CA has forgotten them all; one more certificate only where it
	// had signed.
	orders, certs := h.CA.Counts()["orders"], len(h.CA.Issued())
	more, again := 1, 0
	if pause > time.Hour {
		more, again = max(1, len(h.Wants)), 1
	}
	if orders > l.orders+more || certs > l.certs+again {
		t.Errorf("died %s: %d orders, %d certificates", where, orders, certs)
	}
	return died
}

// atRest checks that nothing is left to do, nothing is left in DNS, the place
// holds and uses the live bundle, and a plan is empty.
func atRest(t *testing.T, h *house.House, p *house.Process, where string) {
	t.Helper()
	if left := h.Net.AllTXT(); len(left) > 0 {
		t.Errorf("died %s: left in DNS: %v", where, left)
	}
	made, facts, err := p.Plan(plan.Exclude)
	if err != nil {
		t.Fatal(err)
	}
	if made.Changes() {
		t.Errorf("died %s: the plan after a good apply is not empty: %+v", where, made.Summary)
	}
	for _, w := range h.Wants {
		rec := facts.Records[w.Address]
		if rec == nil || rec.Live == nil {
			t.Errorf("died %s: %s has no live bundle", where, w.Address)
			continue
		}
		for _, p := range w.Places {
			target := strings.TrimPrefix(p.Target, "memory:")
			if b := h.Sink.Uses(target); b == nil || b.Leaf() != rec.Live.Leaf {
				t.Errorf("died %s: the place %s of %s does not use the live bundle", where, target, w.Address)
			}
		}
		if rec.Work != nil || len(rec.Owed) > 0 || rec.Owner != "" {
			t.Errorf("died %s: not at rest: work %+v, owed %v, owner %q", where, rec.Work, rec.Owed, rec.Owner)
		}
		if _, err := h.Store.Get(t.Context(), state.Key(state.Keys, string(rec.Live.SPKI))); err != nil {
			t.Errorf("died %s: the live key is lost: %v", where, err)
		}
	}
}
