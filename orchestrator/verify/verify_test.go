package verify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/verify"
	"github.com/certform/certform/orchestrator/world"
)

// authority is a root with one intermediate.
type authority struct {
	t           *testing.T
	root, inter *x509.Certificate
	rootKey     *ecdsa.PrivateKey
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	a.rootKey, a.key = ecKey(t), ecKey(t)
	ca := func(cn string) *x509.Certificate {
		a.serial++
		return &x509.Certificate{SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: cn}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10000 * time.Hour)}
	}
	tmpl := ca(name + " root")
	a.root = a.sign(tmpl, tmpl, a.rootKey.Public(), a.rootKey)
	a.inter = a.sign(ca(name+" 1"), a.root, a.key.Public(), a.rootKey)
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) sign(tmpl, parent *x509.Certificate, pub, priv any) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, priv)
	if err != nil {
		a.t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return x
}

func (a *authority) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

// issue signs a leaf that is valid for life, from an hour ago.
func (a *authority) issue(kt cert.KeyType, life time.Duration, names ...string) *cert.Bundle {
	a.t.Helper()
	k, err := cert.GenerateKey(kt)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	x := a.sign(&x509.Certificate{SerialNumber: big.NewInt(a.serial), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life)}, a.inter, k.Signer().Public(), a.key)
	b, err := cert.NewBundle(cert.Chain{x, a.inter}, k)
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func pair(b *cert.Bundle, chain ...*x509.Certificate) tls.Certificate {
	if chain == nil {
		chain = b.Chain
	}
	c := tls.Certificate{PrivateKey: b.Key().Signer()}
	for _, x := range chain {
		c.Certificate = append(c.Certificate, x.Raw)
	}
	return c
}

// withRoot is b as a CA gives it that sends its root along.
func withRoot(t *testing.T, b *cert.Bundle, root *x509.Certificate) *cert.Bundle {
	t.Helper()
	out, err := cert.NewBundle(append(append(cert.Chain{}, b.Chain...), root), b.Key())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// serve is a peer that shakes hands.
func serve(conf *tls.Config) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		s := tls.Server(c, conf)
		if s.Handshake() == nil {
			io.Copy(io.Discard, s)
		}
	}
}

func serving(certs ...tls.Certificate) func(net.Conn) {
	return serve(&tls.Config{Certificates: certs})
}

// place is a world where each address has a peer, or an error to dial it.
type place struct {
	mu    sync.Mutex
	peers map[string]func(net.Conn)
	fails map[string]error
	wg    sync.WaitGroup
}

func (p *place) world(roots *x509.CertPool, hosts map[string][]string) *world.World {
	return &world.World{
		Roots: roots,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			as, ok := hosts[host]
			if !ok {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
			var out []netip.Addr
			for _, a := range as {
				out = append(out, netip.MustParseAddr(a))
			}
			return out, nil
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			p.mu.Lock()
			peer, err := p.peers[address], p.fails[network+" "+address]
			p.mu.Unlock()
			if err != nil {
				return nil, &net.OpError{Op: "dial", Net: network, Err: err}
			}
			if peer == nil && network != "udp" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			client, server := net.Pipe()
			if peer == nil {
				server.Close()
				return client, nil
			}
			p.wg.Go(func() { peer(server) })
			return client, nil
		},
	}
}

