package providers_test

import (
	"context"
	"fmt"
	"slices"
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

// Who gives up the second removal of a value that stays leaves nobody behind.
func TestGivenUpRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		h := n.NewHost(dnstest.HostConfig{Latency: time.Second}, n.AddZone("example.com"))
		z := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{{
			Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", &odd{h: h, habit: "deletes nothing"}),
			Quirks: providers.Quirks{Batch: 10},
		}}})
		name := "_acme-challenge.example.com"
		if err := z.Present(t.Context(), nil, []providers.Value{value(name, "v")}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { z.Clean(ctx, []providers.Value{value(name, "v")}) })
		time.Sleep(500 * time.Millisecond) // the removal is under way
		other := z.Expect([]providers.Found{{Target: name + ".", Zone: "example.com.", Providers: []string{"dns.odd.a"}}})
		time.Sleep(2 * time.Second) // it was read again, and its second removal waits for the other
		cancel()
		wg.Wait()
		other.Done()
		began := time.Now()
		if z.Close(); time.Since(began) > 5*time.Second {
			t.Errorf("closing took %s", time.Since(began))
		}
	})
}

// A removal that waits behind the account's additions does not hold up an
// addition to its own zone.
func TestRemovalHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		h := n.NewHost(dnstest.HostConfig{}, n.AddZone("a.test"), n.AddZone("b.test"))
		d := providertest.Memory("dns.m.a", "a", h, "a.test", "b.test")
		d.Quirks = providers.Quirks{PerSecond: 1, Burst: 1}
		z := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{d}})
		defer z.Close()
		in := func(zone, host string) providers.Value {
			v := value("_acme-challenge."+host+"."+zone, "v")
			v.Zone = zone + "."
			return v
		}
		old := []providers.Value{in("a.test", "old")}
		if err := z.Present(t.Context(), nil, old); err != nil {
			t.Fatal(err)
		}
		var many []providers.Value
		for i := range 40 {
			many = append(many, in("b.test", fmt.Sprint("h", i)))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := z.Present(t.Context(), nil, many); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2500 * time.Millisecond)
		wg.Go(func() { z.Clean(t.Context(), old) })
		time.Sleep(2 * time.Second)
		began := time.Now()
		if err := z.Present(t.Context(), nil, []providers.Value{in("a.test", "new")}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("an addition took %s behind a removal", took)
		}
		wg.Wait()
	})
}

// A server that does not answer, or answers with a fault, shows nothing; that
// is no sign that a value is gone.
func TestSilenceIsNotGone(t *testing.T) {
	play(t, setup{host: dnstest.HostConfig{Latency: 3 * time.Second}}, func(s *scene) {
		o := &odd{h: s.host, habit: "deletes nothing"}
		z := s.open(providertest.World(s.net, resolver), setup{}, providers.DNS{
			Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", o), Quirks: providers.Quirks{Batch: 10},
		})
		defer z.Close()
		v := []providers.Value{value("_acme-challenge.x.example.com", "v")}
		if err := z.Present(s.t.Context(), nil, v); err != nil {
			s.t.Fatal(err)
		}
		for _, server := range s.net.Zone("example.com.").Servers() {
			server.SetFault(dnstest.ServFail)
		}
		left := z.Clean(s.t.Context(), v)
		if len(left) != 1 || !strings.Contains(left[0].Err.Error(), "the value is still there") {
			s.t.Errorf("left %v", left)
		}
	})
}

// A value that is wanted again while its removal is being looked at is there in
// the end, whoever was first.
func TestWantedAgain(t *testing.T) {
	host := dnstest.HostConfig{Latency: time.Second, Propagation: 10 * time.Second}
	paced := func(d *providers.DNS) { d.Quirks.PerSecond, d.Quirks.Burst = 0.5, 1 }
	play(t, setup{host: host, dns: paced}, func(s *scene) {
		v := []providers.Value{value("_acme-challenge.x.example.com", "v")}
		if err := s.zones.Present(s.t.Context(), nil, v); err != nil {
			s.t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if left := s.zones.Clean(s.t.Context(), v); len(left) > 0 {
				s.t.Error(left)
			}
		})
		time.Sleep(1500 * time.Millisecond) // the host took it; a look waits for its turn
		began := time.Now()
		if err := s.zones.Present(s.t.Context(), nil, v); err != nil {
			s.t.Error(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			s.t.Errorf("it was there after %s", took)
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if got := s.net.TXT("_acme-challenge.x.example.com"); !slices.Equal(got, []string{"v"}) {
			s.t.Errorf("in DNS is %q", got)
		}
	})
}

// While something is on its way at the account, nobody spends its calls on a
// look that DNS does for nothing.
func TestNoLookAtABusyAccount(t *testing.T) {
	host := dnstest.HostConfig{Latency: 100 * time.Millisecond, Propagation: 3 * time.Second}
	paced := func(d *providers.DNS) { d.Quirks.PerSecond = 50 }
	play(t, setup{host: host, dns: paced}, func(s *scene) {
		v := []providers.Value{value("_acme-challenge.x.example.com", "v")}
		if err := s.zones.Present(s.t.Context(), nil, v); err != nil {
			s.t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if left := s.zones.Clean(s.t.Context(), v); len(left) > 0 {
				s.t.Error(left)
			}
		})
		time.Sleep(50 * time.Millisecond) // its removal is under way
		ticket := s.zones.Expect([]providers.Found{s.find("y.example.com")})
		defer ticket.Done()
		time.Sleep(4 * time.Second)
		wg.Wait()
		if n := s.host.Stats().Calls["records"]; n > 0 {
			s.t.Errorf("the host was read %d times", n)
		}
	})
}
