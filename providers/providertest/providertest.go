// Package providertest is what every DNS provider must do, as tests that run
// for each of them: with an API in memory, with fakes that refuse what the
// host refuses, and with real servers.
//
// A provider is tested where its users meet it, behind the broker, by
// Zones.Present and Zones.Clean; what the host then holds is read in another
// way than through the provider.
package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// Fixture is one provider with a host to test it at.
type Fixture struct {
	World *world.World
	DNS   providers.DNS // the dns block, Zones declared
	Zone  string        // without trailing dot
	// Nameservers are asked whether values show (host:port); nil: TXT is served
	// over loopback.
	Nameservers []string
	// TXT is the values that the host holds at a name, sorted, read by another
	// way than the provider's.
	TXT func(name string) []string
	// Foreign puts a TXT value there that is not ours, by another way.
	Foreign func(name, value string)
	// Fault arranges that one of the next calls fails in that way; nil: it
	// cannot be arranged.
	Fault func(f Fault)
	// Values larger than that are refused by the host; 0: 255 and more are fine.
	Largest int
}

// Fault is how a call to the host fails.
type Fault int

// The faults that every provider must survive.
const (
	TooMany    Fault = iota // it is refused for its pace, with a Retry-After of a second
	Broken                  // it fails and nothing was done
	BrokenLate              // it fails although it was done
	LostReply               // it was done and the connection broke before the answer
)

func (f Fault) String() string {
	return [...]string{"429 with Retry-After", "5xx, nothing done", "5xx, done", "lost reply"}[f]
}

type suite struct {
	Fixture
	zones *providers.Zones
}

// Run tests one provider.
func Run(t *testing.T, f Fixture) {
	if f.Nameservers == nil {
		f.Nameservers = []string{Serve(t, f.TXT)}
	}
	s := &suite{Fixture: f}
	s.zones = providers.NewZones(f.World, providers.Options{
		DNS: []providers.DNS{f.DNS},
		Zones: []providers.Zone{{
			Address: "zone.test", Name: f.Zone, DNS: []string{f.DNS.Address}, Nameservers: f.Nameservers, MaxWait: 30 * time.Second,
		}},
		Say: func(e event.Event) {
			if e.Kind == event.Retrying {
				t.Logf("retrying: %v", e.Err)
			}
		},
	})
	t.Cleanup(s.zones.Close)
	t.Run("rows", func(t *testing.T) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.run(t, s, r.name+"."+f.Zone)
			})
		}
	})
	if f.Fault != nil {
		for fault := TooMany; fault <= LostReply; fault++ {
			t.Run(fault.String(), func(t *testing.T) { s.faulty(t, fault, fmt.Sprintf("fault%d.%s", fault, f.Zone)) })
		}
	}
}