func (p *place) set(addr string, peer func(net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peers == nil {
		p.peers = map[string]func(net.Conn){}
	}
	p.peers[addr] = peer
}

func (p *place) fail(network, addr string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails == nil {
		p.fails = map[string]error{}
	}
	p.fails[network+" "+addr] = err
}

var www = cert.Endpoint{Address: "www.example.com", Port: 443, ServerName: "www.example.com", Within: time.Minute}

const v4, v6 = "192.0.2.1:443", "[2001:db8::1]:443"

func TestLook(t *testing.T) {
	hosts := map[string][]string{"www.example.com": {"192.0.2.1"}, "two.example.com": {"192.0.2.1", "2001:db8::1", "192.0.2.1"}, "none.example.com": {}}
	public := newAuthority(t, "Public")
	private := newAuthority(t, "Private")
	b := public.issue(cert.ECDSAP256, 90*24*time.Hour, "www.example.com", "*.example.com")
	rsa := public.issue(cert.RSA2048, 90*24*time.Hour, "www.example.com")
	mine := private.issue(cert.ECDSAP256, 90*24*time.Hour, "www.example.com")
	expired := public.issue(cert.ECDSAP256, -time.Minute, "www.example.com")
	foreign := public.issue(cert.ECDSAP256, 90*24*time.Hour, "other.test")

	two := www
	two.Address = "two.example.com"
	with := func(e cert.Endpoint, f func(*cert.Endpoint)) cert.Endpoint { f(&e); return e }
	good := func(p *place) { p.set(v4, serving(pair(b))); p.set(v6, serving(pair(b))) }

	for _, c := range []struct {
		name string
		e    cert.Endpoint
		set  func(*place)
		want *cert.Bundle
		ok   bool
		why  []string // all of them are in the reason
		not  string   // is not in the reason
	}{
		{name: "served", e: www, set: good, want: b, ok: true},
		{name: "served at both addresses", e: two, set: good, want: b, ok: true},
		{name: "another leaf", e: www, set: func(p *place) { p.set(v4, serving(pair(rsa))) }, want: b,
			why: []string{v4, "sha256 " + rsa.Leaf().Short(), "Public 1"}},
		{name: "another leaf, of a CA that is not known here", e: www, set: func(p *place) { p.set(v4, serving(pair(mine))) }, want: b,
			why: []string{v4, "sha256 " + mine.Leaf().Short(), "Private 1"}, not: "chain"},
		{name: "one of two addresses lags", e: two, want: b,
			set: func(p *place) { p.set(v4, serving(pair(b))); p.set(v6, serving(pair(foreign))) },
			why: []string{v6, "other.test"}, not: "not for"},
		{name: "refused, and told once", e: www, set: func(p *place) {
			p.fail("tcp", v4, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
		}, want: b, why: []string{v4 + ": dial: connection refused"}, not: "tcp"},
		{name: "another name", e: www, set: func(p *place) { p.set(v4, serving(pair(foreign))) }, want: foreign,
			why: []string{"not for www.example.com", "other.test"}},
		{name: "expired", e: www, set: func(p *place) { p.set(v4, serving(pair(expired))) }, want: expired, why: []string{"expired at"}},
		{name: "incomplete chain", e: www, set: func(p *place) { p.set(v4, serving(pair(b, b.Chain[0]))) }, want: b,
			why: []string{"chain is incomplete", "Public 1"}},
		{name: "private CA, all of the chain", e: www, set: func(p *place) { p.set(v4, serving(pair(mine))) }, want: mine, ok: true},
		{name: "private CA, chain with root, served without", e: www, want: withRoot(t, mine, private.root), ok: true,
			set: func(p *place) { p.set(v4, serving(pair(mine))) }},
		{name: "private CA, incomplete", e: www, set: func(p *place) { p.set(v4, serving(pair(mine, mine.Chain[0]))) }, want: mine,
			why: []string{"chain is incomplete", "Private 1"}},
		{name: "a stranger's intermediate", e: www, want: b,
			set: func(p *place) { p.set(v4, serving(pair(b, b.Chain[0], private.inter))) }, why: []string{"incomplete"}},
		{name: "plain text", e: www, want: b, why: []string{"does not speak TLS"},
			set: func(p *place) {
				p.set(v4, func(c net.Conn) {
					defer c.Close()
					go io.Copy(io.Discard, c)
					io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
				})
			}},
		{name: "closes at once", e: www, set: func(p *place) { p.set(v4, func(c net.Conn) { c.Close() }) }, want: b, why: []string{v4, "closed"}},
		{name: "refused", e: www, set: func(p *place) { p.fail("tcp", v4, syscall.ECONNREFUSED) }, want: b, why: []string{v4, "dial", "refused"}},
		{name: "never answers", e: www, set: func(p *place) {}, want: b, why: []string{v4, "dial"}},
		{name: "dials and never speaks", e: www, want: b, why: []string{v4, "no answer within 10s"},
			set: func(p *place) { p.set(v4, func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }) }},
		{name: "wants a certificate of ours", e: www, want: b, ok: true,
			set: func(p *place) {
				p.set(v4, serve(&tls.Config{Certificates: []tls.Certificate{pair(b)}, ClientAuth: tls.RequireAndVerifyClientCert, MaxVersion: tls.VersionTLS12}))
			}},
		{name: "IPv6 has no route", e: two, want: b, ok: true,
			set: func(p *place) { p.set(v4, serving(pair(b))); p.fail("tcp", v6, syscall.ENETUNREACH) }},
		{name: "IPv6 cannot be bound here", e: two, want: b, ok: true,
			set: func(p *place) {
				p.set(v4, serving(pair(b)))
				p.fail("tcp", v6, syscall.EADDRNOTAVAIL)
				p.fail("udp", v6, syscall.EADDRNOTAVAIL)
			}},
		{name: "a host is down", e: two, want: b, why: []string{v6, "no route to host"},
			set: func(p *place) { p.set(v4, serving(pair(b))); p.fail("tcp", v6, syscall.EHOSTUNREACH) }},
		{name: "no route at all", e: www, want: b, why: []string{v4, "unreachable"},
			set: func(p *place) { p.fail("tcp", v4, syscall.ENETUNREACH) }},
		{name: "unknown host", e: with(www, func(e *cert.Endpoint) { e.Address = "gone.example.com" }), set: good, want: b, why: []string{"gone.example.com", "no such host"}},
		{name: "host without address", e: with(www, func(e *cert.Endpoint) { e.Address = "none.example.com" }), set: good, want: b, why: []string{"no address"}},
		{name: "the RSA one of two", e: with(www, func(e *cert.Endpoint) { e.Family = "rsa" }), want: rsa, ok: true,
			set: func(p *place) { p.set(v4, serving(pair(b), pair(rsa))) }},
		{name: "the ECDSA one of two", e: with(www, func(e *cert.Endpoint) { e.Family = "ecdsa" }), want: b, ok: true,
			set: func(p *place) { p.set(v4, serving(pair(rsa), pair(b))) }},
		{name: "RSA wanted, only ECDSA there", e: with(www, func(e *cert.Endpoint) { e.Family = "rsa" }), want: rsa,
			set: func(p *place) { p.set(v4, serving(pair(b))) }, why: []string{"sha256 " + b.Leaf().Short()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The certificates are of the real time; the bubble's clock is set to it.
				time.Sleep(time.Until(b.Chain.Leaf().NotBefore.Add(time.Hour + time.Minute)))
				p := &place{}
				c.set(p)
				w := p.world(public.roots(), hosts)
				seen := verify.Look(t.Context(), w, c.e, verify.Expect{Chain: c.want.Chain})
				ok, why := seen.Serves(c.want.Leaf())
				if ok != c.ok {
					t.Errorf("served is %v, should be %v: %s", ok, c.ok, why)
				}
				for _, s := range c.why {
					if !strings.Contains(why, s) {
						t.Errorf("the reason %q does not say %q", why, s)
					}
				}
				if c.not != "" && strings.Contains(why, c.not) {
					t.Errorf("the reason %q says %q", why, c.not)
				}
				p.wg.Wait()
			})
		})
	}
}

