package dnstest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/miekg/dns"
)

func TestLoopback(t *testing.T) {
	n := dnstest.New()
	ns1, ns2 := n.AddServer("ns1.dns.test", "192.0.2.1"), n.AddServer("ns2.dns.test", "192.0.2.2")
	z := n.AddZone("example.com", ns1, ns2)
	for i := range 30 {
		z.Add(fmt.Sprintf("many TXT %d-%s", i, strings.Repeat("x", 40)))
	}
	ns2.SetLag(time.Hour)
	if err := n.NewHost(dnstest.HostConfig{}, z).Change(t.Context(), "example.com", txt("t", "v"), nil); err != nil {
		t.Fatal(err)
	}
	addr := map[string]string{}
	for _, s := range []*dnstest.Server{ns1, ns2, n.AddResolver("192.0.2.53")} {
		ap, err := n.ServeLoopback(s, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr[s.Name()] = ap.String()
	}
	same, err := n.ServeLoopback(ns1, strings.Replace(addr["ns1.dns.test."], "127.0.0.1", "127.0.0.2", 1))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(network, at, name string, size uint16) *dns.Msg {
		t.Helper()
		m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
		if size > 0 {
			m.SetEdns0(size, false)
		}
		c := &dns.Client{Net: network, Timeout: 5 * time.Second}
		r, _, err := c.Exchange(m, at)
		if err != nil {
			t.Fatalf("%s %s: %v", network, at, err)
		}
		return r
	}
	for _, tt := range []struct {
		network, at, name string
		size              uint16
		answers           int // -1 = cut
	}{
		{"udp", addr["ns1.dns.test."], "t.example.com", 0, 1},
		{"udp", addr["ns2.dns.test."], "t.example.com", 0, 0},
		{"udp", same.String(), "t.example.com", 0, 1},
		{"tcp", addr["resolver-192-0-2-53.dnstest."], "many.example.com", 0, 30},
		{"udp", addr["ns1.dns.test."], "many.example.com", 0, -1},
		{"udp", addr["ns1.dns.test."], "many.example.com", 1232, -1},
		{"udp", addr["ns1.dns.test."], "many.example.com", 4096, 30},
		{"tcp", addr["ns1.dns.test."], "many.example.com", 512, 30},
	} {
		m := ask(tt.network, tt.at, tt.name, tt.size)
		if cut := tt.answers < 0; m.Truncated != cut || !cut && len(m.Answer) != tt.answers {
			t.Errorf("%s %s size %d: truncated %v, %d answers, want %d", tt.network, tt.name, tt.size, m.Truncated, len(m.Answer), tt.answers)
		}
	}
	if s := ns1.Stats(); s.Queries != 6 || s.UDP != 5 || ns1.Asked("many.example.com", dns.TypeTXT) != 4 {
		t.Errorf("stats: %+v", s)
	}

	// A TCP connection that is kept open does not hold up the end.
	c, err := dns.DialTimeout("tcp", addr["ns1.dns.test."], time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n.Close()
	if _, err := dns.DialTimeout("tcp", addr["ns1.dns.test."], time.Second); err == nil {
		t.Error("a closed world is served")
	}
	if _, err := n.ServeLoopback(ns1, "127.0.0.1:0"); err == nil {
		t.Error("a closed world begins to serve")
	}
}

// BenchmarkChange changes one zone that holds many records; its cost must not grow with them.
func BenchmarkChange(b *testing.B) {
	for _, held := range []int{100, 20000} {
		b.Run(fmt.Sprint(held), func(b *testing.B) {
			n := dnstest.New()
			defer n.Close()
			z := n.AddZone("example.com")
			h := n.NewHost(dnstest.HostConfig{}, z)
			for i := range held {
				z.Add(fmt.Sprintf("h%d TXT x", i))
			}
			for i := 0; b.Loop(); i++ {
				rr := txt(fmt.Sprintf("_acme-challenge.h%d", i%held), "v")
				if err := h.Change(b.Context(), "example.com", rr, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := n.LookupTXT(b.Context(), fmt.Sprintf("_acme-challenge.h%d.example.com", i%held)); err != nil {
					b.Fatal(err)
				}
				if err := h.Change(b.Context(), "example.com", nil, rr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
