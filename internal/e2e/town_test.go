package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
)

// town is the outside world of a test: a CA, and a name server that takes
// signed updates.
type town struct {
	t  testing.TB
	ca *acmetest.CA
	ns rig.Nameserver // of the zones
	// net is the DNS world behind ns; nil where ns is a real server.
	net   *dnstest.Net
	zones []string

	directory string
	mu        sync.Mutex
	orders    map[string]map[string]bool // names, sorted -> URLs of their orders
}

// newTown makes a CA that asks our own name server.
func newTown(t testing.TB, zones ...string) *town {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	key := rig.TSIG{Name: "certform.", Algorithm: dns.HmacSHA256, Secret: base64.StdEncoding.EncodeToString(secret)}
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	n.AddKey(key.Name, key.Algorithm, key.Secret)
	server := n.AddServer("ns1."+zones[0], "127.0.0.1")
	for _, z := range zones {
		n.AddZone(z, server).Allow(dnstest.Allow{Keys: []string{key.Name}})
	}
	addr, err := n.ServeLoopback(server, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := townAt(t, rig.Nameserver{Addr: addr.String(), TSIG: key}, zones...)
	w.net = n
	return w
}

// townAt makes a CA that asks a name server that is there already.
func townAt(t testing.TB, ns rig.Nameserver, zones ...string) *town {
	t.Helper()
	w := &town{t: t, ns: ns, zones: zones, orders: map[string]map[string]bool{}}
	w.ca = acmetest.New(acmetest.Config{Lookup: lookup(ns.Addr)})
	t.Cleanup(func() { w.ca.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ca.ServeTLSHandler(l, http.HandlerFunc(w.front))
	w.directory = w.ca.DirectoryURL("https://" + l.Addr().String())
	return w
}

// lookup asks one server for TXT values, as a CA's resolver would end up doing.
func lookup(addr string) acmetest.Lookup {
	return func(ctx context.Context, name string) ([]string, error) {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
		m.RecursionDesired = false
		c := &dns.Client{Net: "tcp", Timeout: 5 * time.Second}
		r, _, err := c.ExchangeContext(ctx, m, addr)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, rr := range r.Answer {
			if txt, ok := rr.(*dns.TXT); ok {
				out = append(out, strings.Join(txt.Txt, ""))
			}
		}
		return out, nil
	}
}

// front stands before the CA and notes which orders it made for which names.
func (w *town) front(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/new-order" {
		w.ca.ServeHTTP(rw, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	w.ca.ServeHTTP(rw, r)
	url := rw.Header().Get("Location")
	if url == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	names := strings.Join(ordered(body), " ")
	if w.orders[names] == nil {
		w.orders[names] = map[string]bool{}
	}
	w.orders[names][url] = true
}

// ordered are the names in a newOrder request.
func ordered(jws []byte) []string {
	var envelope struct {
		Payload string `json:"payload"`
	}
	var order struct {
		Identifiers []acmetest.Identifier `json:"identifiers"`
	}
	if json.Unmarshal(jws, &envelope) != nil {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(envelope.Payload)
	if err != nil || json.Unmarshal(payload, &order) != nil {
		return nil
	}
	var names []string
	for _, id := range order.Identifiers {
		names = append(names, id.Value)
	}
	return sorted(names)
}

// ordersFor is how many orders the CA made for this very set of names.
func (w *town) ordersFor(names ...string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.orders[strings.Join(sorted(names), " ")])
}

// ordersMade is how many orders the CA made.
func (w *town) ordersMade() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, urls := range w.orders {
		n += len(urls)
	}
	return n
}

// issuedFor is how many certificates the CA signed for this very set of names.
func (w *town) issuedFor(names ...string) int {
	want := strings.Join(sorted(names), " ")
	n := 0
	for _, i := range w.ca.Issued() {
		if strings.Join(i.Names, " ") == want {
			n++
		}
	}
	return n
}

// config is the part of a configuration that leads to this town: the issuer
// "ca", the dns block "ns", and the zones. It writes the files it refers to.
func (w *town) config(d *desk) string {
	d.t.Helper()
	d.write("ca.pem", string(w.ca.RootPEM()))
	d.write("tsig.key", w.ns.TSIG.Secret+"\n")
	return w.issuer("ca") + w.dns("ns", w.zones...) + w.zoneBlocks()
}

// issuer is a block for the CA.
func (w *town) issuer(label string) string {
	return fmt.Sprintf(`issuer "acme" %q {
  directory = %q
  ca_file   = "ca.pem"
}
`, label, w.directory)
}

// dns is a block for the name server.
func (w *town) dns(label string, zones ...string) string {
	return fmt.Sprintf(`dns "rfc2136" %q {
  server   = %q
  key_name = %q
  key      = secret("file:tsig.key")
  zones    = %s
}
`, label, w.ns.Addr, w.ns.TSIG.Name, argv(zones...))
}

// zoneBlocks say whom to ask: on loopback a delegation names no port.
func (w *town) zoneBlocks() string {
	var b strings.Builder
	for _, z := range w.zones {
		b.WriteString(zoneBlock(z, w.ns.Addr))
	}
	return b.String()
}

func zoneBlock(zone string, servers ...string) string {
	return fmt.Sprintf(`zone %q {
  nameservers = %s
  resolvers   = %s
}
`, zone, argv(servers...), argv(servers[0]))
}

// zone is what a zone holds, without its SOA, whose serial grows.
func (w *town) zone(name string) []string {
	w.t.Helper()
	var out []string
	for _, rr := range w.ns.Dump(w.t, name)[1:] {
		if rr.Header().Rrtype != dns.TypeSOA {
			out = append(out, rr.String())
		}
	}
	return out
}

// clean asserts that no challenge is left in any zone.
func (w *town) clean() {
	w.t.Helper()
	for _, z := range w.zones {
		for _, rr := range w.zone(z) {
			if strings.Contains(rr, "_acme-challenge") {
				w.t.Errorf("left in zone %s: %s", z, rr)
			}
		}
	}
}
