package house_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
)

// TestTwinsGoOneAfterTheOther: certificates with the same names and account
// share no order at the same time, in as many as there are, and each gets one.
func TestTwinsGoOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Propagation: 5 * time.Second}})
		defer h.Close()
		for _, name := range []string{"a", "b", "c"} {
			h.Want(name, "example.com", "*.example.com")
		}
		h.Wants[1].KeyType = cert.ECDSAP384
		var open, most atomic.Int64
		h.CA.Configure(func(c *acmetest.Config) {
			c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
				switch op {
				case "newOrder":
					if n := open.Add(1); n > most.Load() {
						most.Store(n)
					}
				case "certificate":
					open.Add(-1)
				}
				return nil
			}
		})
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := p.Apply(); err != nil || r.Code() != 0 {
			t.Errorf("%v %+v", err, r.Outcomes)
		}
		p.End()
		waited := 0
		for _, e := range p.Events {
			if e.Kind == event.Waiting && strings.Contains(e.Note, "for the same names") {
				waited++
			}
		}
		if waited != 2 {
			t.Errorf("%d say that they wait for a twin", waited)
		}
		if orders, certs := h.CA.Counts()["orders"], len(h.CA.Issued()); orders != 3 || certs != 3 || most.Load() != 1 {
			t.Errorf("%d orders, %d certificates, %d at a time", orders, certs, most.Load())
		}
		p, err = h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		atRest(t, h, p, "never")
	})
}

// TestFiveRunnersAndTwins: in five processes at once each certificate still has
// one order of its own.
func TestFiveRunnersAndTwins(t *testing.T) {
	for range 5 {
		synctest.Test(t, func(t *testing.T) {
			h := house.New(t, house.Options{Host: dnstest.HostConfig{Propagation: 5 * time.Second}})
			defer h.Close()
			h.Want("a", "example.com", "*.example.com")
			h.Want("b", "example.com", "*.example.com").KeyType = cert.ECDSAP384
			reports := make(chan apply.Report)
			for range 5 {
				go func() {
					p, err := h.Start(0)
					defer p.End()
					if err != nil {
						t.Error(err)
					}
					r, err := p.Apply()
					if err != nil {
						t.Error(err)
					}
					reports <- r
				}()
			}
			for range 5 {
				for _, o := range (<-reports).Outcomes {
					if o.Status != apply.Done && o.Status != apply.Held {
						t.Errorf("%s: %s: %v", o.Address, o.Status, o.Err)
					}
				}
			}
			if orders, certs := h.CA.Counts()["orders"], len(h.CA.Issued()); orders != 2 || certs != 2 {
				t.Errorf("%d orders, %d certificates", orders, certs)
			}
			p, err := h.Start(0)
			defer p.End()
			if err != nil {
				t.Fatal(err)
			}
			atRest(t, h, p, "never")
		})
	}
}

// TestRefusedReplaces is refused once: the order is made without, also by the
// next run, where this one was killed between the two.
func TestRefusedReplaces(t *testing.T) {
	died := true
	for at := 0; died && !t.Failed(); at++ {
		synctest.Test(t, func(t *testing.T) {
			h := house.New(t, house.Options{})
			defer h.Close()
			h.Want("site", "example.com")
			run(t, h)
			time.Sleep(75 * day)
			var refused atomic.Int64
			h.CA.Configure(func(c *acmetest.Config) {
				c.Replaces = func(string) *acmetest.Problem {
					refused.Add(1)
					return &acmetest.Problem{Type: "alreadyReplaced", Detail: "no", Status: 409}
				}
			})
			p, err := h.Start(at)
			if err == nil {
				p.Apply()
			}
			died = at == 0 || p.Doom.Dead()
			_, where := p.Doom.Passed()
			p.End()
			if r := run(t, h); r.Code() != 0 {
				t.Errorf("died %s: %+v", where, r.Outcomes)
			}
			if n := refused.Load(); n > 2 || at == 0 && n != 1 {
				t.Errorf("died %s: refused %d times", where, n)
			}
			if n := len(h.CA.Issued()); n != 2 {
				t.Errorf("died %s: %d certificates", where, n)
			}
		})
	}
}

