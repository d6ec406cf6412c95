package issue_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
)

// TestChains: what comes back is put in order; what is not ours is refused.
func TestChains(t *testing.T) {
	k, err := cert.GenerateKey(cert.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	mine := func(names ...string) []byte {
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Signer().Public(), k.Signer())
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	split := func(p []byte) (leaf, inter []byte) {
		_, rest := pem.Decode(p)
		return p[:len(p)-len(rest)], rest
	}
	for _, c := range []struct {
		name   string
		mangle func([]byte) []byte
		n      int
		fails  string
		warns  string
	}{
		{name: "as it is", mangle: func(p []byte) []byte { return p }, n: 2},
		{name: "twice", mangle: func(p []byte) []byte { _, i := split(p); return slices.Concat(p, i, p) }, n: 2},
		{name: "a stranger between", mangle: func(p []byte) []byte { l, i := split(p); return slices.Concat(l, mine("x.test"), []byte("\n"), i) }, n: 2},
		{name: "another name", mangle: func([]byte) []byte { return mine("example.net") }, fails: "it names [example.net], ordered were [example.com]"},
		{name: "a name more", mangle: func([]byte) []byte { return mine("example.com", "www.example.com") }, n: 1, warns: "www.example.com"},
		{name: "another key", mangle: func(p []byte) []byte { _, i := split(p); return i }, fails: "it is for key"},
		{name: "nothing", mangle: func([]byte) []byte { return []byte("here you are\n") }, fails: "no certificate"},
		{name: "garbage", mangle: func([]byte) []byte { return []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") }, fails: "certificate 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				cfg.Directory = h.front(ca, func(w http.ResponseWriter, r *http.Request) {
					if !strings.HasPrefix(r.URL.Path, "/cert/") {
						ca.ServeHTTP(w, r)
						return
					}
					got := httptest.NewRecorder()
					ca.ServeHTTP(got, r)
					maps.Copy(w.Header(), got.Header())
					w.Write(c.mangle(got.Body.Bytes()))
				})
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com")
				job.Key, w.SPKI = k, k.SPKI()
				chain, err := h.try(a, w, job)
				if c.fails != "" {
					if !errors.Is(err, issue.ErrInvalid) || !strings.Contains(err.Error(), c.fails) {
						t.Errorf("%v", err)
					}
					return
				}
				if err != nil || len(chain) != c.n {
					t.Errorf("%d certificates, %v", len(chain), err)
				}
				ev := h.said(event.Warned)
				if (len(ev) > 0) != (c.warns != "") || len(ev) > 0 && !strings.Contains(ev[0].Note, c.warns) {
					t.Errorf("warnings: %+v", ev)
				}
			})
		})
	}
}
