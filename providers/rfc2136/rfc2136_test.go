package rfc2136_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/certform/certform/providers/rfc2136"
	"github.com/libdns/libdns"
	upstream "github.com/libdns/rfc2136"
	"github.com/miekg/dns"
)

const secret = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5LWNhbmE="

func secrets(value string) func(context.Context, string) (string, error) {
	return func(context.Context, string) (string, error) { return value, nil }
}

func blockOf(spec *rfc2136.Spec, zone string) providers.DNS {
	return providers.DNS{Address: "dns.rfc2136.m", Kind: "rfc2136", Zones: []string{zone}, Spec: spec, Quirks: rfc2136.Kind().Quirks}
}

// With a key, with none, and with a first server whose answers are all lost
// although it does what it is told.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about    string
		unsigned bool
		deaf     bool
	}{{about: "signed"}, {about: "unsigned", unsigned: true}, {about: "several servers", deaf: true}} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			n := dnstest.New()
			t.Cleanup(func() { n.Close() })
			n.AddKey("certform", "hmac-sha256", secret)
			n.AddKey("reader", "hmac-sha256", secret)
			s1, s2 := n.AddServer("ns1.dns.test", "192.0.2.1"), n.AddServer("ns2.dns.test", "192.0.2.2")
			z := n.AddZone("example.com", s1, s2)
			z.Allow(dnstest.Allow{Keys: []string{"certform"}, UnsignedUpdate: c.unsigned})
			n.AddZone("child.example.com", s1, s2).Allow(dnstest.Allow{Keys: []string{"certform"}, UnsignedUpdate: c.unsigned})
			faults := &faults{deaf: c.deaf}
			for _, s := range []*dnstest.Server{s1, s2} {
				s.SetHook(faults.verdict)
			}
			w := providertest.World(n)
			w.Secret = secrets(secret)
			w.Dial = faults.dial(w.Dial)
			spec := func(key string) *rfc2136.Spec {
				s := &rfc2136.Spec{Server: "192.0.2.1", Fallbacks: []string{"192.0.2.2:53"}}
				if key != "" {
					s.KeyName, s.KeyAlg, s.Key = key, "hmac-sha256", block.NewSecret("env:K")
				}
				return s
			}
			whole := spec("certform")
			if c.unsigned {
				whole = spec("")
			}
			providertest.Run(t, providertest.Fixture{
				Level: providers.Scripted,
				World: w, Zone: "example.com", Nameservers: []string{"192.0.2.2:53"}, Child: "child.example.com",
				DNS: blockOf(whole, "example.com"), Lacking: spec("reader"), Right: "the key reader",
				TXT: n.TXT, Fault: faults.next,
				Foreign: func(name, value string) { z.Add("_acme-challenge." + name + `. TXT "` + value + `"`) },
			})
			if a, b := s1.Stats(), s2.Stats(); a.Transfers+b.Transfers > 0 || a.Updates == 0 || (b.Updates > 0) != c.deaf {
				t.Errorf("the servers counted %+v and %+v", a, b)
			}
		})
	}
}

// faults has updates fail, and answers to them be lost on their way.
type faults struct {
	deaf bool // all answers of the first server are lost
	wire bool // the server is real: what fails without being done is not sent

	mu    sync.Mutex
	queue []providertest.Fault
	lost  int // answers to updates that are still to be lost
}

func (f *faults) next(fault providertest.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, fault)
}

func (f *faults) verdict(q dnstest.Query) dnstest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q.Msg.Opcode != dns.OpcodeUpdate || len(f.queue) == 0 {
		return dnstest.None
	}
	fault := f.queue[0]
	f.queue = f.queue[1:]
	switch fault {
	case providertest.None:
		return dnstest.None
	case providertest.BrokenLate, providertest.LostReply: // DNS knows no other way to fail late
		f.lost++
		return dnstest.None
	}
	return dnstest.ServFail
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

func (f *faults) dial(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l := &line{Conn: c, faults: f, deaf: f.deaf && address == "192.0.2.1:53"}
		if p, ok := c.(net.PacketConn); ok {
			return &packetLine{l, p}, nil
		}
		return l, nil
	}
}

// line is a connection on which answers are lost.
type line struct {
	net.Conn
	faults *faults
	deaf   bool
	update bool
}

// packetLine is a line that carries packets, which have no length before them.
type packetLine struct {
	*line
	net.PacketConn
}

func (l *line) Write(b []byte) (int, error) {
	m := new(dns.Msg)
	l.update = m.Unpack(b) == nil && m.Opcode == dns.OpcodeUpdate || len(b) > 2 && m.Unpack(b[2:]) == nil && m.Opcode == dns.OpcodeUpdate
	if l.faults.wire && l.faults.verdict(dnstest.Query{Msg: m}) != dnstest.None {
		return 0, io.ErrClosedPipe
	}
	return l.Conn.Write(b)
}

