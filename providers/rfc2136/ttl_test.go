package rfc2136_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/certform/certform/providers/rfc2136"
)

// A set has one TTL: a value that joins somebody else's takes over theirs.
func TestTTLOfOthers(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("a.test", n.AddServer("ns1.dns.test", "192.0.2.1"))
	z.Allow(dnstest.Allow{UnsignedUpdate: true})
	z.Add(`_acme-challenge 300 IN TXT "foreign"`)
	before := z.Records()
	p, err := (&rfc2136.Spec{Server: "192.0.2.1"}).Open(t.Context(), providertest.World(n))
	if err != nil {
		t.Fatal(err)
	}
	ours := []libdns.RR{
		{Name: "_acme-challenge", Type: "TXT", Data: "one", TTL: time.Minute},
		{Name: "_acme-challenge", Type: "TXT", Data: "two", TTL: time.Minute},
		{Name: "_acme-challenge.www", Type: "TXT", Data: "three", TTL: time.Minute},
	}
	c := p.(providers.Changer)
	for range 2 { // again is the same
		if err := c.Change(t.Context(), "a.test.", ours, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, rr := range z.Records() {
		want := "300"
		if strings.Contains(rr, "three") {
			want = "60"
		}
		if f := strings.Fields(rr); strings.Contains(rr, "TXT") && f[1] != want {
			t.Errorf("%s: TTL %s, want %s", rr, f[1], want)
		}
	}
	if err := c.Change(t.Context(), "a.test.", nil, ours); err != nil {
		t.Fatal(err)
	}
	if after := z.Records(); !slices.Equal(after, before) {
		t.Errorf("the zone held %q and holds %q", before, after)
	}
}
