package house_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// keeper is a process that keeps the house true.
type keeper struct {
	*house.Process
	fleets chan daemon.Fleet
	stop   context.Context
	ask    context.CancelFunc
	ended  chan struct{}

	mu    sync.Mutex
	looks []daemon.Look
}

// keep starts a keeper that looks every interval.
func keep(t *testing.T, h *house.House, interval time.Duration) *keeper {
	t.Helper()
	return begin(h, enter(t, h), interval)
}

// enter starts a process whose runner is in the state, and which does nothing
// yet.
func enter(t *testing.T, h *house.House) *house.Process {
	t.Helper()
	p, err := h.Keep(&doom.Doom{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin makes a process keep what the house wants.
func begin(h *house.House, p *house.Process, interval time.Duration) *keeper {
	k := &keeper{Process: p, fleets: make(chan daemon.Fleet, 1), ended: make(chan struct{})}
	k.stop, k.ask = context.WithCancel(context.Background())
	p.Engine.Stop, p.Engine.Patient = k.stop, true
	k.load(h.Wants)
	d := &daemon.Daemon{Runner: p.Engine.Runner, Interval: interval, Say: p.Engine.Say, Looked: func(l daemon.Look) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.looks = append(k.looks, l)
	}}
	go func() {
		defer close(k.ended)
		d.Run(p.Context(), k.fleets, k.stop.Done())
	}()
	return k
}

// load gives it another configuration.
func (k *keeper) load(wants []plan.Want) {
	k.fleets <- daemon.Fleet{Wants: wants, Engine: k.Engine, Survey: k.Survey}
}

// seen are the looks since the last call.
func (k *keeper) seen() []daemon.Look {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.looks
	k.looks = nil
	return out
}

func (k *keeper) End() {
	k.ask()
	<-k.ended
	k.Process.End()
}

// TestADaemonThatHasNothingToDoRests: whatever a record still says of the past,
// a certificate at rest is looked at once an interval.
func TestADaemonThatHasNothingToDoRests(t *testing.T) {
	for _, tt := range []struct {
		name string
		// past makes something happen in the first hour.
		past func(h *house.House, k *keeper)
	}{
		{"nothing happened", func(*house.House, *keeper) {}},
		{"an endpoint that was down came up by itself", func(h *house.House, k *keeper) {
			h.Down("www.example.com", false)
		}},
		{"a place that failed left the configuration", func(h *house.House, k *keeper) {
			w := h.Wants[0]
			w.Places = w.Places[:1]
			w.Endpoints = nil
			k.load([]plan.Want{w})
		}},
		{"the CA has no renewal windows any more", func(h *house.House, k *keeper) {
			h.Down("www.example.com", false)
			h.CA.Configure(func(c *acmetest.Config) {
				c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
					if op == "renewalInfo" {
						return &acmetest.Fault{Status: 404}
					}
					return nil
				}
			})
		}},
		{"the issuer's block is gone", func(h *house.House, k *keeper) {
			h.Down("www.example.com", false)
			e := k.Engine
			k.fleets <- daemon.Fleet{Wants: h.Wants, Survey: k.Survey, Engine: &apply.Engine{
				World: e.World, Store: e.Store, Seal: e.Seal, Zones: e.Zones, Runner: e.Runner, Say: e.Say,
				Look: e.Look, Verify: e.Verify, Patient: true, Stop: k.stop,
			}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{})
				defer h.Close()
				w := h.Want("site", "*.example.com")
				w.Places = append(w.Places, h.Sink.Place("second"))
				h.Serve(w, w.Places[1].ID, "www.example.com", "second")
				h.Down("www.example.com", true)
				k := keep(t, h, time.Hour)
				defer k.End()
				time.Sleep(30 * time.Second)
				tt.past(h, k)
				time.Sleep(8 * time.Hour)
				k.seen()
				time.Sleep(10 * time.Hour)
				n := len(k.seen())
				t.Logf("%d looks in ten hours", n)
				if n < 10 || n > 16 {
					t.Errorf("%d looks in ten hours", n)
				}
			})
		})
	}
}

