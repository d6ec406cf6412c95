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
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/certform/certform/providers/webhook"
)

// scene is a zone at two servers, its host, and a run's Zones over it.
type scene struct {
	t        *testing.T
	net      *dnstest.Net
	slow     *dnstest.Server
	resolver *dnstest.Server
	host     *dnstest.Host
	zones    *providers.Zones

	mu     sync.Mutex
	events []event.Event
}

type setup struct {
	host  dnstest.HostConfig
	dns   func(*providers.DNS)
	zones []providers.Zone
	known map[string]providers.Learnt
}

// play runs f in a bubble.
func play(t *testing.T, c setup, f func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, net: dnstest.New()}
		defer s.net.Close()
		s.resolver = s.net.AddResolver("192.0.2.53")
		s.slow = s.net.AddServer("ns2.dns.test", "192.0.2.2", "2001:db8::2")
		z := s.net.AddZone("example.com", s.net.AddServer("ns1.dns.test", "192.0.2.1"), s.slow)
		z.Add(`_acme-challenge TXT foreign`)
		s.host = s.net.NewHost(c.host, z)
		d := providertest.Memory("dns.m.a", "a", s.host, "example.com")
		if c.dns != nil {
			c.dns(&d)
		}
		s.zones = s.open(providertest.World(s.net, resolver), c, d)
		defer s.zones.Close()
		f(s)
		s.zones.Close()
		if got := s.net.TXT("_acme-challenge.example.com"); !slices.Contains(got, "foreign") {
			t.Errorf("the foreign value is gone: %q", got)
		}
	})
}

