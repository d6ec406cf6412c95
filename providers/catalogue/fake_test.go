package catalogue

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/libdns/libdns"
	"github.com/zclconf/go-cty/cty"
)

// fake is a host's API in memory, as its libdns provider uses it. It behaves
// as the host does: a PUT replaces, a removal by name removes all.
type fake struct {
	zone    string            // the zone it holds, without trailing dot
	args    map[string]string // arguments of the block; %URL% becomes the fake's base URL
	handler http.Handler
	txt     func(name string) []string // values held at a fully qualified name without trailing dot
	foreign func(name, value string)   // puts a value there by another way
}

// fakes is filled by the files of the hosts, by init.
var fakes = map[string]func() fake{}

// TestFakes adds and removes two values at one name beside a foreign one, at
// each host that has a fake.
func TestFakes(t *testing.T) {
	for _, r := range rows {
		if fakes[r.name] != nil {
			t.Run(r.name, func(t *testing.T) { r.at(t, fakes[r.name]()) })
		}
	}
}

// What a provider lists is what is there, or it says that it cannot: what a
// list does not show passes for removed.
func TestLists(t *testing.T) {
	for _, r := range rows {
		if fakes[r.name] == nil || r.quirks.OneValue {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			f := fakes[r.name]()
			base, roots, dial := redirect(t, f.handler)
			args := map[string]string{}
			for name, value := range f.args {
				args[name] = strings.ReplaceAll(value, "%URL%", base)
			}
			name := "_acme-challenge." + f.zone
			for _, text := range []string{theirs, first, second} {
				f.foreign(name, text)
			}
			p, err := r.decoded(t, args).Open(t.Context(), secretsOf(args, roots, dial))
			if err != nil {
				t.Fatal(err)
			}
			recs, err := p.(libdns.RecordGetter).GetRecords(t.Context(), f.zone+".")
			if err != nil {
				return // it says that it cannot
			}
			var got []string
			for _, rec := range recs {
				if rec == nil {
					continue
				}
				if rr := rec.RR(); rr.Type == "TXT" && providers.Absolute(rr.Name, f.zone) == name+"." {
					got = append(got, rr.Data)
				}
			}
			for _, text := range []string{theirs, first, second} {
				if !slices.Contains(got, text) {
					t.Errorf("the host has %q, and the provider lists %q", text, got)
				}
			}
		})
	}
}

// A row that says it was tried has a fake, and none has one without saying so.
// A host whose provider nobody has read is not in the table: whether it leaves
// the values of others alone is not known.
func TestProof(t *testing.T) {
	for _, r := range rows {
		if r.proof == compiled {
			t.Errorf("%s: its provider was not read", r.name)
		}
		if tried := r.proof >= scripted; tried != (fakes[r.name] != nil) {
			t.Errorf(`%s: proof is %s; has a fake (func init() { fakes[%q] = ... } in its test file): %v`, r.name, r.proof, r.name, !tried)
		}
		if r.proof >= read {
			for what, cite := range map[string]string{"Values": r.read.Values, "Append": r.read.Append, "Delete": r.read.Delete, "ID": r.read.ID,
				"TTL": r.read.TTL, "Batch": r.read.Batch, "Pace": r.read.Pace, "Zone": r.read.Zone} {
				if cite == "" {
					t.Errorf("%s: proof is %s, and no citation for %s", r.name, r.proof, what)
				}
			}
		}
		if r.proof == read && r.unproven == "" {
			t.Errorf("%s: it was read and not tried: say why in unproven", r.name)
		}
	}
}

// redirect has every request of the test that goes by http.DefaultTransport
// or by a copy of it end at the fake, whatever its host; r.Host keeps that.
// The world's clients, which check certificates, end there by dialWorld.
func redirect(t *testing.T, h http.Handler) (base string, roots *x509.CertPool, dialWorld func(context.Context, string, string) (net.Conn, error)) {
	t.Helper()
	s := httptest.NewServer(h)
	addr := s.Listener.Addr().String()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	secure := httptest.NewUnstartedServer(h)
	secure.TLS, roots = anyHost(t)
	secure.StartTLS()
	t.Cleanup(func() { secure.CloseClientConnections(); secure.Close() })
	dialWorld = func(ctx context.Context, network, to string) (net.Conn, error) {
		if strings.HasSuffix(to, ":443") {
			return new(net.Dialer).DialContext(ctx, "tcp", secure.Listener.Addr().String())
		}
		return dial(ctx, network, to)
	}
	before := http.DefaultTransport
	// What DialTLSContext returns is taken for TLS as it is.
	to := &http.Transport{DialContext: dial, DialTLSContext: dial}
	http.DefaultTransport = to
	t.Cleanup(func() {
		http.DefaultTransport = before
		to.CloseIdleConnections()
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL, roots, dialWorld
}

// anyHost is a server's side of TLS that is whatever host it is taken for, and
// whom a client must trust for that.
func anyHost(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: ca.NotAfter, DNSNames: []string{hello.ServerName}}
		der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), key)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
	}}, roots
}