// TestMendedFailuresAreForgotten: what failed and is found well, though nobody
// here did anything, is not told any more; that is written once.
func TestMendedFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "*.example.com")
		w.Places = append(w.Places, h.Sink.Place("dead"), h.Sink.Place("gone"))
		id, dead, gone := w.Places[0].ID, w.Places[1].ID, w.Places[2].ID
		for i, target := range []string{"site", "dead", "gone"} {
			h.Serve(w, w.Places[i].ID, target+".example.com", target)
			h.Down(target+".example.com", true)
		}
		k := keep(t, h, time.Hour)
		defer k.End()
		time.Sleep(5 * time.Hour)
		r := record(t, h, "site")
		for _, p := range w.Places {
			if line := r.Places[p.ID]; line == nil || line.Tries == nil || line.Tries.N < 2 {
				t.Fatalf("%s should have failed by now: %+v", p.ID, line)
			}
		}
		h.Down("site.example.com", false)
		fewer := *w
		fewer.Places, fewer.Endpoints = w.Places[:2], w.Endpoints[:2]
		k.load([]plan.Want{fewer})
		time.Sleep(3 * time.Second)
		r = record(t, h, "site")
		for place, want := range map[string]bool{id: false, dead: true, gone: false} {
			if got := r.Places[place].Tries != nil; got != want {
				t.Errorf("%s still fails: %v, want %v", place, got, want)
			}
		}
		looks := k.seen()
		if last := looks[len(looks)-1]; last.Record.Places[id].Tries != nil {
			t.Error("the look does not tell so")
		}
		rev := func() state.Revision {
			e, err := h.Store.Get(t.Context(), state.RecordKey("certificate.site"))
			if err != nil {
				t.Fatal(err)
			}
			return e.Rev
		}
		before := rev()
		k.load([]plan.Want{fewer})
		time.Sleep(3 * time.Second)
		if len(k.seen()) == 0 || rev() != before {
			t.Error("the next look wrote again, or there was none")
		}
	})
}

// TestOnePlaceDelaysNoOther: certificates of a day, and of a minute, are renewed
// in time and delivered where they can be, though one place of theirs never
// takes any.
func TestOnePlaceDelaysNoOther(t *testing.T) {
	for _, life := range []time.Duration{time.Minute, 24 * time.Hour, 6 * 24 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{CA: func(c *acmetest.Config) {
					c.Validity, c.Backdate, c.NoARI = life, -1, true
				}})
				defer h.Close()
				w := h.Want("site", "example.com")
				w.Places = append(w.Places, h.Broken("dead"))
				k := keep(t, h, time.Hour)
				defer k.End()
				time.Sleep(30 * time.Second)
				for range 40 {
					time.Sleep(life / 4)
					b := h.Sink.Uses("site")
					if b == nil {
						t.Fatal("it was never delivered")
					}
					if left := time.Until(b.Chain.Leaf().NotAfter); left < life/4 {
						t.Fatalf("after %v it has %v of %v left", time.Since(b.Chain.Leaf().NotBefore), left, life)
					}
				}
			})
		})
	}
}

// TestANewCertificateDoesNotWait: what failed with the last one is tried with
// the new one at once, not when the last one's pause is over.
func TestANewCertificateDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "example.com")
		h.Serve(w, w.Places[0].ID, "www.example.com", "site")
		h.Down("www.example.com", true)
		k := keep(t, h, time.Hour)
		defer k.End()
		time.Sleep(5 * time.Hour)
		tries := record(t, h, "site").Places[w.Places[0].ID].Tries
		if tries == nil || time.Until(tries.Next) < 30*time.Minute {
			t.Fatalf("it should wait by now: %+v", tries)
		}
		h.Down("www.example.com", false)
		wider, err := cert.ParseDNS("*.example.com")
		if err != nil {
			t.Fatal(err)
		}
		changed := *w
		changed.Names = append(changed.Names[:1:1], wider)
		k.load([]plan.Want{changed})
		time.Sleep(time.Minute)
		if b := h.Sink.Uses("site"); b == nil || len(b.Chain.Names()) != 2 {
			t.Errorf("the new certificate was not delivered: %v", b)
		}
		if line := record(t, h, "site").Places[w.Places[0].ID]; line.Tries != nil || line.Proven == "" {
			t.Errorf("the place is not at rest: %+v", line)
		}
	})
}

