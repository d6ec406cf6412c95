package issue_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/world"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// pebble is Let's Encrypt's own test CA, in this process, as the referee: our
// CA must not agree with a misunderstanding of ours. It is served one request
// at a time because it deadlocks otherwise.
type pebble struct {
	*httptest.Server
	mgmt   http.Handler
	caFile string

	mu    sync.Mutex
	paths []string
}

func startPebble(t *testing.T, h *house, eab map[string]string, roots int) *pebble {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "15")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	resolver := h.dns.AddResolver("198.18.0.53")
	addr, err := h.dns.ServeLoopback(resolver, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	store := db.NewMemoryStore()
	quiet := log.New(io.Discard, "", 0)
	authority := ca.New(quiet, store, "", "ecdsa", roots, 1, map[string]ca.Profile{
		"default":    {Description: "the default", ValidityPeriod: 7776000},
		"shortlived": {Description: "six days", ValidityPeriod: 518400},
	})
	for kid, key := range eab {
		if err := store.AddExternalAccountKeyByID(kid, key); err != nil {
			t.Fatal(err)
		}
	}
	validator := va.New(quiet, 5002, 5001, true, addr.String(), store)
	front := wfe.New(quiet, store, validator, authority, []string{"ca.test"}, true, len(eab) > 0, 0, 1)
	p := &pebble{mgmt: front.ManagementHandler()}
	inner := front.Handler()
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.paths = append(p.paths, r.URL.Path)
		inner.ServeHTTP(w, r)
	}))
	p.StartTLS()
	t.Cleanup(p.Close)
	p.caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}
	if err := os.WriteFile(p.caFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pebble) config() issue.ACME {
	return issue.ACME{Directory: p.URL + wfe.DirectoryPath, Email: "ops@example.test", CAFile: p.caFile}
}

func (p *pebble) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.paths {
		if s == path {
			n++
		}
	}
	return n
}

// root is the i-th root of Pebble, from its management interface.
func (p *pebble) root(t *testing.T, i string) *x509.Certificate {
	t.Helper()
	r := httptest.NewRecorder()
	p.mgmt.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/roots/"+i, nil))
	b, _ := pem.Decode(r.Body.Bytes())
	if b == nil {
		t.Fatalf("no root %s: %s", i, r.Body)
	}
	x, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestPebbleIssues(t *testing.T) {
	h := newHouse(t, "example.test")
	p := startPebble(t, h, nil, 2)

	a := h.issuer(p.config(), nil)
	w, job := h.claim(a, "default", "example.test", "*.example.test")
	c := h.run(a, w, job)
	roots := x509.NewCertPool()
	roots.AddCert(p.root(t, "0"))
	between := x509.NewCertPool()
	for _, x := range c[1:] {
		between.AddCert(x)
	}
	for _, host := range []string{"example.test", "any.example.test"} {
		if _, err := c.Leaf().Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(w.Values) != 2 || w.Values[0].Name != w.Values[1].Name || w.Values[0].Value == w.Values[1].Value {
		t.Errorf("a wildcard and its apex want two values at one name, not %+v", w.Values)
	}

	t.Run("the next process uses the account again", func(t *testing.T) {
		h.t = t
		a := h.issuer(p.config(), nil)
		w, job := h.claim(a, "shortlived", "www.example.test")
		c := h.run(a, w, job)
		if life := c.Life().Hours(); life > 150 {
			t.Errorf("the profile shortlived gave %v hours", life)
		}
		if n := p.count("/sign-me-up"); n == 0 || n > 8 {
			t.Errorf("newAccount was called %d times", n)
		}
	})
	before := p.count("/sign-me-up")
	t.Run("alternate chain", func(t *testing.T) {
		h.t = t
		cfg := p.config()
		cfg.PreferredChain = p.root(t, "2").Subject.CommonName
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "default", "alt.example.test")
		c := h.run(a, w, job)
		if got := c[len(c)-1].Issuer.CommonName; got != cfg.PreferredChain {
			t.Errorf("the chain ends under %q, preferred was %q", got, cfg.PreferredChain)
		}
	})
	t.Run("unknown profile", func(t *testing.T) {
		h.t = t
		a := h.issuer(p.config(), nil)
		w, job := h.claim(a, "gold", "www.example.test")
		_, err := h.try(a, w, job)
		if err == nil || !strings.Contains(err.Error(), `"gold"`) || !slices.Contains(world.Advice(err), "this CA offers: default, shortlived") {
			t.Errorf("got %v, advice %q", err, world.Advice(err))
		}
	})
	if n := p.count("/sign-me-up"); n != before {
		t.Errorf("a known account was registered again: %d calls", n-before)
	}
}

func TestPebbleEAB(t *testing.T) {
	mac := []byte("a key of the CA's customer, 32 b")
	for name, text := range map[string]string{
		"raw":    base64.RawURLEncoding.EncodeToString(mac),
		"padded": base64.URLEncoding.EncodeToString(mac),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "example.test")
			p := startPebble(t, h, map[string]string{"kid-1": base64.RawURLEncoding.EncodeToString(mac)}, 0)
			cfg := p.config()

			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "default", "example.test")
			_, err := h.try(a, w, job)
			if err == nil || !strings.Contains(strings.Join(world.Advice(err), " "), "eab_kid") {
				t.Errorf("without a binding: %v, advice %q", err, world.Advice(err))
			}

			cfg.EABKid, cfg.EABKey = "kid-1", "env:EAB"
			a = h.issuer(cfg, map[string]string{"env:EAB": text})
			w, job = h.claim(a, "default", "example.test")
			h.run(a, w, job)
		})
	}
}
