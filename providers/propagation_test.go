package providers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/providers"
	"github.com/miekg/dns"
)

// Propagation: every server, every address, until all show the value.
func TestPropagation(t *testing.T) {
	for _, c := range []struct {
		about    string
		setup    setup
		do       func(s *scene)
		takes    time.Duration // at least, and at most a second more
		err      []string
		noted    string
		warned   string
		learnt   time.Duration
		question int // at most so many questions to the slow server
	}{
		{about: "at once"},
		{about: "one lags", do: func(s *scene) { s.slow.SetLag(40 * time.Second) }, takes: 40 * time.Second, noted: "ns2.dns.test (192.0.2.2:53)", learnt: 40 * time.Second, question: 300},
		{about: "one lags as it did before", setup: setup{known: map[string]providers.Learnt{"example.com": {Delay: 40 * time.Second}}},
			do: func(s *scene) { s.slow.SetLag(40 * time.Second) }, takes: 40 * time.Second, question: 250},
		{about: "it was slower before", setup: setup{known: map[string]providers.Learnt{"example.com": {Delay: time.Minute}}},
			do: func(s *scene) { s.slow.SetLag(3 * time.Second) }, takes: 3 * time.Second},
		{about: "the host is slow", setup: setup{host: dnstest.HostConfig{Propagation: 2 * time.Second}}, takes: 2 * time.Second},
		{about: "one is dead", do: func(s *scene) { s.slow.SetFault(dnstest.Dead) }, takes: 2 * time.Minute,
			err: []string{"after 2m0s", "ns2.dns.test (192.0.2.2:53) does not answer", "ns2.dns.test ([2001:db8::2]:53) does not answer", "_acme-challenge.example.com"}},
		{about: "one is dead and the zone block is less patient", setup: setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a"}, MaxWait: 10 * time.Second}}},
			do: func(s *scene) { s.slow.SetFault(dnstest.ServFail) }, takes: 10 * time.Second, err: []string{"after 10s", "answers SERVFAIL"}},
		{about: "one is lame", do: func(s *scene) { s.slow.SetFault(dnstest.Lame) }, takes: 2 * time.Minute, err: []string{"answers without authority"}},
		{about: "one is several machines, of which one lags", do: func(s *scene) { s.slow.SetLags(0, 7*time.Second) }, takes: 7 * time.Second,
			noted: "shows _acme-challenge.example.com one time and not the next, as several machines behind one address do"},
		{about: "of several machines one never gets it", setup: setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a"}, MaxWait: 10 * time.Second}}},
			do: func(s *scene) { s.slow.SetLags(0, time.Hour) }, takes: 10 * time.Second, err: []string{"after 10s", "ns2.dns.test"}},
		{about: "a resolver answers in their place", setup: setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a"}, MaxWait: 10 * time.Second}}},
			do: func(s *scene) { s.net.Intercept(s.resolver) }, takes: 10 * time.Second, err: []string{"ns1.dns.test (192.0.2.1:53) answers as a resolver does, without authority: port 53 is intercepted on the way"}},
		{about: "only over TCP", do: func(s *scene) { s.slow.SetFault(dnstest.Truncate) }},
		{about: "no UDP", do: func(s *scene) {
			s.slow.SetHook(func(q dnstest.Query) dnstest.Fault {
				if q.Network == "udp" {
					return dnstest.Dead
				}
				return dnstest.None
			})
		}},
		{about: "no IPv6 here", do: func(s *scene) { s.net.Unroute("2001:db8::/32") }, warned: "IPv6 cannot be routed from here"},
		{about: "nothing is routed", do: func(s *scene) {
			s.find("example.com")
			s.net.Unroute("2001:db8::/32")
			s.net.Unroute("192.0.2.1/32")
			s.net.Unroute("192.0.2.2/32")
		}, err: []string{"none of its servers has an address that can be routed from here"}, warned: "IPv4 cannot"},
		{about: "the zone block's servers instead", setup: setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a"}, Nameservers: []string{"192.0.2.1"}}}},
			do: func(s *scene) { s.slow.SetFault(dnstest.Dead) }},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, c.setup, func(s *scene) {
				if c.do != nil {
					c.do(s)
				}
				f := s.find("example.com")
				before := s.slow.Stats().Queries
				began := time.Now()
				ticket := s.zones.Expect([]providers.Found{f})
				defer ticket.Done()
				v := []providers.Value{value("_acme-challenge.example.com", "one"), value("_acme-challenge.example.com", "two")}
				err := s.zones.Present(s.t.Context(), ticket, v)
				took := time.Since(began)
				if (err != nil) != (c.err != nil) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				for _, part := range c.err {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q lacks %q", err, part)
					}
				}
				if took < c.takes || took > c.takes+time.Second {
					t.Errorf("took %s, want %s", took, c.takes)
				}
				if notes := strings.Join(s.said(event.Propagating), "\n"); !strings.Contains(notes, c.noted) {
					t.Errorf("notes %q lack %q", notes, c.noted)
				}
				if notes := s.said(event.Warned); c.warned != "" && (len(notes) == 0 || !strings.Contains(strings.Join(notes, "\n"), c.warned)) {
					t.Errorf("warnings %q, want %q once", notes, c.warned)
				}
				if got := s.zones.Learnt()["example.com"]; c.learnt > 0 && (got.Delay < c.learnt || got.Delay > c.learnt+time.Second || len(got.Servers) != 3) {
					t.Errorf("learnt %+v", got)
				}
				if asked := s.slow.Stats().Queries - before; c.question > 0 && asked > c.question {
					t.Errorf("%d questions to the slow server", asked)
				}
				s.slow.SetFault(dnstest.None)
				if left := s.zones.Clean(s.t.Context(), v); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		})
	}
}

