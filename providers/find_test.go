package providers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/libdns/libdns"
)

const resolver = "192.0.2.53:53"

func dnsName(s string) cert.Name { return cert.Name{Kind: cert.DNS, Value: s} }

// silent is a provider that cannot list its zones.
type silent struct{}

func (silent) AppendRecords(context.Context, string, []libdns.Record) ([]libdns.Record, error) {
	return nil, errors.New("not here")
}
func (silent) DeleteRecords(context.Context, string, []libdns.Record) ([]libdns.Record, error) {
	return nil, errors.New("not here")
}

func TestFind(t *testing.T) {
	type row struct {
		name  string
		about string
		dns   func(n *dnstest.Net) []providers.DNS
		zones []providers.Zone
		known map[string]providers.Learnt

		target, zone string // without trailing dot
		via          []string
		providers    []string
		how          string
		warn         string
		err          string
		mistake      bool // of the configuration
	}
	host := func(n *dnstest.Net, zones ...string) *dnstest.Host {
		var zs []*dnstest.Zone
		for _, z := range zones {
			zs = append(zs, n.Zone(z))
		}
		return n.NewHost(dnstest.HostConfig{}, zs...)
	}
	declared := func(n *dnstest.Net) []providers.DNS {
		return []providers.DNS{
			providertest.Memory("dns.m.a", "a", host(n), "example.com", "sub.example.com"),
			providertest.Memory("dns.m.b", "b", host(n), "example.net", "acme.example.net"),
		}
	}
	rows := []row{
		{about: "declared", name: "www.example.com", target: "_acme-challenge.www.example.com", zone: "example.com", how: "declared by dns.m.a"},
		{about: "the wildcard shares the name of its base", name: "*.example.com", target: "_acme-challenge.example.com", zone: "example.com"},
		{about: "the longest match", name: "sub.example.com", target: "_acme-challenge.sub.example.com", zone: "sub.example.com"},
		{about: "a zone's name inside another name is no match", name: "www.notexample.com", err: "is in no zone|which no dns block serves", mistake: true},
		{about: "in none of those that are listed", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{providertest.Memory("dns.m.a", "a", host(n, "example.net"))}
			}, err: "which no dns block serves", mistake: true},
		{about: "a host that lists nothing today", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{providertest.Memory("dns.m.a", "a", host(n))}
			}, err: "no zone at all is listed by dns.m.a"},
		{about: "a CNAME", name: "c.example.com", via: []string{"c.acme.example.net"}, target: "c.acme.example.net", zone: "acme.example.net", providers: []string{"dns.m.b"}},
		{about: "a chain", name: "d.example.com", via: []string{"d1.example.com", "d2.example.net"}, target: "d2.example.net", zone: "example.net"},
		{about: "a loop", name: "l.example.com", err: "_acme-challenge.l.example.com -> l1.example.com -> l2.example.com -> l1.example.com"},
		{about: "a CNAME to where nobody is", name: "f.example.com", err: "_acme-challenge.f.example.com -> f.foreign.org: "},
		{about: "a wildcard CNAME", name: "w.wild.example.com", target: "_acme-challenge.w.wild.example.com", zone: "example.com", warn: "wildcard CNAME"},
		{about: "a CNAME beside the wildcard", name: "x.wild.example.com", target: "x.acme.example.net", zone: "acme.example.net", via: []string{"x.acme.example.net"}},
		{about: "a wildcard CNAME in a zone of somebody else's", name: "www.foreign.com", target: "lb.example.com", zone: "example.com", via: []string{"lb.example.com"}, warn: "only by a wildcard"},
		{about: "a child zone in the way", name: "www.child.example.com", err: "_acme-challenge.www.child.example.com is in zone child.example.com, which is delegated away from example.com"},
		{about: "a child zone that the other one lists", name: "www.child.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return append(declared(n), providertest.Memory("dns.m.c", "c", host(n, "child.example.com")))
			},
			target: "_acme-challenge.www.child.example.com", zone: "child.example.com", providers: []string{"dns.m.c"}, how: "listed by dns.m.c"},
		{about: "two that list it", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{
					providertest.Memory("dns.m.a", "a", host(n, "example.com")), providertest.Memory("dns.m.b", "b", host(n, "example.com")),
				}
			}, err: "listed by dns.m.a and by dns.m.b"},
		{about: "two that declare it", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{
					providertest.Memory("dns.m.a", "a", host(n), "example.com"), providertest.Memory("dns.m.b", "b", host(n), "example.com"),
				}
			}, err: "declared by dns.m.a and by dns.m.b"},
		{about: "declared goes before listed", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{
					providertest.Memory("dns.m.a", "a", host(n, "example.com")), providertest.Memory("dns.m.b", "b", host(n), "example.com"),
				}
			}, providers: []string{"dns.m.b"}, zone: "example.com"},
		{about: "the zone block goes before all, with two providers", name: "www.example.com",
			zones:     []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a", "dns.m.b"}}},
			providers: []string{"dns.m.a", "dns.m.b"}, how: "zone.x", zone: "example.com"},
		{about: "known", name: "www.example.com", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.c"}},
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{providertest.Memory("dns.m.b", "b", host(n)), {Address: "dns.m.c", Spec: unopenable{}}}
			}, providers: []string{"dns.m.c"}, how: "known", zone: "example.com"},
		{about: "known from a block that is gone", name: "www.example.com", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.z"}},
			zone: "example.com", how: "declared by dns.m.a"},
		{about: "the only one that cannot list", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{
					providertest.Memory("dns.m.b", "b", host(n, "example.net")), {Address: "dns.s.a", Spec: providertest.Spec("s", silent{})},
				}
			}, providers: []string{"dns.s.a"}, zone: "example.com"},
		{about: "two that cannot list", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{{Address: "dns.s.b", Spec: providertest.Spec("s", silent{})}, {Address: "dns.s.a", Spec: providertest.Spec("s", silent{})}}
			}, err: "perhaps served by dns.s.a and by dns.s.b"},
		{about: "nobody lists it and one could not be asked", name: "www.example.com",
			dns: func(n *dnstest.Net) []providers.DNS {
				return []providers.DNS{providertest.Memory("dns.m.b", "b", host(n, "example.net")), {Address: "dns.m.c", Spec: unopenable{}}}
			}, err: "open dns.m.c: secret env:TOKEN"},
		{about: "split horizon: the zone block's servers are asked", name: "in.example.com",
			zones:  []providers.Zone{{Address: "zone.x", Name: "example.com", Nameservers: []string{"10.0.0.1"}}},
			target: "in.acme.example.net", zone: "acme.example.net", via: []string{"in.acme.example.net"}},
		{about: "too long", name: strings.Repeat("a.", 120) + "example.com", err: "too long"},
	}
	for _, r := range rows {
		t.Run(r.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.New()
				defer n.Close()
				n.AddResolver("192.0.2.53")
				com := n.AddZone("example.com")
				com.Add(
					"_acme-challenge.c CNAME c.acme.example.net.",
					"_acme-challenge.d CNAME d1", "d1 CNAME d2.example.net.",
					"_acme-challenge.l CNAME l1", "l1 CNAME l2", "l2 CNAME l1",
					"_acme-challenge.f CNAME f.foreign.org.",
					"*.wild CNAME lb.foreign.org.", "_acme-challenge.x.wild CNAME x.acme.example.net.",
				)
				n.AddZone("child.example.com")
				n.AddZone("sub.example.com")
				n.AddZone("example.net")
				n.AddZone("acme.example.net")
				n.AddZone("foreign.org")
				n.AddZone("notexample.com")
				n.AddZone("foreign.com").Add("*.www CNAME lb.example.com.", "* CNAME lb.example.com.")
				n.AddPrivateZone("example.com", n.AddServer("inside.test", "10.0.0.1")).Add("_acme-challenge.in CNAME in.acme.example.net.")
				o := providers.Options{Zones: r.zones, Known: func(z string) (providers.Learnt, bool) { l, ok := r.known[z]; return l, ok }}
				if r.dns == nil {
					r.dns = declared
				}
				o.DNS = r.dns(n)
				z := providers.NewZones(providertest.World(n, resolver), o)
				defer z.Close()
				f, err := z.Find(t.Context(), dnsName(r.name))
				if r.err != "" {
					ok := err != nil && slices.ContainsFunc(strings.Split(r.err, "|"), func(part string) bool { return strings.Contains(err.Error(), part) })
					if !ok {
						t.Fatalf("error %v, want one with %q; found %+v", err, r.err, f)
					}
					if errors.Is(err, providers.ErrNoZone) != r.mistake {
						t.Errorf("a mistake of the configuration: %t; %v", !r.mistake, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if r.target != "" && f.Target != r.target+"." || f.Zone != r.zone+"." {
					t.Errorf("target %s in zone %s, want %s in %s", f.Target, f.Zone, r.target, r.zone)
				}
				var via []string
				for _, c := range f.CNAMEs {
					via = append(via, strings.TrimSuffix(c, "."))
				}
				if r.via != nil && !slices.Equal(via, r.via) || r.via == nil && via != nil {
					t.Errorf("followed %q, want %q", via, r.via)
				}
				if r.providers != nil && !slices.Equal(f.Providers, r.providers) {
					t.Errorf("providers %q, want %q", f.Providers, r.providers)
				}
				if r.how != "" && f.How != r.how {
					t.Errorf("how %q, want %q", f.How, r.how)
				}
				warned := strings.Join(f.Warnings, "\n")
				if r.warn == "" && warned != "" || !strings.Contains(warned, r.warn) {
					t.Errorf("warnings %q, want %q", warned, r.warn)
				}
			})
		})
	}
}

