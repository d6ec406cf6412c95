package dnstest_test

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/miekg/dns"
)

// ask sends one question through the world's door.
func ask(t *testing.T, n *dnstest.Net, network, addr, name string, typ uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), typ)
	return exchange(t, n, network, addr, m, nil)
}

func exchange(t *testing.T, n *dnstest.Net, network, addr string, m *dns.Msg, secrets map[string]string) *dns.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	raw, err := n.Dial(ctx, network, addr)
	if err != nil {
		t.Fatalf("dial %s %s: %v", network, addr, err)
	}
	defer raw.Close()
	c := &dns.Client{TsigSecret: secrets}
	r, _, err := c.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: raw, TsigSecret: secrets})
	if err != nil {
		t.Fatalf("ask %s %s: %v", network, addr, err)
	}
	return r
}

func texts(m *dns.Msg) []string {
	var out []string
	for _, rr := range m.Answer {
		if x, ok := rr.(*dns.TXT); ok {
			out = append(out, strings.Join(x.Txt, ""))
		}
	}
	slices.Sort(out)
	return out
}

const secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		ns1 := n.AddServer("ns1.dns.test", "192.0.2.1", "2001:db8::1")
		ns2 := n.AddServer("ns2.other.test", "192.0.2.2")
		z := n.AddZone("example.com", ns1)
		z.Add("@ TXT apex", "www A 192.0.2.80", "www AAAA 2001:db8::80", "alias CNAME www", "out CNAME a.acme.net.",
			"chain CNAME out", "loop CNAME pool", "pool CNAME loop", "dangling CNAME nowhere.acme.net.",
			"a.b.c TXT deep", "*.wild CNAME out", `quoted TXT "a \"b\" c"`, "big TXT "+strings.Repeat("x", 200))
		n.AddZone("acme.net", ns2).Add("a TXT delegated")
		n.AddZone("child.example.com", ns2).Add("@ TXT child")
		lame := n.AddServer("ns3.dns.test", "192.0.2.3")
		n.Delegate("lame.example.com", lame)
		n.AddResolver("192.0.2.53")
		signed := n.AddZone("signed.net", ns1)
		signed.Add("@ TXT signed")
		signed.SetSigned(true)

		tests := []struct {
			addr, name string
			typ        uint16
			rcode      int
			aa         bool
			answer     []string // owner and type
			authority  string   // owner and type of the first
		}{
			{"192.0.2.1:53", "www.example.com", dns.TypeA, 0, true, []string{"www.example.com. A"}, ""},
			{"[2001:db8::1]:53", "www.example.com", dns.TypeAAAA, 0, true, []string{"www.example.com. AAAA"}, ""},
			{"192.0.2.1:53", "www.example.com", dns.TypeTXT, 0, true, nil, "example.com. SOA"},
			{"192.0.2.1:53", "no.example.com", dns.TypeTXT, dns.RcodeNameError, true, nil, "example.com. SOA"},
			{"192.0.2.1:53", "b.c.example.com", dns.TypeTXT, 0, true, nil, "example.com. SOA"},
			{"192.0.2.1:53", "alias.example.com", dns.TypeA, 0, true, []string{"alias.example.com. CNAME", "www.example.com. A"}, ""},
			{"192.0.2.1:53", "out.example.com", dns.TypeTXT, 0, true, []string{"out.example.com. CNAME"}, ""},
			{"192.0.2.1:53", "x.wild.example.com", dns.TypeTXT, 0, true, []string{"x.wild.example.com. CNAME", "out.example.com. CNAME"}, ""},
			{"192.0.2.1:53", "x.child.example.com", dns.TypeTXT, 0, false, nil, "child.example.com. NS"},
			{"192.0.2.1:53", "example.org", dns.TypeTXT, dns.RcodeRefused, false, nil, ""},
			{"192.0.2.1:53", "example.com", dns.TypeNS, 0, true, []string{"example.com. NS"}, ""},
			{"192.0.2.1:53", "example.com", dns.TypeSOA, 0, true, []string{"example.com. SOA"}, ""},
			{"198.18.0.1:53", "www.example.com", dns.TypeA, 0, false, nil, "example.com. NS"},
			{"198.18.0.1:53", "com", dns.TypeNS, 0, true, nil, ". SOA"},
			{"192.0.2.53:53", "www.example.com", dns.TypeA, 0, false, []string{"www.example.com. A"}, ""},
			{"192.0.2.53:53", "ns1.dns.test", dns.TypeAAAA, 0, false, []string{"ns1.dns.test. AAAA"}, ""},
			{"192.0.2.53:53", "chain.example.com", dns.TypeTXT, 0, false, []string{"chain.example.com. CNAME", "out.example.com. CNAME", "a.acme.net. TXT"}, ""},
			{"192.0.2.53:53", "y.wild.example.com", dns.TypeTXT, 0, false, []string{"y.wild.example.com. CNAME", "out.example.com. CNAME", "a.acme.net. TXT"}, ""},
			{"192.0.2.53:53", "dangling.example.com", dns.TypeTXT, dns.RcodeNameError, false, []string{"dangling.example.com. CNAME"}, "acme.net. SOA"},
			{"192.0.2.53:53", "loop.example.com", dns.TypeTXT, dns.RcodeServerFailure, false, nil, ""},
			{"192.0.2.53:53", "x.lame.example.com", dns.TypeTXT, dns.RcodeServerFailure, false, nil, ""},
			{"192.0.2.53:53", "child.example.com", dns.TypeTXT, 0, false, []string{"child.example.com. TXT"}, ""},
			{"192.0.2.53:53", "x.child.example.com", dns.TypeSOA, dns.RcodeNameError, false, nil, "child.example.com. SOA"},
			{"192.0.2.53:53", "www.nothing.test", dns.TypeSOA, dns.RcodeNameError, false, nil, ". SOA"},
		}
		for _, tt := range tests {
			for _, network := range []string{"udp", "tcp"} {
				m := ask(t, n, network, tt.addr, tt.name, tt.typ)
				if m.Rcode != tt.rcode || m.Authoritative != tt.aa {
					t.Errorf("%s %s at %s: rcode %d, aa %v; want %d, %v", tt.name, dns.TypeToString[tt.typ], tt.addr, m.Rcode, m.Authoritative, tt.rcode, tt.aa)
				}
				var got []string
				for _, rr := range m.Answer {
					got = append(got, rr.Header().Name+" "+dns.TypeToString[rr.Header().Rrtype])
				}
				if !slices.Equal(got, tt.answer) {
					t.Errorf("%s %s at %s: answer %q, want %q", tt.name, dns.TypeToString[tt.typ], tt.addr, got, tt.answer)
				}
				authority := ""
				if len(m.Ns) > 0 {
					authority = m.Ns[0].Header().Name + " " + dns.TypeToString[m.Ns[0].Header().Rrtype]
				}
				if authority != tt.authority {
					t.Errorf("%s %s at %s: authority %q, want %q", tt.name, dns.TypeToString[tt.typ], tt.addr, authority, tt.authority)
				}
			}
		}

		m := ask(t, n, "udp", "192.0.2.1:53", "quoted.example.com", dns.TypeTXT)
		if got, err := n.LookupTXT(t.Context(), "quoted.example.com"); err != nil || got[0] != `a "b" c` {
			t.Errorf("LookupTXT: %q, %v (answer %v)", got, err, m.Answer)
		}
		for _, name := range []string{"signed.net", "example.com"} {
			m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT).SetEdns0(1232, true)
			if r := exchange(t, n, "udp", "192.0.2.53:53", m, nil); r.AuthenticatedData != (name == "signed.net") {
				t.Errorf("%s: AD = %v", name, r.AuthenticatedData)
			}
		}
	})
}