// TestASoftStop: what is under way is finished or broken off, saved, and gone on
// with by the next run with the same order; nothing is left in DNS meanwhile.
func TestASoftStop(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 10 * time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{Host: dnstest.HostConfig{Latency: 500 * time.Millisecond, Propagation: 90 * time.Second}})
				defer h.Close()
				h.Want("site", "example.com", "*.example.com")
				p, err := h.Start(0)
				if err != nil {
					t.Fatal(err)
				}
				stop, ask := context.WithCancel(context.Background())
				p.Engine.Stop = stop
				time.AfterFunc(after, ask)
				time.Sleep(time.Nanosecond)
				began := time.Now()
				r, err := p.Apply()
				if err != nil || status(r)["site"] != apply.Interrupted || r.Code() != 3 {
					t.Errorf("%v %+v", err, r.Outcomes)
				}
				if n := strings.Count(r.Outcomes[0].Err.Error(), "stopped before it was done"); n != 1 {
					t.Errorf("it says %d times why: %v", n, r.Outcomes[0].Err)
				}
				if took := time.Since(began) - after; took > 30*time.Second {
					t.Errorf("it took %v to stop", took)
				}
				p.End()
				time.Sleep(2 * time.Minute) // DNS is slow
				if left := h.Net.AllTXT(); len(left) > 0 {
					t.Errorf("left in DNS: %v", left)
				}
				if r := run(t, h); r.Code() != 0 {
					t.Errorf("the next run: %+v", r.Outcomes)
				}
				if n := h.CA.Counts()["orders"]; n != 1 {
					t.Errorf("%d orders", n)
				}
			})
		})
	}
}

// TestASavedPlan is done on the basis that it was made on and on no other; done
// twice it does nothing.
func TestASavedPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		h.Want("other", "other.example.com")
		p, err := h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		saved, _, err := p.Plan(plan.Include)
		if err != nil {
			t.Fatal(err)
		}
		doIt := func(id string) map[string]apply.Status {
			_, facts, err := p.Plan(plan.Include)
			if err != nil {
				t.Fatal(err)
			}
			jobs := house.Jobs(saved, facts)
			for i := range jobs {
				jobs[i].Basis = &jobs[i].Item.Basis
			}
			p.Engine.PlanID = id
			return status(p.Engine.Run(p.Context(), jobs))
		}
		if s := doIt("one"); s["site"] != apply.Done || s["other"] != apply.Done {
			t.Errorf("the first time: %v", s)
		}
		if s := doIt("one"); s["site"] != apply.Done || s["other"] != apply.Done {
			t.Errorf("the second time: %v", s)
		}
		if s := doIt("another"); s["site"] != apply.Stale || s["other"] != apply.Stale {
			t.Errorf("another plan on the old basis: %v", s)
		}
		h.Sink.Set("site", nil)
		if s := doIt("one"); s["site"] != apply.Stale || s["other"] != apply.Done {
			t.Errorf("after a change: %v", s)
		}
		if n := h.CA.Counts()["orders"]; n != 2 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestAPlanNeverAsksTheCA: windows are asked for by upkeep, when their time has
// come and not sooner.
func TestAPlanNeverAsksTheCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		run(t, h)
		var asked, windows atomic.Int64
		h.CA.Configure(func(c *acmetest.Config) {
			c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
				if asked.Add(1); op == "renewalInfo" {
					windows.Add(1)
				}
				return nil
			}
		})
		p, err := h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(time.Minute)
			if _, _, err := p.Plan(plan.Include); err != nil {
				t.Fatal(err)
			}
			refresh(t, h)
		}
		if n := asked.Load(); n > 0 {
			t.Errorf("the CA was asked %d times", n)
		}
		time.Sleep(day)
		refresh(t, h)
		refresh(t, h)
		if n := windows.Load(); n != 1 {
			t.Errorf("a day later it was asked for %d windows", n)
		}
	})
}

// TestWhatAFrozenOneLeaves: values that it wrote too late and cannot remove are
// named, and owed where nobody works on the record.
func TestWhatAFrozenOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		d := &doom.Doom{When: func(door string) bool { return door == "before change of example.com. (+1 -0)" }, Still: 2 * time.Minute}
		p, woke := takeOver(t, h, d)
		defer p.End()
		h.Host.Configure(func(c *dnstest.HostConfig) {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if len(call.Del) > 0 {
					return dnstest.Forbid
				}
				return dnstest.Done
			}
		})
		r := woke()
		if status(r)["site"] != apply.Held {
			t.Errorf("%+v", r.Outcomes)
		}
		if len(h.Net.AllTXT()) != 1 || len(record(t, h, "site").Owed) != 1 {
			t.Fatalf("in DNS: %v, owed: %v", h.Net.AllTXT(), record(t, h, "site").Owed)
		}
		h.Host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
		run(t, h)
		atRest(t, h, p, "")
	})
}