// unopenable is a dns block whose secret cannot be had.
type unopenable struct{ providers.Spec }

func (unopenable) Account() string { return "unopenable" }
func (unopenable) Open(context.Context, *world.World) (providers.Provider, error) {
	return nil, errors.New("secret env:TOKEN: not set")
}

// Ten thousand names ask the DNS host for its zones once, and DNS once a name;
// a dead resolver costs its wait once.
func TestFindMany(t *testing.T) {
	for _, c := range []struct {
		about     string
		resolvers []string
		dead      bool
		most      time.Duration
	}{
		{"no resolver", nil, false, 0},
		{"a dead resolver", []string{resolver}, true, 1100 * time.Millisecond},
		{"a live one", []string{resolver}, false, time.Second},
	} {
		t.Run(c.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.New()
				defer n.Close()
				res := n.AddResolver("192.0.2.53")
				if c.dead {
					res.SetFault(dnstest.Dead)
				}
				z := n.AddZone("example.com")
				h := n.NewHost(dnstest.HostConfig{}, z)
				zones := providers.NewZones(providertest.World(n, c.resolvers...), providers.Options{DNS: []providers.DNS{providertest.Memory("dns.m.a", "a", h)}})
				defer zones.Close()
				began := time.Now()
				const names = 2000
				errs := make(chan error, names)
				for i := range names {
					go func() {
						_, err := zones.Find(t.Context(), dnsName(fmt.Sprintf("h%d.example.com", i)))
						errs <- err
					}()
				}
				for range names {
					if err := <-errs; err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(began); took > c.most {
					t.Errorf("took %s", took)
				}
				if got := h.Stats().Total; got != 1 {
					t.Errorf("%d calls to the DNS host", got)
				}
				asked := 0
				for _, s := range z.Servers() {
					asked += s.Stats().Queries
				}
				if asked > 2*names {
					t.Errorf("%d queries for %d names", asked, names)
				}
			})
		})
	}
}

// Where a host can only replace whole sets, or its one value, the plan says so and recommends
// delegation.
func TestWholeSetsAreTold(t *testing.T) {
	for _, c := range []struct {
		quirks providers.Quirks
		told   bool
	}{{providers.Quirks{}, false}, {providers.Quirks{Replaces: true}, true}, {providers.Quirks{DeletesByName: true}, true}, {providers.Quirks{WholeZone: true}, true}, {providers.Quirks{OneValue: true}, true}} {
		n := dnstest.New()
		block := providertest.Memory("dns.m.a", "a", n.NewHost(dnstest.HostConfig{}), "example.com")
		block.Quirks = c.quirks
		z := providers.NewZones(&world.World{Resolvers: func() []string { return nil }}, providers.Options{DNS: []providers.DNS{block}})
		f, err := z.Find(t.Context(), cert.Name{Kind: cert.DNS, Value: "www.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(f.Warnings, "\n"), "to a zone of its own"); got != c.told {
			t.Errorf("%+v: warnings %q", c.quirks, f.Warnings)
		}
		z.Close()
		n.Close()
	}
}