func TestUpdateWithTSIG(t *testing.T) {
	for _, alg := range []string{dns.HmacSHA256, dns.HmacSHA512} {
		n := dnstest.New()
		defer n.Close()
		n.AddKey("key.", alg, secret)
		srv := n.AddServer("ns1.dns.test", "192.0.2.1")
		z := n.AddZone("example.com", srv)
		z.Add("t TXT foreign")
		ap, err := n.ServeLoopback(srv, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		send := func(network string, key, with string, edit func(*dns.Msg)) (*dns.Msg, error) {
			m := new(dns.Msg).SetUpdate("example.com.")
			edit(m)
			c := &dns.Client{Net: network}
			if key != "" {
				c.TsigSecret = map[string]string{key: with}
				m.SetTsig(key, alg, 300, time.Now().Unix())
			}
			r, _, err := c.Exchange(m, ap.String())
			return r, err
		}
		rr := func(s string) []dns.RR {
			r, err := dns.NewRR(s)
			if err != nil {
				t.Fatal(err)
			}
			return []dns.RR{r}
		}
		wrong := base64.StdEncoding.EncodeToString([]byte("another"))
		steps := []struct {
			what, key, with string
			edit            func(*dns.Msg)
			rcode           int
			left            []string
		}{
			{"unsigned", "", "", func(m *dns.Msg) { m.Insert(rr("t.example.com. 60 TXT one")) }, dns.RcodeRefused, []string{"foreign"}},
			{"unknown key", "other.", secret, func(m *dns.Msg) { m.Insert(rr("t.example.com. 60 TXT one")) }, dns.RcodeNotAuth, []string{"foreign"}},
			{"wrong secret", "key.", wrong, func(m *dns.Msg) { m.Insert(rr("t.example.com. 60 TXT one")) }, dns.RcodeNotAuth, []string{"foreign"}},
			{"add", "key.", secret, func(m *dns.Msg) { m.Insert(rr("t.example.com. 60 TXT one")) }, 0, []string{"foreign", "one"}},
			{"add again and another", "key.", secret, func(m *dns.Msg) {
				m.Insert(append(rr("t.example.com. 60 TXT one"), rr("t.example.com. 60 TXT two")...))
			}, 0, []string{"foreign", "one", "two"}},
			{"delete exact", "key.", secret, func(m *dns.Msg) { m.Remove(rr("t.example.com. 0 TXT one")) }, 0, []string{"foreign", "two"}},
			{"set not there", "key.", secret, func(m *dns.Msg) {
				m.RRsetNotUsed(rr("t.example.com. TXT x"))
				m.RemoveRRset(rr("t.example.com. TXT x"))
			}, dns.RcodeYXRrset, []string{"foreign", "two"}},
			{"set exactly other", "key.", secret, func(m *dns.Msg) {
				m.Used(rr("t.example.com. 0 TXT two"))
				m.RemoveRRset(rr("t.example.com. TXT x"))
			}, dns.RcodeNXRrset, []string{"foreign", "two"}},
			{"name unused", "key.", secret, func(m *dns.Msg) {
				m.NameUsed(rr("u.example.com. TXT x"))
				m.RemoveRRset(rr("t.example.com. TXT x"))
			}, dns.RcodeNameError, []string{"foreign", "two"}},
			{"outside, nothing of it done", "key.", secret, func(m *dns.Msg) {
				m.RemoveRRset(rr("t.example.com. TXT x"))
				m.Insert(rr("t.example.net. 60 TXT one"))
			}, dns.RcodeNotZone, []string{"foreign", "two"}},
			{"delete set", "key.", secret, func(m *dns.Msg) { m.RemoveRRset(rr("t.example.com. TXT x")) }, 0, nil},
		}
		for _, network := range []string{"tcp", "udp"} {
			for _, s := range steps {
				r, err := send(network, s.key, s.with, s.edit)
				if r == nil {
					t.Fatalf("%s %s: %v", network, s.what, err)
				}
				if s.rcode != dns.RcodeNotAuth && s.key != "" && err != nil {
					t.Errorf("%s %s: answer not verified: %v", network, s.what, err)
				}
				if r.Rcode != s.rcode {
					t.Errorf("%s %s: %s, want %s", network, s.what, dns.RcodeToString[r.Rcode], dns.RcodeToString[s.rcode])
				}
				if left := n.TXT("t.example.com"); !slices.Equal(left, s.left) {
					t.Errorf("%s %s: left %q, want %q", network, s.what, left, s.left)
				}
			}
			z.Add("t TXT foreign")
		}
		if got := z.Stats().Updates; got != 8 {
			t.Errorf("updates carried out: %d, want 8", got)
		}

		tr := &dns.Transfer{TsigSecret: map[string]string{"key.": secret}}
		m := new(dns.Msg).SetAxfr("example.com.")
		m.SetTsig("key.", alg, 300, time.Now().Unix())
		for i := range 250 {
			z.Add("many TXT " + string(rune('a'+i%26)) + strings.Repeat("y", i/26))
		}
		env, err := tr.In(m, ap.String())
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for e := range env {
			if e.Error != nil {
				t.Fatal(e.Error)
			}
			count += len(e.RR)
		}
		if count != 250+1+3 {
			t.Errorf("transfer: %d records", count)
		}
	}
}

func TestLagAndFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n1, n2 := n.AddServer("ns1.dns.test", "192.0.2.1"), n.AddServer("ns2.dns.test", "192.0.2.2")
		n2.SetLag(40 * time.Second)
		z := n.AddZone("example.com", n1, n2)
		z.Add("old TXT old")
		host := n.NewHost(dnstest.HostConfig{Propagation: 10 * time.Second}, z)
		look := func(addr string) []string {
			return texts(ask(t, n, "udp", addr, "t.example.com", dns.TypeTXT))
		}
		if got := texts(ask(t, n, "udp", "192.0.2.2:53", "old.example.com", dns.TypeTXT)); len(got) != 1 {
			t.Errorf("what was added at the start is not shown by the lagging server: %v", got)
		}
		if err := host.Change(t.Context(), "example.com", txt("t", "v"), nil); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		at := func(d time.Duration, want1, want2 int) {
			t.Helper()
			time.Sleep(time.Until(begin.Add(d)))
			if a, b := len(look("192.0.2.1:53")), len(look("192.0.2.2:53")); a != want1 || b != want2 {
				t.Errorf("after %s: %d and %d values, want %d and %d", d, a, b, want1, want2)
			}
		}
		if got := n.TXT("t.example.com."); len(got) != 1 {
			t.Errorf("the primary holds %v", got)
		}
		at(9*time.Second, 0, 0)
		at(10*time.Second, 1, 0)
		at(49*time.Second, 1, 0)
		at(50*time.Second, 1, 1)
		if err := host.Change(t.Context(), "example.com.", nil, txt("t", "v")); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		if got := n.AllTXT(); !slices.Equal(got, []string{"old.example.com."}) {
			t.Errorf("the primary holds %v", got)
		}
		at(9*time.Second, 1, 1)
		at(10*time.Second, 0, 1)
		at(50*time.Second, 0, 0)

		n1.SetFault(dnstest.ServFail)
		if m := ask(t, n, "udp", "192.0.2.1:53", "old.example.com", dns.TypeTXT); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("rcode %d", m.Rcode)
		}
		if got, err := n.LookupTXT(t.Context(), "old.example.com"); err != nil || got[0] != "old" {
			t.Errorf("a resolver does not go to the other server: %v %v", got, err)
		}
		n1.SetFault(dnstest.Truncate)
		if m := ask(t, n, "udp", "192.0.2.1:53", "old.example.com", dns.TypeTXT); !m.Truncated || len(m.Answer) > 0 {
			t.Errorf("udp is not truncated: %v", m)
		}
		if m := ask(t, n, "tcp", "192.0.2.1:53", "old.example.com", dns.TypeTXT); m.Truncated || len(m.Answer) != 1 {
			t.Errorf("tcp is truncated: %v", m)
		}
		n1.SetHook(func(q dnstest.Query) dnstest.Fault {
			if q.Network == "tcp" {
				return dnstest.Refused
			}
			return dnstest.None
		})
		if m := ask(t, n, "tcp", "192.0.2.1:53", "old.example.com", dns.TypeTXT); m.Rcode != dns.RcodeRefused {
			t.Errorf("hook: %v", m)
		}

		n2.SetFault(dnstest.Dead)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		c, err := n.Dial(ctx, "udp", "192.0.2.2:53")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		begin = time.Now()
		cl := &dns.Client{Timeout: 2 * time.Second}
		_, _, err = cl.ExchangeWithConn(new(dns.Msg).SetQuestion("old.example.com.", dns.TypeTXT), &dns.Conn{Conn: c})
		if err == nil || time.Since(begin) != 2*time.Second {
			t.Errorf("a dead server: %v after %s", err, time.Since(begin))
		}
		if _, err := n.Dial(ctx, "tcp", "192.0.2.2:53"); err == nil {
			t.Error("a dead server takes tcp")
		}
		if _, err := n.Dial(t.Context(), "tcp", "192.0.2.9:53"); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("unknown address: %v", err)
		}
	})
}

func TestSplitHorizonAndSeveralHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		in, a, b := n.AddServer("in.corp", "10.0.0.1"), n.AddServer("a.host", "192.0.2.1"), n.AddServer("b.host", "192.0.2.2")
		n.AddZone("example.com", a).Add("t TXT host-a")
		n.AddZone("example.com", b).Add("t TXT host-b")
		inside := n.AddResolver("10.0.0.53")
		n.AddPrivateZone("example.com", in, inside).Add("t TXT private")
		n.AddResolver("192.0.2.53")
		for addr, want := range map[string]string{
			"192.0.2.1:53": "host-a", "192.0.2.2:53": "host-b", "10.0.0.1:53": "private", "10.0.0.53:53": "private",
		} {
			if got := texts(ask(t, n, "udp", addr, "t.example.com", dns.TypeTXT)); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %v, want %s", addr, got, want)
			}
		}
		if m := ask(t, n, "udp", "192.0.2.53:53", "example.com", dns.TypeNS); len(m.Answer) != 2 {
			t.Errorf("NS: %v", m.Answer)
		}
		if m := ask(t, n, "udp", "10.0.0.1:53", "example.com", dns.TypeNS); len(m.Answer) != 2 {
			t.Errorf("private NS: %v", m.Answer)
		}
		for i, want := range []string{"host-a", "host-b", "host-a"} {
			if got, err := n.Perspective(i)(t.Context(), "t.example.com"); err != nil || got[0] != want {
				t.Errorf("perspective %d: %v %v", i, got, err)
			}
		}
		if got := n.TXT("t.example.com"); !slices.Equal(got, []string{"host-a", "host-b", "private"}) {
			t.Errorf("TXT: %v", got)
		}
	})
}
