package house_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/orchestrator/event"
)

// A doctor that dies at any door leaves a canary that the next apply removes,
// with no certificate in the configuration and one that is not touched.
func TestCanaryDeathAtEveryDoor(t *testing.T) {
	doors := 0
	for at, died := 1, true; died && !t.Failed(); at++ {
		synctest.Test(t, func(t *testing.T) {
			h := house.New(t, house.Options{})
			defer h.Close()
			h.Net.Zone("example.com").Add(`_acme-challenge TXT "foreign"`)
			first, err := h.Start(at)
			var c apply.Canary
			if err == nil {
				c = first.Engine.Canary(first.Context(), "example.com", "dns.host.main")
			}
			died = first.Doom.Dead()
			_, where := first.Doom.Passed()
			first.End()
			if !died && (c.Err != nil || c.Servers != 2) {
				t.Fatalf("one that nobody killed: %+v", c)
			}
			if !died {
				if left := h.Net.AllTXT(); len(left) != 1 {
					t.Errorf("it left %v", left)
				}
				return
			}
			doors++
			time.Sleep(time.Second)
			second, err := h.Start(0)
			defer second.End()
			if err != nil {
				t.Fatal(err)
			}
			report, err := second.Apply()
			if err != nil || report.Code() != 0 {
				t.Errorf("died %s: the next run: %v %+v", where, err, report.Outcomes)
			}
			atRest(t, &house.House{Net: dnstest.New(), Store: h.Store}, second, where)
			if got := h.Net.TXT("_acme-challenge.certform-doctor.example.com"); len(got) > 0 {
				t.Errorf("died %s: left %v", where, got)
			}
			if got := h.Net.TXT("_acme-challenge.example.com"); len(got) != 1 {
				t.Errorf("died %s: the foreign value: %v", where, got)
			}
		})
	}
	if t.Logf("died at %d doors", doors); doors < 8 {
		t.Errorf("only %d doors", doors)
	}
}

// A daemon that lets canaries live tells that a token died within a day, months
// before the renewal, and that it lives again.
func TestDailyCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		said := make(chan event.Event, 1000)
		say := p.Engine.Say
		p.Engine.Say = event.Tee(say, func(e event.Event) {
			if e.Kind == event.Checked || e.Kind == event.Ailing {
				said <- e
			}
		})
		p.Engine.Patient = true
		fleets, stop, ended := make(chan daemon.Fleet, 1), make(chan struct{}), make(chan struct{})
		fleets <- daemon.Fleet{Wants: p.Wants, Engine: p.Engine, Survey: p.Survey}
		d := &daemon.Daemon{Runner: p.Engine.Runner, Say: say, Canary: 24 * time.Hour}
		go func() { defer close(ended); d.Run(p.Context(), fleets, stop) }()
		defer func() { close(stop); <-ended }()
		began := time.Now()
		if e := <-said; e.Kind != event.Checked || e.Zone != "example.com" {
			t.Errorf("at first: %+v", e)
		}
		h.Host.Configure(func(c *dnstest.HostConfig) {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if call.Kind == "change" {
					return dnstest.Forbid
				}
				return dnstest.Done
			}
		})
		e := <-said
		if e.Kind != event.Ailing || e.Err == nil || !strings.Contains(e.Provider, "dns.host.main") || time.Since(began) > 25*time.Hour {
			t.Errorf("after the token died, %s later: %+v", time.Since(began), e)
		}
		h.Host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
		if e := <-said; e.Kind != event.Checked {
			t.Errorf("after it was mended: %+v", e)
		}
		if left := h.Net.TXT("_acme-challenge.certform-doctor.example.com"); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}