func TestLookSays(t *testing.T) {
	a := newAuthority(t, "Public")
	b := a.issue(cert.ECDSAP384, 90*24*time.Hour, "www.example.com", "a.example.com")
	p := &place{}
	p.set(v4, serving(pair(b)))
	p.fail("tcp", v6, syscall.ENETUNREACH)
	w := p.world(a.roots(), map[string][]string{"www.example.com": {"192.0.2.1", "2001:db8::1"}})
	s := verify.Look(t.Context(), w, www, verify.Expect{})
	if len(s.Addresses) != 2 || len(s.Unroutable()) != 1 || s.Unroutable()[0].String() != v6 {
		t.Fatalf("%+v", s)
	}
	x := s.Addresses[0]
	if x.Leaf != b.Leaf() || !x.NotAfter.Equal(b.Chain.Leaf().NotAfter) || x.Issuer != "Public 1" || x.KeyType != cert.ECDSAP384 ||
		strings.Join(x.Names, " ") != "a.example.com www.example.com" || x.Err != nil {
		t.Errorf("%+v", x)
	}
}

// talk is a peer that reads what it waits for, answers, and at the end serves.
func talk(b *cert.Bundle, greeting string, lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		if greeting != "" { // an empty write to a pipe waits for a reader
			io.WriteString(c, greeting)
		}
		for i := 0; i+1 < len(lines); i += 2 {
			buf := make([]byte, len(lines[i]))
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != lines[i] {
				io.WriteString(c, "500 what?\r\n")
				c.Close()
				return
			}
			io.WriteString(c, lines[i+1])
		}
		serving(pair(b))(c)
	}
}