// decoded is a block of the row with these arguments.
func (r *row) decoded(t *testing.T, args map[string]string) *spec {
	t.Helper()
	s := r.kind().New().(*spec)
	secret := map[string]bool{}
	for _, a := range block.Arguments(s) {
		secret[a.Name] = a.Secret
	}
	var text strings.Builder
	ectx := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for name, value := range args {
		fmt.Fprintf(&text, "%s = %s\n", name, name)
		ectx.Variables[name] = cty.StringVal(value)
		if secret[name] {
			ectx.Variables[name] = block.SecretValue(block.NewSecret("test:" + name))
		}
	}
	f, diags := hclsyntax.ParseConfig([]byte(text.String()), "block.hcl", hcl.InitialPos)
	if !diags.HasErrors() {
		diags = block.Decode(f.Body, ectx, s)
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if p := s.Check(); p != nil {
		t.Fatalf("%+v", p)
	}
	return s
}

// secretsOf is a world in which test:NAME is the argument of that name.
func secretsOf(args map[string]string, roots *x509.CertPool, dial func(context.Context, string, string) (net.Conn, error)) *world.World {
	return &world.World{
		Dial:  dial,
		Roots: roots,
		Secret: func(_ context.Context, ref string) (string, error) {
			return args[strings.TrimPrefix(ref, "test:")], nil
		},
		Resolvers: func() []string { return nil },
	}
}

// at runs the row at a fake, behind the broker.
func (r *row) at(t *testing.T, f fake) {
	base, roots, dial := redirect(t, f.handler)
	args := map[string]string{}
	for name, value := range f.args {
		args[name] = strings.ReplaceAll(value, "%URL%", base)
	}
	quirks := r.quirks
	quirks.PerSecond, quirks.Burst = 0, 0 // nobody counts here
	const address = "dns.test.main"
	// The name servers are asked over loopback, past the world's door, which
	// leads to the fake.
	servers := providertest.Serve(t, f.txt)
	w := secretsOf(args, roots, func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == servers {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		return dial(ctx, network, addr)
	})
	zones := providers.NewZones(w, providers.Options{
		DNS:   []providers.DNS{{Address: address, Kind: r.name, Spec: r.decoded(t, args), Zones: []string{f.zone}, Quirks: quirks}},
		Zones: []providers.Zone{{Address: "zone.test", Name: f.zone, DNS: []string{address}, Nameservers: []string{servers}, MaxWait: 10 * time.Second}},
		Say: func(e event.Event) {
			if e.Kind == event.Retrying {
				t.Logf("retrying: %v", e.Err)
			}
		},
	})
	t.Cleanup(zones.Close)
	h := &tried{t: t, f: f, zones: zones, address: address}
	if quirks.OneValue {
		h.one("_acme-challenge." + f.zone)
		h.one("_acme-challenge.www." + f.zone)
		return
	}
	if quirks.Rolls {
		h.rolls("_acme-challenge." + f.zone)
		return
	}
	h.several("_acme-challenge." + f.zone)
	h.several("_acme-challenge.www." + f.zone)
}

type tried struct {
	t       *testing.T
	f       fake
	zones   *providers.Zones
	address string
}

const (
	first  = "qH5bPQh1Bpg_VcBl0XbyKRxd7j-GBMbR6SXrAxtZjfI"
	second = "7v0sPhTKEUQ9Cq1yGq9KXbGCDrDdKyXkQ-_Bk5sXb1M"
	theirs = "a value of somebody else"
)

// several is what happens at a host that holds several values a name.
func (h *tried) several(name string) {
	h.t.Helper()
	h.f.foreign(name, theirs)
	h.add(name, first)
	h.holds(name, "one was added beside a foreign one", theirs, first)
	h.add(name, second)
	h.holds(name, "two were added beside a foreign one", theirs, first, second)
	h.remove(name, first)
	h.holds(name, "one was removed", theirs, second)
	h.remove(name, first)
	h.holds(name, "what is not there was removed", theirs, second)
	h.remove(name, second)
	h.holds(name, "the other was removed", theirs)
	h.add(name, first, second)
	h.holds(name, "two were added at once", theirs, first, second)
	h.remove(name, first, second)
	h.holds(name, "two were removed at once", theirs)
}

// one is what happens at a host that holds one value a name.
func (h *tried) one(name string) {
	h.t.Helper()
	for _, v := range []string{first, second} {
		h.add(name, v)
		h.holds(name, "one was added", v)
		h.remove(name, v)
		h.holds(name, "it was removed")
		h.remove(name, v)
	}
}

// rolls is what happens at a host that keeps the two newest values.
func (h *tried) rolls(name string) {
	h.t.Helper()
	h.f.foreign(name, theirs)
	h.add(name, first)
	h.holds(name, "one was added", theirs, first)
	h.add(name, second)
	h.holds(name, "two were added", first, second)
	h.remove(name, first, second)
	h.holds(name, "two were removed, which is nothing", first, second)
}

func (h *tried) values(name string, texts []string) (out []providers.Value) {
	for _, text := range texts {
		out = append(out, providers.Value{Zone: h.f.zone + ".", Name: name + ".", Text: text, Provider: h.address})
	}
	return out
}

func (h *tried) add(name string, texts ...string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	if err := h.zones.Present(ctx, nil, h.values(name, texts)); err != nil {
		h.t.Fatalf("add %q at %s: %v", texts, name, err)
	}
}

func (h *tried) remove(name string, texts ...string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	for _, l := range h.zones.Clean(ctx, h.values(name, texts)) {
		h.t.Fatalf("remove %q at %s: %v", l.Value.Text, name, l.Err)
	}
}

func (h *tried) holds(name, after string, want ...string) {
	h.t.Helper()
	got := slices.Clone(h.f.txt(name))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		h.t.Fatalf("%s: at %s the host has %q, want %q", after, name, got, want)
	}
}
