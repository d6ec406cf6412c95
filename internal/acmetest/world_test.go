package acmetest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// world is a CA, the DNS that it looks at, and a client with an account.
type world struct {
	t       testing.TB
	dns     *dnstest.Net
	zone    *dnstest.Zone
	ca      *acmetest.CA
	client  *acme.Client
	account acme.Account
}

// inMemory makes a world inside a bubble.
func inMemory(t testing.TB, c acmetest.Config) *world {
	w := &world{t: t, dns: dnstest.New()}
	w.zone = w.dns.AddZone("example.com")
	if c.Lookup == nil {
		c.Lookup = w.dns.LookupTXT
	}
	w.ca = acmetest.New(c)
	w.ca.ServeTLS(w.dns.Listen("ca.test:443"))
	w.client = &acme.Client{Directory: w.ca.DirectoryURL("https://ca.test"), HTTPClient: w.ca.Client(w.dns.Dial)}
	w.account = w.register()
	return w
}

// overLoopback makes a world on sockets.
func overLoopback(t testing.TB, c acmetest.Config) *world {
	w := &world{t: t, dns: dnstest.New()}
	w.zone = w.dns.AddZone("example.com")
	if c.Lookup == nil {
		c.Lookup = w.dns.LookupTXT
	}
	w.ca = acmetest.New(c)
	dir, err := w.ca.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.client = &acme.Client{Directory: dir, HTTPClient: w.ca.Client(nil), PollInterval: 5 * time.Millisecond}
	w.account = w.register()
	return w
}

func (w *world) close() {
	w.client.HTTPClient.CloseIdleConnections()
	w.ca.Close()
	w.dns.Close()
}

func newKey(t testing.TB) crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) register() acme.Account {
	w.t.Helper()
	a, err := w.client.NewAccount(w.t.Context(), acme.Account{
		Contact: []string{"mailto:ops@example.com"}, TermsOfServiceAgreed: true, PrivateKey: newKey(w.t),
	})
	if err != nil {
		w.t.Fatalf("new account: %v", err)
	}
	return a
}

func dnsNames(names ...string) acme.Order {
	var o acme.Order
	for _, n := range names {
		o.Identifiers = append(o.Identifiers, acme.Identifier{Type: "dns", Value: n})
	}
	return o
}

// prove publishes the TXT values of an order, has them validated, takes them away again, and returns the order and how
// many challenges there were to do.
func (w *world) prove(o acme.Order) (acme.Order, int, error) {
	ctx := w.t.Context()
	done := 0
	for _, url := range o.Authorizations {
		z, err := w.client.GetAuthorization(ctx, w.account, url)
		if err != nil {
			return o, done, err
		}
		if z.Status == "valid" {
			continue
		}
		i := slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.Type == "dns-01" })
		if i < 0 {
			w.t.Fatalf("no dns-01 for %s", z.IdentifierValue())
		}
		c := z.Challenges[i]
		record := c.DNS01TXTRecordName() + ". 60 TXT " + c.DNS01KeyAuthorization()
		w.zone.Add(record)
		defer w.zone.Remove(record)
		if _, err := w.client.InitiateChallenge(ctx, w.account, c); err != nil {
			return o, done, err
		}
		if _, err := w.client.PollAuthorization(ctx, w.account, z); err != nil {
			return o, done, err
		}
		done++
	}
	o, err := w.client.GetOrder(ctx, w.account, o)
	return o, done, err
}

func csr(t testing.TB, key crypto.Signer, names ...string) []byte {
	t.Helper()
	c, err := acmez.NewCSR(key, names)
	if err != nil {
		t.Fatal(err)
	}
	return c.Raw
}

// obtain goes the whole way and returns the chains, the default first.
func (w *world) obtain(o acme.Order) ([]acme.Certificate, error) {
	ctx := w.t.Context()
	o, err := w.client.NewOrder(ctx, w.account, o)
	if err != nil {
		return nil, err
	}
	if o, _, err = w.prove(o); err != nil {
		return nil, err
	}
	var names []string
	for _, id := range o.Identifiers {
		names = append(names, id.Value)
	}
	if o, err = w.client.FinalizeOrder(ctx, w.account, o, csr(w.t, newKey(w.t), names...)); err != nil {
		return nil, err
	}
	return w.client.GetCertificateChain(ctx, w.account, o.Certificate)
}

func certs(t testing.TB, chain []byte) []*x509.Certificate {
	t.Helper()
	var out []*x509.Certificate
	for {
		b, rest := pem.Decode(chain)
		if b == nil {
			return out
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		out, chain = append(out, c), rest
	}
}

func problemOf(err error) acme.Problem {
	var p acme.Problem
	errors.As(err, &p)
	return p
}

func wantProblem(t *testing.T, what string, err error, status int, typ, text string) {
	t.Helper()
	p := problemOf(err)
	if p.Status != status || p.Type != "urn:ietf:params:acme:error:"+typ || !strings.Contains(p.Detail, text) {
		t.Errorf("%s: got %v; want %d %s with %q", what, err, status, typ, text)
	}
}
