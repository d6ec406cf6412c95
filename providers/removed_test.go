package providers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/libdns/libdns"
)

// A removal is seen to be done by who can tell first, and costs the account a
// call only where DNS would take longer.
func TestRemovedIsSeen(t *testing.T) {
	for _, c := range []struct {
		about  string
		n      int
		host   dnstest.HostConfig
		quirks providers.Quirks
		reads  int
		within time.Duration // from the last removal
	}{
		{"by the host, where DNS is slow", 20, dnstest.HostConfig{Propagation: time.Minute}, providers.Quirks{Batch: 500, PerSecond: 4.5, Burst: 1}, 1, time.Second},
		{"by DNS, where each change is a call", 20, dnstest.HostConfig{Propagation: 2 * time.Second}, providers.Quirks{PerSecond: 4.5, Burst: 1}, 0, 4 * time.Second},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, setup{host: c.host, dns: func(d *providers.DNS) { d.Quirks = c.quirks }}, func(s *scene) {
				var values []providers.Value
				for i := range c.n {
					values = append(values, value(fmt.Sprintf("_acme-challenge.h%d.example.com", i), "v"))
				}
				if err := s.zones.Present(s.t.Context(), nil, values); err != nil {
					t.Fatal(err)
				}
				before := s.host.Stats().Calls
				began := time.Now()
				if left := s.zones.Clean(s.t.Context(), values); len(left) > 0 {
					t.Fatal(left)
				}
				now := s.host.Stats().Calls
				if reads := now["records"] - before["records"]; reads != c.reads {
					t.Errorf("the host was read %d times, want %d", reads, c.reads)
				}
				calling := time.Duration(now["change"]-before["change"]) * time.Second * 2 / 9
				if took := time.Since(began) - calling; took > c.within {
					t.Errorf("took %s longer than the calls", took)
				}
				for _, v := range values {
					if got := s.net.TXT(v.Name); len(got) > 0 && c.reads == 0 {
						t.Errorf("%s shows %q", v.Name, got)
					}
				}
			})
		})
	}
}

// That DNS does not show a value says nothing where it never did: after a crash
// it may be on its way there.
func TestUnseenIsNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		h := n.NewHost(dnstest.HostConfig{Propagation: time.Hour}, n.AddZone("example.com"))
		o := &odd{h: h, habit: "deletes nothing"}
		z := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{{
			Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", o),
		}}})
		defer z.Close()
		v := value("_acme-challenge.example.com", "of the run before")
		if err := h.Change(t.Context(), "example.com.", []libdns.RR{{Name: "_acme-challenge", Type: "TXT", Data: v.Text, TTL: time.Minute}}, nil); err != nil {
			t.Fatal(err)
		}
		left := z.Clean(t.Context(), []providers.Value{v})
		if len(left) != 1 || !strings.Contains(left[0].Err.Error(), "the value is still there") {
			t.Errorf("left %v", left)
		}
	})
}

// Of one account's turns those come first that a certificate waits for, in
// whatever zone, and removals go on behind them.
func TestAdditionsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		h := n.NewHost(dnstest.HostConfig{}, n.AddZone("a.test"), n.AddZone("b.test"))
		d := providertest.Memory("dns.m.a", "a", h, "a.test", "b.test")
		d.Quirks = providers.Quirks{PerSecond: 1, Burst: 1}
		z := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{d}})
		defer z.Close()
		var old []providers.Value
		for i := range 30 {
			v := value(fmt.Sprintf("_acme-challenge.h%d.a.test", i), "v")
			v.Zone = "a.test."
			old = append(old, v)
		}
		if err := z.Present(t.Context(), nil, old); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		began := time.Now()
		wg.Go(func() {
			if left := z.Clean(t.Context(), old); len(left) > 0 {
				t.Error(left)
			}
			if took := time.Since(began); took > 45*time.Second {
				t.Errorf("30 removals and 5 additions at one call a second took %s", took)
			}
		})
		time.Sleep(5500 * time.Millisecond)
		for i := range 5 {
			v := value(fmt.Sprintf("_acme-challenge.h%d.b.test", i), "v")
			v.Zone = "b.test."
			wg.Go(func() {
				if err := z.Present(t.Context(), nil, []providers.Value{v}); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 13*time.Second {
					t.Errorf("%s was there after %s", v.Name, took)
				}
			})
		}
	})
}

// A host that takes less than is known of it is not asked again and again what
// it refuses.
func TestPaceIsLearnt(t *testing.T) {
	for _, known := range []float64{4.5, 0} {
		t.Run(fmt.Sprint(known), func(t *testing.T) {
			quirks := providers.Quirks{PerSecond: known, Burst: 1}
			host := dnstest.HostConfig{Rate: 2, Latency: 100 * time.Millisecond}
			play(t, setup{host: host, dns: func(d *providers.DNS) { d.Quirks = quirks }}, func(s *scene) {
				var values []providers.Value
				for i := range 60 {
					values = append(values, value(fmt.Sprintf("_acme-challenge.h%d.example.com", i), "v"))
				}
				if err := s.zones.Present(s.t.Context(), nil, values); err != nil {
					s.t.Fatal(err)
				}
				if left := s.zones.Clean(s.t.Context(), values); len(left) > 0 {
					s.t.Fatal(left)
				}
				if st := s.host.Stats(); st.Paced > 12 {
					s.t.Errorf("%d calls were refused, of %d", st.Paced, st.Total)
				}
			})
		})
	}
}
