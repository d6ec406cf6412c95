package powerdns_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/powerdns"
	"github.com/certform/certform/providers/providertest"
	"github.com/libdns/libdns"
	upstream "github.com/libdns/powerdns"
	"github.com/miekg/dns"
)

func opener(key string) *world.World {
	return &world.World{Secret: func(context.Context, string) (string, error) { return key, nil }}
}

// front is a proxy before a server, so that its answers can be made to fail.
func front(t *testing.T, target string) (*providertest.Faulty, string) {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &providertest.Faulty{Handler: httputil.NewSingleHostReverseProxy(u)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

func TestServer(t *testing.T) {
	s := rig.PowerDNS(t, rig.PowerDNSConfig{Zones: []string{"a.test", "b.test", "c.a.test"}})
	faulty, url := front(t, s.URL)
	faulty.Only = func(r *http.Request) bool { return r.Method == http.MethodPatch }
	spec := &powerdns.Spec{ServerURL: url + "/api/v1/", APIToken: block.NewSecret("env:K")}
	if p := spec.Check(); len(p) > 0 {
		t.Fatal(p)
	}
	other, err := spec.Open(t.Context(), opener(s.Key))
	if err != nil {
		t.Fatal(err)
	}
	s.Do(t, http.MethodPatch, "/api/v1/servers/localhost/zones/a.test.", map[string]any{"rrsets": []any{map[string]any{
		"name": "c.a.test.", "type": "NS", "ttl": 60, "changetype": "REPLACE",
		"records": []any{map[string]any{"content": "ns1.c.a.test.", "disabled": false}},
	}}})
	w := &world.World{Secret: func(_ context.Context, ref string) (string, error) {
		if ref == "env:OTHER" {
			return "canary", nil
		}
		return s.Key, nil
	}}
	providertest.Run(t, providertest.Fixture{
		Level: providers.Real,
		World: w, Zone: "a.test", Child: "c.a.test",
		Lacking: &powerdns.Spec{ServerURL: url, APIToken: block.NewSecret("env:OTHER")}, Right: "api_token",
		Nameservers: []string{s.Addr}, Fault: faulty.Next,
		DNS: providers.DNS{Address: "dns.powerdns.m", Kind: "powerdns", Zones: []string{"a.test"}, Spec: spec, Quirks: powerdns.Kind().Quirks},
		TXT: func(name string) (out []string) {
			for _, v := range s.TXT(t, name) {
				out = append(out, providers.Text(&dns.TXT{Txt: []string{v}}))
			}
			return out
		},
		Foreign: func(name, value string) {
			rr := libdns.TXT{Name: "_acme-challenge." + name + ".", Text: value, TTL: time.Hour}
			// SQLite is locked while another row of the suite writes.
			_, err := other.AppendRecords(t.Context(), "a.test.", []libdns.Record{rr})
			for try := 1; err != nil && try < 50; try++ {
				time.Sleep(20 * time.Millisecond)
				_, err = other.AppendRecords(t.Context(), "a.test.", []libdns.Record{rr})
			}
			if err != nil {
				t.Error(err)
			}
		},
	})
	t.Run("zones", func(t *testing.T) {
		zones, err := other.(libdns.ZoneLister).ListZones(t.Context())
		if err != nil || !slices.Contains(zones, libdns.Zone{Name: "a.test."}) || !slices.Contains(zones, libdns.Zone{Name: "b.test."}) {
			t.Errorf("zones %v, %v", zones, err)
		}
	})
	t.Run("a wrong key", func(t *testing.T) {
		p, err := spec.Open(t.Context(), opener("canary"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.(libdns.ZoneLister).ListZones(t.Context())
		if err == nil || !strings.Contains(err.Error(), "HTTP 401") || strings.Contains(err.Error(), "canary") {
			t.Errorf("error %v", err)
		}
		if _, again := world.RetryAt(err); again {
			t.Error("it would be tried again")
		}
	})
}

// sets is an API that keeps TXT sets, as far as this provider uses it, and lets
// another writer in between a read and a write.
type sets struct {
	held    map[string][]string
	single  bool // gives single sets, as from 4.8 on
	extends bool // adds and removes single values, as from 4.9.12 and 5.0.2 on
	ttl     int  // of all sets; 0: 300
	reads   int
	before  func(*sets) // what somebody else does before a change is made
	between func(*sets) // and after it
}

// What somebody else adds between our reading and our writing stays, where the
// server can add and remove single values; also if the set's TTL changes.
func TestForeignValueMeanwhile(t *testing.T) {
	for _, ttl := range []int{300, 900} {
		s := &sets{held: map[string][]string{"x.a.test.": {"foreign", "old"}}, single: true, extends: true}
		server := httptest.NewServer(s)
		defer server.Close()
		p, err := (&powerdns.Spec{ServerURL: server.URL, APIToken: block.NewSecret("env:K")}).Open(t.Context(), opener("k"))
		if err != nil {
			t.Fatal(err)
		}
		change := func(later string, add, del []libdns.RR) {
			t.Helper()
			first := true
			s.before = func(s *sets) {
				if first {
					s.held["x.a.test."] = append(s.held["x.a.test."], later)
					s.ttl = ttl
				}
				first = false
			}
			if err := p.(providers.Changer).Change(t.Context(), "a.test.", add, del); err != nil {
				t.Fatal(err)
			}
		}
		rr := func(v string) libdns.RR { return libdns.RR{Name: "x", Type: "TXT", Data: v, TTL: time.Minute} }
		change("second", []libdns.RR{rr("one"), rr("two")}, []libdns.RR{rr("old")})
		change("third", nil, []libdns.RR{rr("one"), rr("two"), rr("never-there")})
		if got := s.held["x.a.test."]; !slices.Equal(got, []string{"foreign", "second", "third"}) {
			t.Errorf("TTL %d: held %q", ttl, got)
		}
	}
}

// A newer server gives single sets; another writer who overwrites ours is
// noticed; the set's own TTL and disabled records stay.
func TestConcurrentWriter(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprint("single sets ", single), func(t *testing.T) {
			s := &sets{held: map[string][]string{}, single: single}
			s.held["x.a.test."] = []string{"foreign"}
			s.held["y.a.test."] = []string{"elsewhere"}
			done := false
			s.between = func(s *sets) {
				if !done {
					s.held["x.a.test."] = []string{"foreign", "later"} // without ours
				}
				done = true
			}
			server := httptest.NewServer(s)
			defer server.Close()
			p, err := (&powerdns.Spec{ServerURL: server.URL, APIToken: block.NewSecret("env:K")}).Open(t.Context(), opener("k"))
			if err != nil {
				t.Fatal(err)
			}
			add := []libdns.RR{{Name: "x", Type: "TXT", Data: "ours", TTL: time.Minute}}
			err = p.(providers.Changer).Change(t.Context(), "a.test.", add, nil)
			if err == nil || !strings.Contains(err.Error(), "somebody else") {
				t.Fatalf("error %v: our value was overwritten", err)
			}
			if err := p.(providers.Changer).Change(t.Context(), "a.test.", add, nil); err != nil {
				t.Fatal(err)
			}
			if got := s.held["x.a.test."]; !slices.Equal(got, []string{"foreign", "later", "ours"}) {
				t.Errorf("held %q", got)
			}
			if single && s.reads != 5 { // one more, since an old server does not know EXTEND
				t.Errorf("%d reads of sets", s.reads)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	providertest.Arguments(t, &powerdns.Spec{}, &upstream.Provider{})
	for _, s := range []powerdns.Spec{{ServerURL: "ns1"}, {ServerURL: "https://u:p@ns1"}} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
}