func (l *line) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.faults.mu.Lock()
	defer l.faults.mu.Unlock()
	if l.update && l.faults.lost > 0 {
		l.faults.lost--
		return 0, io.ErrUnexpectedEOF
	}
	if l.deaf {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// Real servers, over real sockets.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *rig.Nameserver
	}{
		{"BIND", func(t *testing.T) *rig.Nameserver {
			return &rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test", "c.a.test"}}).Nameserver
		}},
		{"Knot", func(t *testing.T) *rig.Nameserver {
			return &rig.Knot(t, rig.KnotConfig{Zones: []string{"a.test", "c.a.test"}}).Nameserver
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := c.start(t)
			s.Add(t, "a.test", "c.a.test. 60 IN NS ns1.c.a.test.")
			w := &world.World{Secret: func(_ context.Context, ref string) (string, error) {
				if ref == "env:OTHER" {
					return secret, nil
				}
				return s.TSIG.Secret, nil
			}}
			faults := &faults{wire: true}
			d := net.Dialer{}
			w.Dial = faults.dial(d.DialContext)
			spec := &rfc2136.Spec{Server: s.Addr, KeyName: s.TSIG.Name, KeyAlg: "hmac-sha256", Key: block.NewSecret("env:K")}
			providertest.Run(t, providertest.Fixture{
				Level: providers.Real,
				Fault: faults.next,
				World: w, Zone: "a.test", DNS: blockOf(spec, "a.test"), Nameservers: []string{s.Addr}, Child: "c.a.test",
				Lacking: &rfc2136.Spec{Server: s.Addr, KeyName: s.TSIG.Name, KeyAlg: "hmac-sha256", Key: block.NewSecret("env:OTHER")},
				Right:   "the TSIG key certform",
				TXT:     func(name string) []string { return unescaped(s.TXT(t, name)) },
				Foreign: func(name, value string) {
					s.Add(t, "a.test", fmt.Sprintf(`_acme-challenge.%s. 60 IN TXT "%s"`, name, value))
				},
			})
			t.Run("refusals", func(t *testing.T) { refusals(t, s.Addr, "a.test.", s.TSIG.Secret, true) })
		})
	}
}

// unescaped is values as they are, from how the dns module keeps them.
func unescaped(values []string) (out []string) {
	for _, v := range values {
		out = append(out, providers.Text(&dns.TXT{Txt: []string{v}}))
	}
	return out
}

