package house_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/state"
)

// TestFrozenAtEveryDoor stops a process at each of its passages for five
// minutes, in turn. Meanwhile another takes over, and a third applies a newer
// configuration. The one that wakes writes nothing old: not to a place that
// can compare, and not to one that cannot even be looked at.
func TestFrozenAtEveryDoor(t *testing.T) {
	for _, blind := range []bool{false, true} {
		for _, late := range []time.Duration{0, 20 * time.Second} {
			t.Run(fmt.Sprintf("blind %v, late %v", blind, late), func(t *testing.T) {
				doors := 0
				for at := 1; ; at++ {
					froze := true
					synctest.Test(t, func(t *testing.T) { froze = freezeAndWake(t, at, blind, late) })
					if t.Failed() || !froze {
						break
					}
					doors++
				}
				t.Logf("froze at %d doors", doors)
				if doors < 40 {
					t.Errorf("only %d doors: the house has more", doors)
				}
			})
		}
	}
}

func freezeAndWake(t *testing.T, at int, blind bool, late time.Duration) (froze bool) {
	h := house.New(t, house.Options{})
	defer h.Close()
	h.Sink.Blind = blind
	generation := func(names ...string) {
		h.Wants = nil
		h.Want("site", append(names, "example.com")...)
	}
	apply100 := func() {
		t.Helper()
		p, err := h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		p.Engine.LockTimeout = 100 * time.Second
		if r, err := p.Apply(); err != nil || r.Code() != 0 {
			t.Errorf("%v %+v", err, r.Outcomes)
		}
	}
	generation()
	apply100()

	generation("a.example.com")
	d := &doom.Doom{At: at, Still: 5 * time.Minute, Late: late}
	var report apply.Report
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p, err := h.Begin(d)
		defer p.End()
		if err == nil {
			report, err = p.Apply()
		}
		if err != nil {
			t.Errorf("the one that froze: %v", err)
		}
	}()
	for {
		time.Sleep(10 * time.Millisecond)
		select {
		case <-ended:
			return d.Stopped()
		default:
		}
		if d.Stopped() {
			break
		}
	}
	_, where := d.Passed()
	apply100()
	generation("b.example.com")
	apply100()
	orders, used := h.CA.Counts()["orders"], h.Sink.Uses("site")
	<-ended
	time.Sleep(time.Minute) // whatever it still had on its way has arrived

	for _, o := range report.Outcomes {
		if o.Status != apply.Done && o.Status != apply.Held {
			t.Errorf("stopped %s: it ended %s: %v", where, o.Status, o.Err)
		}
	}
	if now := h.Sink.Uses("site"); now.Leaf() != used.Leaf() {
		t.Errorf("stopped %s: it put back the certificate of %v", where, now.Chain.Names())
	}
	if n := h.CA.Counts()["orders"]; n != orders {
		t.Errorf("stopped %s: it made %d orders", where, n-orders)
	}
	p, err := h.Start(0)
	defer p.End()
	if err != nil {
		t.Fatal(err)
	}
	atRest(t, h, p, where)
	return true
}

// TestFrozenBeforeItCleans: an order that failed for the moment is gone on with
// by another, who presents the same values again while the first wakes up.
func TestFrozenBeforeItCleans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Propagation: 90 * time.Second}})
		defer h.Close()
		h.Want("site", "example.com")
		d := &doom.Doom{When: after("/chall/"), Still: 2 * time.Minute, Late: 20 * time.Second}
		h.CA.Configure(func(c *acmetest.Config) {
			c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
				if op == "challenge" && !d.Stopped() {
					return &acmetest.Fault{Status: 500, Body: "out of order"}
				}
				return nil
			}
		})
		p, woke := takeOver(t, h, d)
		defer p.End()
		if s := status(woke())["site"]; s != apply.Held {
			t.Errorf("the one that froze ended %s", s)
		}
		if n := h.CA.Counts()["orders"]; n != 1 {
			t.Errorf("%d orders", n)
		}
		atRest(t, h, p, "")
	})
}

// TestFrozenCleaner: one that was stopped before it removed what is owed does
// not remove it when another has.
func TestFrozenCleaner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		h.Host.Configure(func(c *dnstest.HostConfig) {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if len(call.Del) > 0 {
					return dnstest.Forbid
				}
				return dnstest.Done
			}
		})
		if s := status(run(t, h))["site"]; s != apply.Owing {
			t.Fatal(s)
		}
		h.Host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
		d := &doom.Doom{When: after(state.Certificates), Still: 2 * time.Minute, Late: 20 * time.Second}
		p, woke := takeOver(t, h, d)
		defer p.End()
		calls := h.Host.Stats().Total
		if s := status(woke())["site"]; s != apply.Held {
			t.Errorf("the one that froze ended %s", s)
		}
		if n := h.Host.Stats().Total - calls; n > 0 {
			t.Errorf("it called the DNS host %d times", n)
		}
		atRest(t, h, p, "")
	})
}

// takeOver starts a process that stands still where d says, and lets another,
// which it returns, take over. woke waits for the first to end.
func takeOver(t *testing.T, h *house.House, d *doom.Doom) (p *house.Process, woke func() apply.Report) {
	t.Helper()
	ended := make(chan apply.Report, 1)
	go func() {
		p, err := h.Begin(d)
		defer p.End()
		if err != nil {
			t.Error(err)
		}
		r, _ := p.Apply()
		ended <- r
	}()
	for range 600 {
		if time.Sleep(time.Second); d.Stopped() {
			break
		}
	}
	if !d.Stopped() {
		t.Fatal("it did not stop anywhere")
	}
	p, err := h.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	p.Engine.LockTimeout = 100 * time.Second
	if r, err := p.Apply(); err != nil || r.Code() != 0 {
		t.Errorf("%v %+v", err, r.Outcomes)
	}
	return p, func() apply.Report { return <-ended }
}

// after is the passage out of a door with this in its name.
func after(part string) func(string) bool {
	return func(door string) bool { return strings.HasPrefix(door, "after ") && strings.Contains(door, part) }
}

// TestFrozenAlone stops a process at each of its passages for 100 s while
// nobody else is there: it wakes, finds that the record is still its own, and
// leaves nothing in DNS. (A place that was being written then may have failed;
// the next run goes on there.)
func TestFrozenAlone(t *testing.T) {
	for at, froze := 1, true; froze && !t.Failed(); at++ {
		synctest.Test(t, func(t *testing.T) {
			h := house.New(t, house.Options{Host: dnstest.HostConfig{Latency: 100 * time.Millisecond}})
			defer h.Close()
			h.Want("site", "example.com", "*.example.com")
			d := &doom.Doom{At: at, Still: 100 * time.Second}
			p, err := h.Begin(d)
			defer p.End()
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Apply()
			froze = d.Stopped()
			_, where := d.Passed()
			if err != nil || !r.Outcomes[0].Issued || r.Outcomes[0].Status == apply.Owing {
				t.Errorf("froze %s: %v %+v", where, err, r.Outcomes)
			}
			if left := h.Net.AllTXT(); len(left) > 0 {
				t.Errorf("froze %s: left in DNS: %v", where, left)
			}
		})
	}
}
