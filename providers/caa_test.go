package providers_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/miekg/dns"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// The closest level with a record counts; aliases are followed at each level,
// and what is above is asked of the name itself (RFC 8659, section 3).
func TestCAA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		server := n.AddServer("ns1.dns.test", "192.0.2.1")
		n.AddZone("example.com", server).Add(
			`@ CAA 0 issue "apex.example"`,
			`deep CAA 0 issue "deep.example"`,
			`deep CAA 0 iodef "mailto:a@example.com"`,
			`alias CNAME www.example.net.`,
			`bare CNAME bare.example.net.`,
			`loop CNAME loop2`, `loop2 CNAME loop`,
		)
		n.AddZone("example.net", server).Add(`www CAA 0 issue "target.example"`, `@ CAA 0 issue "net.example"`, `bare A 192.0.2.80`)
		n.AddZone("free.org", server)
		resolver := n.AddResolver("192.0.2.53")
		z := providers.NewZones(&world.World{Dial: n.Dial, Lookup: n.LookupHost, Resolvers: func() []string { return []string{"192.0.2.53:53"} }}, providers.Options{})
		defer z.Close()
		find := func(name string) ([]providers.CAARecord, error) {
			parsed, err := cert.ParseDNS(name)
			if err != nil {
				t.Fatal(err)
			}
			return z.CAA(t.Context(), parsed)
		}
		// The first question is asked twice: it tells whether the resolver lives.
		if _, err := find("first.example.net"); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"example.com":          "example.com. apex.example",
			"*.example.com":        "example.com. apex.example",
			"www.example.com":      "example.com. apex.example",
			"a.b.c.example.com":    "example.com. apex.example",
			"x.y.deep.example.com": "deep.example.com. deep.example deep.example.com. mailto:a@example.com",
			"deep.example.com":     "deep.example.com. deep.example deep.example.com. mailto:a@example.com",
			"alias.example.com":    "www.example.net. target.example",
			"x.alias.example.com":  "www.example.net. target.example", // the level above x is an alias
			"bare.example.com":     "example.com. apex.example",       // not example.net's
			"free.org":             "",
			"a.free.org":           "",
		} {
			set, err := find(name)
			var got []string
			for _, c := range set {
				got = append(got, c.Owner+" "+c.Value)
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		}
		if _, err := find("loop.example.com"); !errors.Is(err, providers.ErrBroken) {
			t.Errorf("a loop: %v", err)
		}

		// A thousand names cost a question each; what they share is asked once.
		synctest.Wait()
		before := resolver.Stats().Queries
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				if _, err := find(fmt.Sprintf("h%d.many.free.org", i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if asked := resolver.Stats().Queries - before; asked > 1001 {
			t.Errorf("%d questions for 1,000 names below one that is shared", asked)
		}
		if n := resolver.Asked("free.org", dns.TypeCAA); n != 1 {
			t.Errorf("free.org was asked for %d times", n)
		}

		// Servers that fail for CAA fail for a CA too.
		server.SetFault(dnstest.ServFail)
		if _, err := find("new.example.org"); err == nil {
			_, err = find("new.free.org")
			if !errors.Is(err, providers.ErrBroken) {
				t.Errorf("SERVFAIL: %v", err)
			}
		}
		// A resolver that does not answer says nothing of what a CA sees.
		server.SetFault(dnstest.None)
		resolver.SetFault(dnstest.Dead)
		dead := providers.NewZones(&world.World{Dial: n.Dial, Lookup: n.LookupHost, Resolvers: func() []string { return []string{"192.0.2.53:53"} }}, providers.Options{})
		defer dead.Close()
		name, _ := cert.ParseDNS("www.example.com")
		if _, err := dead.CAA(t.Context(), name); err == nil || errors.Is(err, providers.ErrBroken) {
			t.Errorf("a dead resolver: %v", err)
		}
	})
}