// TestReloadWhileUnderWay: certificates that change, leave and come back while
// they are under way end as the last configuration says, one turn at a time.
func TestReloadWhileUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Propagation: 40 * time.Second}})
		defer h.Close()
		for _, name := range []string{"stays", "changes", "leaves", "returns"} {
			h.Want(name, name+".example.com")
		}
		k := keep(t, h, time.Hour)
		defer k.End()
		time.Sleep(20 * time.Second)
		changed := h.Wants[1]
		changed.Names = append(changed.Names[:1:1], h.Wants[0].Names...)
		k.load([]plan.Want{h.Wants[0], changed})
		time.Sleep(time.Second)
		k.load([]plan.Want{h.Wants[0], changed, h.Wants[3]})
		time.Sleep(10 * time.Minute)
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
		for name, names := range map[string]int{"stays": 1, "changes": 2, "returns": 1} {
			if b := h.Sink.Uses(name); b == nil || len(b.Chain.Names()) != names {
				t.Errorf("%s: %v", name, b)
			}
			if r := record(t, h, name); r.Work != nil || r.Owner != "" || !r.Gone.IsZero() {
				t.Errorf("%s is not at rest: %+v", name, r)
			}
		}
		if r := record(t, h, "leaves"); r.Work != nil || r.Owner != "" || r.Gone.IsZero() {
			t.Errorf("what left is not forgotten: %+v", r)
		}
		for _, l := range k.seen() {
			if l.Outcome.Status != apply.Done {
				t.Errorf("%s: %s: %v", l.Outcome.Address, l.Outcome.Status, l.Outcome.Err)
			}
		}
	})
}

// TestDaemonsShare: two of them do all certificates once, and neither waits for
// an apply that is at work on something else; when one is killed the other does
// its part too, and the entries of the dead are cleared away.
func TestDaemonsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("h%d", i))
			h.Want(names[i], names[i]+".example.com")
		}
		delivered := func() (n int) {
			for _, name := range names {
				if h.Sink.Uses(name) != nil {
					n++
				}
			}
			return n
		}
		p, err := h.Start(0) // an apply that hangs somewhere
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		// Both are in the state before either counts the live ones: who comes
		// later is seen at the next count, and could find all done.
		first, second := enter(t, h), enter(t, h)
		a, b := begin(h, first, time.Hour), begin(h, second, time.Hour)
		time.Sleep(2 * time.Minute)
		if n, orders := delivered(), h.CA.Counts()["orders"]; n != 20 || orders != 20 {
			t.Errorf("after two minutes %d of 20 are delivered, by %d orders", n, orders)
		}
		for name, k := range map[string]*keeper{"first": a, "second": b} {
			if n := len(k.seen()); n == 0 || n == 20 {
				t.Errorf("the %s did %d of 20", name, n)
			}
		}
		b.Doom.Die()
		b.End()
		for _, name := range names {
			h.Sink.Set(name, nil)
		}
		time.Sleep(2 * time.Hour)
		if n := delivered(); n != 20 {
			t.Errorf("two hours after one was killed %d of 20 were repaired", n)
		}
		a.End()
		left := 0
		for range h.Store.List(t.Context(), state.Query{Prefix: state.Runners}) {
			left++
		}
		if left != 1 {
			t.Errorf("%d runners in the state, one is alive", left)
		}
	})
}
