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

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// Fixture is one provider with a host to test it at.
type Fixture struct {
	World *world.World
	DNS   providers.DNS // the dns block, Zones declared
	Zone  string        // without trailing dot
	// Level is what the host is. A test in cmd/certform reads it here, in the
	// source, and compares it with what the provider's Kind says is proven.
	Level providers.Level
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
	// Child is a zone below Zone that the same host holds and the same servers
	// serve, and to which Zone delegates; "": there is none.
	Child string
	// Lacking opens a host with a credential that may not change its records,
	// and the error says Right: the right or the key that is to be mended. nil:
	// the host knows no such credential.
	Lacking providers.Spec
	Right   string
	// Without says why there is no Child, no Fault or no Lacking.
	Without string
}

// Fault is how a call to the host fails.
type Fault int

// The faults that every provider must survive.
const (
	TooMany    Fault = iota // it is refused for its pace, with a Retry-After of a second
	Broken                  // it fails and nothing was done
	BrokenLate              // it fails although it was done
	LostReply               // it was done and the connection broke before the answer
	None                    // it does not fail: the next fault meets a later call
)

func (f Fault) String() string {
	return [...]string{"429 with Retry-After", "5xx, nothing done", "5xx, done", "lost reply", "none"}[f]
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
	t.Logf("at a %s", f.Level)
	if whole := f.Child != "" && f.Fault != nil && f.Lacking != nil; whole != (f.Without == "") {
		t.Fatalf("child %q, faults %v, lacking %v: without what, and why? It says %q", f.Child, f.Fault != nil, f.Lacking != nil, f.Without)
	}
	s := &suite{Fixture: f}
	s.zones = s.open(t, f.DNS)
	t.Run("rows", func(t *testing.T) {
		for _, r := range rows {
			if r.name == "child" && f.Child == "" {
				continue
			}
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
	s.zones.Close()
	f.World.CloseIdle() // who comes next has a writer of his own
	if f.Fault != nil {
		for fault := Broken; fault <= LostReply; fault++ {
			t.Run(fault.String()+", in the middle", func(t *testing.T) { s.middle(t, fault, fmt.Sprintf("middle%d.%s", fault, f.Zone)) })
		}
	}
	if f.Lacking != nil {
		t.Run("lacking", func(t *testing.T) { s.lacking(t, "lacking."+f.Zone) })
	}
}

// open is a run with one dns block.
func (s *suite) open(t *testing.T, d providers.DNS) *providers.Zones {
	o := providers.Options{Say: func(e event.Event) {
		if e.Kind == event.Retrying {
			t.Logf("retrying: %v", e.Err)
		}
	}}
	d.Zones = nil
	for i, zone := range []string{s.Zone, s.Child} {
		if zone == "" {
			continue
		}
		d.Zones = append(d.Zones, zone)
		o.Zones = append(o.Zones, providers.Zone{
			Address: fmt.Sprint("zone.test", i), Name: zone, DNS: []string{d.Address}, Nameservers: s.Nameservers, MaxWait: 30 * time.Second,
		})
	}
	o.DNS = []providers.DNS{d}
	return providers.NewZones(s.World, o)
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
	{"child", func(t *testing.T, s *suite, name string) {
		below := "www." + s.Child
		f, err := s.zones.Find(t.Context(), cert.Name{Kind: cert.DNS, Value: below})
		if err != nil || f.Zone != s.Child+"." {
			t.Errorf("%s is in zone %q, want %s.: %v", below, f.Zone, s.Child, err)
		}
		var wg sync.WaitGroup
		for _, at := range []string{name, below, s.Child} {
			wg.Go(func() { s.add(t, at, "at "+at) })
		}
		wg.Wait()
		for _, at := range []string{name, below, s.Child} {
			s.holds(t, at, "each value is in the zone that its name is in", "at "+at)
		}
		s.remove(t, below, "at "+below)
		s.holds(t, below, "it is gone")
		s.holds(t, name, "what is in the parent stays", "at "+name)
		s.remove(t, name, "at "+name)
		s.remove(t, s.Child, "at "+s.Child)
		s.holds(t, s.Child, "at the top of the child too")
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

// middle adds and removes thirty values in several calls, of which one in the
// middle fails: what came before it must not be there twice, and what came
// after it must be there.
func (s *suite) middle(t *testing.T, f Fault, name string) {
	d := s.DNS
	d.Quirks.Batch = min(d.Quirks.Batch, 6)
	zones := s.open(t, d)
	defer zones.Close()
	s.Foreign("h7."+name, "foreign")
	var values []providers.Value
	for i := range 30 {
		values = append(values, s.values(fmt.Sprintf("h%d.%s", i%15, name), []string{fmt.Sprint("value-", i)})...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.Fault(None)
	s.Fault(f)
	if err := zones.Present(ctx, nil, values); err != nil {
		t.Errorf("add: %v", err)
	}
	for i := range 15 {
		want := []string{fmt.Sprint("value-", i), fmt.Sprint("value-", i+15)}
		if i == 7 {
			want = append(want, "foreign")
		}
		s.holds(t, fmt.Sprintf("h%d.%s", i, name), "a call in the middle failed and all are there", want...)
	}
	s.Fault(None)
	s.Fault(f)
	for _, l := range zones.Clean(ctx, values) {
		t.Errorf("remove %q: %v", l.Value.Text, l.Err)
	}
	for i := range 15 {
		var want []string
		if i == 7 {
			want = append(want, "foreign")
		}
		s.holds(t, fmt.Sprintf("h%d.%s", i, name), "a call in the middle failed and all are gone", want...)
	}
}

// lacking changes the zone with a credential that may not.
func (s *suite) lacking(t *testing.T, name string) {
	d := s.DNS
	d.Spec = s.Lacking
	zones := s.open(t, d)
	defer zones.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: a credential without the right is no error", what)
			return
		}
		if said := strings.Join(append(world.Advice(err), err.Error()), "\n"); !strings.Contains(said, s.Right) {
			t.Errorf("%s: it does not say that %q is lacking: %s", what, s.Right, said)
		}
		if _, again := world.RetryAt(err); again {
			t.Errorf("%s: it would be tried again: %v", what, err)
		}
	}
	s.Foreign(name, "there")
	check("add", zones.Present(ctx, nil, s.values(name, []string{"one"})))
	var err error
	for _, l := range zones.Clean(ctx, s.values(name, []string{"there"})) {
		err = l.Err
	}
	check("remove", err)
	s.holds(t, name, "nothing was changed", "there")
}

func (s *suite) values(name string, texts []string) (out []providers.Value) {
	zone := s.Zone
	if s.Child != "" && (name == s.Child || strings.HasSuffix(name, "."+s.Child)) {
		zone = s.Child
	}
	for _, text := range texts {
		out = append(out, providers.Value{Zone: zone + ".", Name: "_acme-challenge." + name + ".", Text: text, Provider: s.DNS.Address})
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