func TestRefusals(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	n.AddKey("certform", "hmac-sha256", secret)
	s := n.AddServer("ns1.dns.test", "192.0.2.1")
	n.AddZone("a.test", s)
	addr, err := n.ServeLoopback(s, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusals(t, addr.String(), "a.test.", secret, false)
}

// refusals: what the server says, with advice, and without the key. Not every
// server says what is wrong with a key.
func refusals(t *testing.T, addr, zone, right string, says bool) {
	const wrong = "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3I="
	for _, c := range []struct {
		about, key, alg, secret, zone string
		want, advice                  string
	}{
		{"accepted", "certform", "hmac-sha256", right, zone, "", ""},
		{"another secret", "certform", "hmac-sha256", wrong, zone, "BADSIG", "another secret"},
		{"an unknown key", "nobody", "hmac-sha256", right, zone, "BADKEY", "knows no TSIG key named nobody"},
		{"another algorithm", "certform", "hmac-sha512", right, zone, "BADKEY", "hmac-sha512"},
		{"no key", "", "", "", zone, "the server answers", "key"},
		{"another zone", "certform", "hmac-sha256", right, "other.test.", "NOTAUTH", "not primary for zone other.test."},
	} {
		t.Run(c.about, func(t *testing.T) {
			spec := &rfc2136.Spec{Server: addr, KeyName: c.key, KeyAlg: c.alg}
			if c.key != "" {
				spec.Key = block.NewSecret("env:K")
			}
			if p := spec.Check(); len(p) > 0 {
				t.Fatal(p)
			}
			p, err := spec.Open(t.Context(), &world.World{Secret: secrets(c.secret)})
			if err != nil {
				t.Fatal(err)
			}
			err = p.(providers.Changer).Change(t.Context(), c.zone, []libdns.RR{{Name: "x", Type: "TXT", Data: "v", TTL: time.Minute}}, nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !says && strings.HasPrefix(c.want, "BAD") {
				c.want, c.advice = "NOTAUTH", "does not know the TSIG key"
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %s", err, c.want)
			}
			if advice := strings.Join(world.Advice(err), "\n"); !strings.Contains(advice, c.advice) {
				t.Errorf("advice %q, want %q", advice, c.advice)
			}
			if _, again := world.RetryAt(err); again {
				t.Error("it would be tried again")
			}
			if s := err.Error(); strings.Contains(s, right) || strings.Contains(s, wrong) {
				t.Error("the error shows the key")
			}
		})
	}
}

// A batch beyond one message goes in several, one beyond UDP over TCP.
func TestLarge(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	s := n.AddServer("ns1.dns.test", "192.0.2.1")
	z := n.AddZone("a.test", s)
	z.Allow(dnstest.Allow{UnsignedUpdate: true})
	p, err := (&rfc2136.Spec{Server: "192.0.2.1"}).Open(t.Context(), providertest.World(n))
	if err != nil {
		t.Fatal(err)
	}
	var rrs []libdns.RR
	for i := range 1500 {
		rrs = append(rrs, libdns.RR{Name: fmt.Sprintf("_acme-challenge.a-rather-long-name-%d", i), Type: "TXT", Data: strings.Repeat("x", 43), TTL: time.Minute})
	}
	if err := p.(providers.Changer).Change(t.Context(), "a.test.", rrs, nil); err != nil {
		t.Fatal(err)
	}
	if st := z.Stats(); st.Added != 1500 || st.Updates < 2 || st.Updates > 4 {
		t.Errorf("%+v", st)
	}
	if err := p.(providers.Changer).Change(t.Context(), "a.test.", nil, rrs); err != nil {
		t.Fatal(err)
	}
	if st := z.Stats(); st.Removed != 1500 {
		t.Errorf("%+v", st)
	}
}

func TestCheck(t *testing.T) {
	providertest.Arguments(t, &rfc2136.Spec{}, &upstream.Provider{})
	for _, s := range []rfc2136.Spec{
		{Server: "ns1", KeyName: "k"}, {Server: "ns1", Key: block.NewSecret("env:K")}, {Server: "ns1", KeyAlg: "md5"},
		{Server: "ns1", Fallbacks: []string{"ns2", ""}},
	} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
}

// A real secondary lags: Present returns when it shows the value too, and says
// meanwhile whom it waits for.
func TestLag(t *testing.T) {
	t.Parallel()
	primary := rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test"}, NotifyDelay: 4})
	secondary := rig.Knot(t, rig.KnotConfig{Primary: primary})
	var mu sync.Mutex
	var notes []string
	spec := &rfc2136.Spec{Server: primary.Addr, KeyName: primary.TSIG.Name, KeyAlg: "hmac-sha256", Key: block.NewSecret("env:K")}
	z := providers.NewZones(&world.World{Secret: secrets(primary.TSIG.Secret)}, providers.Options{
		DNS:   []providers.DNS{blockOf(spec, "a.test")},
		Zones: []providers.Zone{{Address: "zone.a", Name: "a.test", Nameservers: []string{primary.Addr, secondary.Addr}}},
		Say: func(e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == event.Propagating {
				notes = append(notes, e.Note)
			}
		},
	})
	defer z.Close()
	f, err := z.Find(t.Context(), cert.Name{Kind: cert.DNS, Value: "*.a.test"})
	if err != nil || f.Zone != "a.test." || len(f.Warnings) > 0 {
		t.Fatalf("found %+v, %v", f, err)
	}
	// The first change may be notified at once; the second one is not.
	for _, text := range []string{"first", "second"} {
		v := []providers.Value{{Zone: f.Zone, Name: f.Target, Text: text}}
		if err := z.Present(t.Context(), z.Expect([]providers.Found{f}), v); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*rig.Nameserver{&primary.Nameserver, &secondary.Nameserver} {
			if got := s.TXT(t, f.Target); !slices.Contains(got, text) {
				t.Errorf("presented, and %s shows %q", s.Addr, got)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(notes, "\n"); !strings.Contains(all, secondary.Addr) || strings.Contains(all, primary.Addr) {
		t.Errorf("notes %q, want %s named", notes, secondary.Addr)
	}
}

// When no server answers all of them are named, and it is tried again.
func TestNoServerAnswers(t *testing.T) {
	p, err := (&rfc2136.Spec{Server: "127.0.0.1:1", Fallbacks: []string{"127.0.0.1:2"}}).Open(t.Context(), &world.World{})
	if err != nil {
		t.Fatal(err)
	}
	err = p.(providers.Changer).Change(t.Context(), "a.test.", []libdns.RR{{Name: "x", Type: "TXT", Data: "v"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1: ") || !strings.Contains(err.Error(), "127.0.0.1:2: ") {
		t.Errorf("error %v", err)
	}
	if _, again := world.RetryAt(err); !again {
		t.Errorf("it would not be tried again: %v", err)
	}
}