// However many wait for values at a name, a look at a server asks it once; and
// a zone that is waited for twice is not asked twice as often.
func TestPollsAreShared(t *testing.T) {
	play(t, setup{host: dnstest.HostConfig{Propagation: 20 * time.Second}, known: map[string]providers.Learnt{"example.com": {Delay: 20 * time.Second}}}, func(s *scene) {
		const name = "_acme-challenge.example.com"
		at := map[time.Time]bool{}
		s.slow.SetHook(func(q dnstest.Query) dnstest.Fault {
			if q.Msg.Question[0].Qtype == dns.TypeTXT {
				s.mu.Lock()
				defer s.mu.Unlock()
				at[time.Now()] = true
			}
			return dnstest.None
		})
		var wg sync.WaitGroup
		began := time.Now()
		for i := range 20 {
			time.Sleep(20 * time.Millisecond)
			f := s.find("example.com")
			wg.Go(func() { // each in a call of its own
				ticket := s.zones.Expect([]providers.Found{f})
				defer ticket.Done()
				if err := s.zones.Present(s.t.Context(), ticket, []providers.Value{value(name, fmt.Sprint("value ", i))}); err != nil {
					s.t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 21500*time.Millisecond {
			t.Errorf("took %s", took)
		}
		asked := s.slow.Asked(name, dns.TypeTXT)
		if asked > 300 { // at two addresses
			t.Errorf("%d questions for %d values at one name, at %d moments", asked, 20, len(at))
		}
		s.slow.SetHook(nil)
	})
}

// A value is believed only when each server has shown it in two looks, and a
// batch of a thousand costs no more than that beside the waiting.
func TestTwoSightings(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		const n = 1000
		s.slow.SetLag(5 * time.Second)
		var values []providers.Value
		var found []providers.Found
		for i := range n {
			name := fmt.Sprintf("h%d.example.com", i)
			values = append(values, value("_acme-challenge."+name, "v"))
			found = append(found, s.find(name))
		}
		ticket := s.zones.Expect(found)
		defer ticket.Done()
		if err := s.zones.Present(s.t.Context(), ticket, values); err != nil {
			t.Fatal(err)
		}
		total := 0
		for i := range n {
			asked := s.slow.Asked(fmt.Sprintf("_acme-challenge.h%d.example.com", i), dns.TypeTXT)
			if asked < 4 { // twice at each of two addresses
				t.Errorf("h%d was asked for %d times", i, asked)
			}
			total += asked
		}
		if total > 4*n+400 {
			t.Errorf("%d questions for %d names", total, n)
		}
	})
}