func TestStartTLS(t *testing.T) {
	a := newAuthority(t, "Public")
	b := a.issue(cert.ECDSAP256, 90*24*time.Hour, "www.example.com")
	const ask = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	for _, c := range []struct {
		name, protocol string
		peer           func(net.Conn)
		why            string
	}{
		{"smtp", "smtp", talk(b, "220-mail\r\n220 ready\r\n", "EHLO localhost\r\n", "250-mail\r\n250-SIZE 100\r\n250 STARTTLS\r\n", "STARTTLS\r\n", "220 go\r\n"), ""},
		{"smtp refuses", "smtp", talk(b, "220 ready\r\n", "EHLO localhost\r\n", "250 mail\r\n", "STARTTLS\r\n", "454 not now\r\n"), `"454 not now"`},
		{"smtp talks on", "smtp", talk(b, "220 ready\r\n", "EHLO localhost\r\n", "250 mail\r\n", "STARTTLS\r\n", "220 go\r\n250 injected\r\n"), "plain text after"},
		{"imap", "imap", talk(b, "* OK [CAPABILITY STARTTLS] hello\r\n", "a1 STARTTLS\r\n", "* 1 EXISTS\r\na1 OK begin\r\n"), ""},
		{"imap refuses", "imap", talk(b, "* OK hello\r\n", "a1 STARTTLS\r\n", "a1 BAD no\r\n"), "a1 BAD no"},
		{"pop3", "pop3", talk(b, "+OK hello\r\n", "STLS\r\n", "+OK go\r\n"), ""},
		{"pop3 refuses", "pop3", talk(b, "+OK hello\r\n", "STLS\r\n", "-ERR no\r\n"), "-ERR no"},
		{"ldap", "ldap", talk(b, "", ask, "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), ""},
		{"ldap with long lengths", "ldap", talk(b, "", ask, "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"), ""},
		{"ldap refuses", "ldap", talk(b, "", ask, "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"), "result code 52"},
		{"ldap garbage", "ldap", talk(b, "", ask, "\x30\x04\x02\x7f\x01\x78"), "well-formed"},
		{"postgres", "postgres", talk(b, "", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "S"), ""},
		{"postgres refuses", "postgres", talk(b, "", "\x00\x00\x00\x08\x04\xd2\x16\x2f", "N"), "does not offer TLS"},
		{"a protocol nobody knows", "gopher", talk(b, ""), "not known"},
		{"silence", "smtp", func(c net.Conn) { io.Copy(io.Discard, c); c.Close() }, "no answer within 10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(b.Chain.Leaf().NotBefore.Add(time.Hour + time.Minute)))
				p := &place{}
				p.set(v4, c.peer)
				w := p.world(a.roots(), map[string][]string{"www.example.com": {"192.0.2.1"}})
				e := www
				e.StartTLS = c.protocol
				ok, why := verify.Look(t.Context(), w, e, verify.Expect{}).Serves(b.Leaf())
				if ok != (c.why == "") || !strings.Contains(why, c.why) {
					t.Errorf("served is %v: %q, expected %q", ok, why, c.why)
				}
				p.wg.Wait()
			})
		})
	}
}