func (s *scene) open(w *world.World, c setup, d ...providers.DNS) *providers.Zones {
	return providers.NewZones(w, providers.Options{
		DNS: d, Zones: c.zones,
		Known: func(z string) (providers.Learnt, bool) { l, ok := c.known[z]; return l, ok },
		Say: func(e event.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	})
}

func (s *scene) said(k event.Kind) (notes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind == k {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

func (s *scene) find(name string) providers.Found {
	s.t.Helper()
	f, err := s.zones.Find(s.t.Context(), dnsName(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func value(name, text string) providers.Value {
	return providers.Value{Zone: "example.com.", Name: name + ".", Text: text}
}

// order is one certificate's way: announced, ordered after a while, presented,
// validated after a while, cleaned.
func (s *scene) order(i int, before, after time.Duration) error {
	return s.expected(i, before, after)()
}

func (s *scene) expected(i int, before, after time.Duration) func() error {
	name := fmt.Sprintf("h%d.example.com", i)
	t := s.zones.Expect([]providers.Found{s.find(name)})
	return func() error { return s.ordered(name, t, before, after) }
}

func (s *scene) ordered(name string, t *providers.Ticket, before, after time.Duration) error {
	defer t.Done()
	time.Sleep(before)
	values := []providers.Value{value("_acme-challenge."+name, "one"), value("_acme-challenge."+name, "two")}
	if err := s.zones.Present(s.t.Context(), t, values); err != nil {
		return err
	}
	if got := s.net.TXT("_acme-challenge." + name); len(got) != 2 {
		return fmt.Errorf("presented, but the host has %q", got)
	}
	time.Sleep(after)
	t.Done()
	if left := s.zones.Clean(s.t.Context(), values); len(left) > 0 {
		return left[0].Err
	}
	if got := s.net.TXT("_acme-challenge." + name); len(got) != 0 {
		return fmt.Errorf("cleaned, but the host has %q", got)
	}
	return nil
}

func (s *scene) orders(n int, before, after func(i int) time.Duration) {
	s.t.Helper()
	var runs []func() error
	for i := range n {
		runs = append(runs, s.expected(i, before(i), after(i)))
	}
	var wg sync.WaitGroup
	for _, run := range runs {
		wg.Go(func() {
			if err := run(); err != nil {
				s.t.Error(err)
			}
		})
	}
	wg.Wait()
}

func each(d time.Duration) func(int) time.Duration {
	return func(i int) time.Duration { return time.Duration(i) * d }
}

// What is on its way together travels in one call, and so do the removals.
func TestBatch(t *testing.T) {
	for _, c := range []struct {
		about      string
		n          int
		host       dnstest.HostConfig
		quirks     providers.Quirks
		calls      int
		within     time.Duration
		before     time.Duration
		afterwards time.Duration
	}{
		{about: "a hundred", n: 100, quirks: providers.Quirks{Batch: 500}, calls: 2, before: 20 * time.Millisecond, afterwards: 10 * time.Millisecond, within: 4 * time.Second},
		{about: "more than the host takes", n: 100, quirks: providers.Quirks{Batch: 150}, host: dnstest.HostConfig{MaxChanges: 150}, calls: 5, before: 20 * time.Millisecond, within: 9 * time.Second},
		{about: "one at a time", n: 5, quirks: providers.Quirks{}, calls: 20, within: 10 * time.Second},
		{about: "at a pace", n: 5, quirks: providers.Quirks{PerSecond: 2}, host: dnstest.HostConfig{Rate: 2, Burst: 2}, calls: 20, within: 30 * time.Second},
		{about: "at the pace of a webhook", n: 100, quirks: webhook.Kind().Quirks, host: dnstest.HostConfig{Rate: 5}, calls: 2, before: 20 * time.Millisecond, within: 4 * time.Second},
		{about: "at a host that paces harder", n: 100, quirks: providers.Quirks{Batch: 40}, host: dnstest.HostConfig{Rate: 1}, calls: 40, within: time.Minute},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, setup{host: c.host, dns: func(d *providers.DNS) { d.Quirks = c.quirks }}, func(s *scene) {
				began := time.Now()
				s.orders(c.n, each(c.before), each(c.afterwards))
				st := s.host.Stats()
				if st.Calls["change"]-st.Paced > c.calls {
					t.Errorf("%d calls for changes, want at most %d (%+v)", st.Calls["change"], c.calls, st)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("took %s, want at most %s", took, c.within)
				}
				if st.Paced > 0 && c.quirks.PerSecond > 0 {
					t.Errorf("%d calls were refused for their pace", st.Paced)
				}
			})
		})
	}
}

// One that hangs, or waits for a Retry-After, does not hold up its neighbours.
func TestStuck(t *testing.T) {
	for _, c := range []struct {
		about  string
		pause  bool
		within time.Duration
	}{
		{"it hangs", false, 12 * time.Second},
		{"it says that it waits", true, time.Second},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, setup{}, func(s *scene) {
				stuck := s.zones.Expect([]providers.Found{s.find("stuck.example.com")})
				defer stuck.Done()
				if c.pause {
					stuck.Pause()
					stuck.Pause()
				}
				began := time.Now()
				s.orders(10, each(time.Millisecond), each(time.Millisecond))
				if took := time.Since(began); took > c.within {
					t.Errorf("took %s", took)
				}
				if got := s.host.Stats().Calls["change"]; got > 2 {
					t.Errorf("%d calls", got)
				}
			})
		})
	}
}

// The removal waits for who is validating, not for ever.
func TestCleanWaits(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		slow := s.zones.Expect([]providers.Found{s.find("slow.example.com")})
		defer slow.Done()
		v := []providers.Value{value("_acme-challenge.slow.example.com", "v")}
		if err := s.zones.Present(s.t.Context(), slow, v); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.order(1, 0, 0); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Second || took > 10*time.Second {
			t.Errorf("the removal took %s: it should wait for a neighbour, but not long", took)
		}
		slow.Pause() // now it says that it waits for its CA
		began = time.Now()
		if err := s.order(2, 0, 0); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the removal took %s though nobody is to be waited for", took)
		}
	})
}