// rows are what must hold, each at a name of its own.
var rows = []struct {
	name string
	run  func(t *testing.T, s *suite, name string)
}{
	{"two-values", func(t *testing.T, s *suite, name string) {
		s.add(t, name, "one", "two")
		s.holds(t, name, "two values at one name are both there", "one", "two")
		s.remove(t, name, "one", "two")
		s.holds(t, name, "both are gone")
	}},
	{"siblings", func(t *testing.T, s *suite, name string) {
		s.Foreign(name, "foreign")
		s.add(t, name, "one")
		s.add(t, name, "two")
		s.holds(t, name, "an addition keeps what is there", "foreign", "one", "two")
		s.remove(t, name, "one")
		s.holds(t, name, "a removal takes exactly its value", "foreign", "two")
		s.remove(t, name, "two")
		s.holds(t, name, "the foreign value stays", "foreign")
	}},
	{"nothing", func(t *testing.T, s *suite, name string) {
		s.remove(t, name, "never-there")
		s.Foreign(name, "foreign")
		s.remove(t, name, "never-there")
		s.holds(t, name, "removing what is not there is no error and changes nothing", "foreign")
	}},
	{"twice", func(t *testing.T, s *suite, name string) {
		s.Foreign(name, "same")
		s.add(t, name, "same")
		s.holds(t, name, "adding what is there leaves one", "same")
		s.add(t, name, "same", "other")
		s.holds(t, name, "and does not hinder its neighbour", "other", "same")
		s.remove(t, name, "same", "other")
		s.holds(t, name, "all are gone")
	}},
	{"wildcard", func(t *testing.T, s *suite, _ string) {
		name := s.Zone // *.zone and zone share _acme-challenge.zone
		var wg sync.WaitGroup
		for _, v := range []string{"for-the-apex", "for-the-wildcard"} {
			wg.Go(func() { s.add(t, name, v) })
		}
		wg.Wait()
		s.holds(t, name, "wildcard and apex share a name", "for-the-apex", "for-the-wildcard")
		s.remove(t, name, "for-the-apex", "for-the-wildcard")
		s.holds(t, name, "both are gone")
	}},
	{"below", func(t *testing.T, s *suite, name string) {
		deep := "a.b." + name
		s.add(t, deep, "deep")
		s.holds(t, deep, "a name three labels below the zone", "deep")
		s.remove(t, deep, "deep")
		s.holds(t, deep, "it is gone")
	}},
	{"exact", func(t *testing.T, s *suite, name string) {
		values := []string{"abc", "abc-", "ABC", `with "quotes" and \ and ; and blanks`}
		s.add(t, name, values...)
		s.holds(t, name, "values that differ little are different", values...)
		s.remove(t, name, "abc", `with "quotes" and \ and ; and blanks`)
		s.holds(t, name, "a removal takes no lookalike", "ABC", "abc-")
		s.remove(t, name, "ABC", "abc-")
	}},
	{"long", func(t *testing.T, s *suite, name string) {
		for _, n := range []int{255, 256, 600} {
			if s.Largest > 0 && n > s.Largest {
				continue
			}
			v := strings.Repeat("0123456789", 60)[:n]
			s.add(t, name, v)
			s.holds(t, name, fmt.Sprintf("a value of %d octets", n), v)
			s.remove(t, name, v)
			s.holds(t, name, "it is gone")
		}
	}},
	{"many", func(t *testing.T, s *suite, name string) {
		s.Foreign("h7."+name, "foreign")
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { s.add(t, fmt.Sprintf("h%d.%s", i%25, name), fmt.Sprint("value-", i)) })
		}
		wg.Wait()
		for i := range 25 {
			want := []string{fmt.Sprint("value-", i), fmt.Sprint("value-", i+25)}
			if i == 7 {
				want = append(want, "foreign")
			}
			s.holds(t, fmt.Sprintf("h%d.%s", i, name), "fifty at once, none is lost", want...)
		}
		for i := range 50 {
			wg.Go(func() { s.remove(t, fmt.Sprintf("h%d.%s", i%25, name), fmt.Sprint("value-", i)) })
		}
		wg.Wait()
		for i := range 25 {
			var want []string
			if i == 7 {
				want = append(want, "foreign")
			}
			s.holds(t, fmt.Sprintf("h%d.%s", i, name), "all are gone but the foreign one", want...)
		}
	}},
}

// faulty adds and removes while calls fail.
func (s *suite) faulty(t *testing.T, f Fault, name string) {
	s.Foreign(name, "foreign")
	s.Fault(f)
	s.add(t, name, "one", "two")
	s.holds(t, name, "a call that failed was repeated", "foreign", "one", "two")
	if f != TooMany {
		s.Fault(f)
	}
	s.remove(t, name, "one", "two")
	s.holds(t, name, "a removal that failed was repeated", "foreign")
}

func (s *suite) values(name string, texts []string) (out []providers.Value) {
	for _, text := range texts {
		out = append(out, providers.Value{Zone: s.Zone + ".", Name: "_acme-challenge." + name + ".", Text: text, Provider: s.DNS.Address})
	}
	return out
}

func (s *suite) add(t *testing.T, name string, texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.zones.Present(ctx, nil, s.values(name, texts)); err != nil {
		t.Errorf("add %q at %s: %v", texts, name, err)
	}
}

func (s *suite) remove(t *testing.T, name string, texts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, l := range s.zones.Clean(ctx, s.values(name, texts)) {
		t.Errorf("remove %q at %s: %v", l.Value.Text, name, l.Err)
	}
}

func (s *suite) holds(t *testing.T, name, what string, want ...string) {
	t.Helper()
	got := s.TXT("_acme-challenge." + name)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("%s: at %s the host has %q, want %q", what, name, got, want)
	}
}