func TestWait(t *testing.T) {
	hosts := map[string][]string{"www.example.com": {"192.0.2.1", "192.0.2.2"}}
	const other = "192.0.2.2:443"
	a := newAuthority(t, "Public")
	old := a.issue(cert.ECDSAP256, 90*24*time.Hour, "www.example.com")
	b := a.issue(cert.ECDSAP256, 90*24*time.Hour, "www.example.com")
	bubble := func(t *testing.T, f func(t *testing.T, p *place, w *world.World)) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(b.Chain.Leaf().NotBefore.Add(time.Hour + time.Minute)))
			p := &place{}
			p.set(v4, serving(pair(b)))
			p.set(other, serving(pair(old)))
			f(t, p, p.world(a.roots(), hosts))
			p.wg.Wait()
		})
	}
	t.Run("the second address comes later", func(t *testing.T) {
		bubble(t, func(t *testing.T, p *place, w *world.World) {
			time.AfterFunc(20*time.Second, func() { p.set(other, serving(pair(b))) })
			began := time.Now()
			var events []event.Event
			seen, err := verify.Wait(t.Context(), w, www, verify.Expect{Chain: b.Chain}, func(e event.Event) { events = append(events, e) })
			if err != nil || len(seen.Addresses) != 2 {
				t.Errorf("%v, %+v", err, seen)
			}
			if took := time.Since(began); took < 20*time.Second || took > 26*time.Second {
				t.Errorf("it took %s", took)
			}
			if len(events) != 2 || events[0].Kind != event.Verifying || !strings.Contains(events[0].Note, other) ||
				events[1].Kind != event.Verified || events[1].Place != www.ID() {
				t.Errorf("%+v", events)
			}
		})
	})
	t.Run("it never comes", func(t *testing.T) {
		bubble(t, func(t *testing.T, p *place, w *world.World) {
			began := time.Now()
			_, err := verify.Wait(t.Context(), w, www, verify.Expect{Chain: b.Chain}, nil)
			if err == nil || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), old.Leaf().Short()) || strings.Contains(err.Error(), v4) {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took != time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	})
	t.Run("it never answers", func(t *testing.T) {
		bubble(t, func(t *testing.T, p *place, w *world.World) {
			p.set(other, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
			soon := www
			soon.Within = 4 * time.Second
			began := time.Now()
			_, err := verify.Wait(t.Context(), w, soon, verify.Expect{Chain: b.Chain}, nil)
			if err == nil || !strings.Contains(err.Error(), "no answer within 4s") {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	})
	t.Run("it is called off", func(t *testing.T) {
		bubble(t, func(t *testing.T, p *place, w *world.World) {
			stop := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(stop) })
			if _, err := verify.Wait(ctx, w, www, verify.Expect{Chain: b.Chain}, nil); !errors.Is(err, stop) {
				t.Errorf("%v", err)
			}
		})
	})
}

func TestLoopback(t *testing.T) {
	a := newAuthority(t, "Public")
	b := a.issue(cert.ECDSAP256, time.Hour, "localhost.test")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair(b)}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := l.Accept()
		if err == nil {
			c.(*tls.Conn).Handshake()
			io.Copy(io.Discard, c)
			c.Close()
		}
	})
	e := cert.Endpoint{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, ServerName: "localhost.test"}
	w := &world.World{Roots: a.roots()}
	if _, err := verify.Wait(t.Context(), w, e, verify.Expect{Chain: b.Chain}, nil); err != nil {
		t.Error(err)
	}
	l.Close()
	_, err = verify.Wait(t.Context(), w, e, verify.Expect{Chain: b.Chain}, nil)
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
}