// Two certificates share one value: it goes when nobody wants it.
func TestSharedValue(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		ctx := s.t.Context()
		v := []providers.Value{value("_acme-challenge.example.com", "shared")}
		f := []providers.Found{s.find("example.com")}
		a, b := s.zones.Expect(f), s.zones.Expect(f)
		a.Pause()
		b.Pause()
		for _, ticket := range []*providers.Ticket{a, b, a} { // a repeats
			if err := s.zones.Present(ctx, ticket, v); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.host.Stats().Calls["change"]; got != 1 {
			t.Errorf("%d calls to write one value", got)
		}
		if left := s.zones.Clean(ctx, v); len(left) > 0 {
			t.Fatal(left)
		}
		if got := s.net.TXT("_acme-challenge.example.com"); !slices.Contains(got, "shared") {
			t.Error("removed while somebody presents it")
		}
		a.Done()
		if left := s.zones.Clean(ctx, v); len(left) > 0 {
			t.Fatal(left)
		}
		b.Done()
		if got := s.net.TXT("_acme-challenge.example.com"); slices.Contains(got, "shared") {
			t.Error("still there though nobody presents it")
		}
	})
}

// A value that is presented twice, with a new ticket each time, is removed by
// one Clean: a repeated step leaves nothing behind.
func TestRepeatedPresent(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		v := []providers.Value{value("_acme-challenge.example.com", "v")}
		for range 3 {
			ticket := s.zones.Expect([]providers.Found{s.find("example.com")})
			if err := s.zones.Present(s.t.Context(), ticket, v); err != nil {
				t.Fatal(err)
			}
			ticket.Done()
		}
		if err := s.zones.Present(s.t.Context(), nil, v); err != nil {
			t.Fatal(err)
		}
		if left := s.zones.Clean(s.t.Context(), v); len(left) > 0 {
			t.Fatal(left)
		}
		if got := s.net.TXT("_acme-challenge.example.com"); slices.Contains(got, "v") {
			t.Error("left behind")
		}
	})
}

// A fault at the host costs what it must and no more.
func TestHostFaults(t *testing.T) {
	for _, c := range []struct {
		about string
		setup setup
		do    func(s *scene)
		err   map[int]string // by certificate
		takes time.Duration  // at most
	}{
		{about: "5xx, twice", do: func(s *scene) { s.host.FailNext(dnstest.Refuse, dnstest.Fail) }, takes: 5 * time.Second},
		{about: "lost replies", do: func(s *scene) { s.host.FailNext(dnstest.LoseReply, dnstest.LoseReply) }, takes: 5 * time.Second},
		{about: "it hangs once", do: func(s *scene) { s.host.FailNext(dnstest.NoAnswer) }, takes: 65 * time.Second},
		{about: "forbidden", setup: setup{host: dnstest.HostConfig{Fault: func(c dnstest.Call) dnstest.Outcome { return dnstest.Forbid }}},
			err: map[int]string{0: "403", 1: "403", 2: "403", 3: "403", 4: "403", 5: "403", 6: "403", 7: "403", 8: "403", 9: "403"}, takes: time.Second},
		{about: "one name is refused", do: func(s *scene) {
			s.net.Zone("example.com").Add("_acme-challenge.h3 CNAME elsewhere.example.com.", "elsewhere CNAME gone.foreign.test.")
		}, err: map[int]string{3: "a CNAME cannot have other records beside it"}, takes: time.Second},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, c.setup, func(s *scene) {
				if c.do != nil {
					c.do(s)
				}
				began := time.Now()
				var wg sync.WaitGroup
				for i := range 10 {
					wg.Go(func() {
						name := fmt.Sprintf("_acme-challenge.h%d.example.com", i)
						ticket := s.zones.Expect([]providers.Found{{Zone: "example.com.", Providers: []string{"dns.m.a"}}})
						defer ticket.Done()
						v := []providers.Value{value(name, "one"), value(name, "two")}
						err := s.zones.Present(s.t.Context(), ticket, v)
						if want := c.err[i]; want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
							t.Errorf("certificate %d: error %v, want %q", i, err, want)
						}
						ticket.Done()
						if err != nil {
							return
						}
						if left := s.zones.Clean(s.t.Context(), v); len(left) > 0 {
							t.Errorf("certificate %d: left %v", i, left)
						}
					})
				}
				wg.Wait()
				if took := time.Since(began); took > c.takes {
					t.Errorf("took %s, want at most %s", took, c.takes)
				}
			})
		})
	}
}

// Two providers serve one zone: both get the values, all servers are waited
// for, both are cleaned.
func TestTwoProviders(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		second := s.net.AddZone("example.com", s.net.AddServer("ns3.other.test", "192.0.2.3"))
		other := s.net.NewHost(dnstest.HostConfig{Propagation: 10 * time.Second}, second)
		c := setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a", "dns.m.b"}}}}
		z := s.open(providertest.World(s.net, resolver), c,
			providertest.Memory("dns.m.a", "a", s.host), providertest.Memory("dns.m.b", "b", other))
		defer z.Close()
		v := []providers.Value{value("_acme-challenge.x.example.com", "v")}
		began := time.Now()
		if err := z.Present(s.t.Context(), nil, v); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("took %s", took)
		}
		if got := s.net.TXT("_acme-challenge.x.example.com"); len(got) != 2 {
			t.Errorf("at the hosts: %q", got)
		}
		if left := z.Clean(s.t.Context(), v); len(left) > 0 {
			t.Error(left)
		}
		if got := s.net.TXT("_acme-challenge.x.example.com"); len(got) != 0 {
			t.Errorf("at the hosts: %q", got)
		}
	})
}

// Values whose provider is gone are left, named, and nothing else is.
func TestCleanLeft(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		gone := providers.Value{Zone: "example.org.", Name: "_acme-challenge.example.org.", Text: "x", Provider: "dns.m.gone"}
		left := s.zones.Clean(s.t.Context(), []providers.Value{value("_acme-challenge.h.example.com", "never there"), gone})
		if len(left) != 1 || left[0].Value != gone || !strings.Contains(left[0].Err.Error(), "example.org") {
			t.Errorf("left %v", left)
		}
	})
}

// Who gives up while it waits does not stay in a batch.
func TestCancel(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		hold := s.zones.Expect([]providers.Found{s.find("hold.example.com")})
		defer hold.Done()
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		err := s.zones.Present(ctx, nil, []providers.Value{value("_acme-challenge.h.example.com", "x")})
		if err == nil || !strings.Contains(err.Error(), "add TXT _acme-challenge.h.example.com") {
			t.Errorf("error %v", err)
		}
		hold.Done()
		synctest.Wait()
		if got := s.host.Stats().Total; got != 0 {
			t.Errorf("%d calls for somebody who left", got)
		}
	})
}

// A zone that moved to another host since the last run is found again: not in
// the same attempt, but in the next one.
func TestMoved(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		c := setup{known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.old"}}}
		old := s.net.NewHost(dnstest.HostConfig{}, s.net.AddZone("other.test"))
		z := s.open(providertest.World(s.net, resolver), c, providertest.Memory("dns.m.old", "old", old), providertest.Memory("dns.m.new", "new", s.host))
		defer z.Close()
		name := dnsName("h.example.com")
		for i, want := range []string{"dns.m.old", "dns.m.new"} {
			f, err := z.Find(s.t.Context(), name)
			if err != nil || f.Providers[0] != want {
				t.Fatalf("attempt %d: %+v, %v", i, f, err)
			}
			err = z.Present(s.t.Context(), nil, []providers.Value{value("_acme-challenge.h.example.com", "v")})
			if (err == nil) != (i == 1) {
				t.Errorf("attempt %d: %v", i, err)
			}
		}
		if got := z.Learnt()["example.com"].Provider; got != "dns.m.new" {
			t.Errorf("learnt %q", got)
		}
	})
}
