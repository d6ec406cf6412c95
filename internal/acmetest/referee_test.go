package acmetest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/mholt/acmez/v3/acme"
)

// recorder notes the shape of every answer, by operation.
type recorder struct {
	rt     http.RoundTripper
	paths  map[string]string // first path segment to operation
	mu     sync.Mutex
	shapes map[string]map[string]bool
	keys   map[string]map[string]bool // of the JSON bodies
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := r.rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	segment, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	op := r.paths[segment]
	if op == "" {
		op = "unknown " + req.URL.Path
	}
	typ, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if len(body) == 0 {
		typ = ""
	}
	shape := fmt.Sprintf("%s %d %s", req.Method, res.StatusCode, typ)
	for _, h := range []string{"Replay-Nonce", "Location"} {
		if res.Header.Get(h) != "" {
			shape += " " + h
		}
	}
	for _, rel := range []string{"index", "up", "alternate"} {
		if strings.Contains(strings.Join(res.Header.Values("Link"), ","), `rel="`+rel+`"`) {
			shape += " link:" + rel
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var object map[string]any
	if strings.HasSuffix(typ, "json") && json.Unmarshal(body, &object) == nil {
		what := op
		if res.StatusCode >= 400 {
			what = "problem " + fmt.Sprint(object["type"])
		}
		if s, ok := object["status"].(string); ok {
			what += " " + s
		}
		for k := range object {
			note(r.keys, what, k)
		}
	}
	note(r.shapes, op, shape)
	return res, nil
}

func note(m map[string]map[string]bool, k, v string) {
	if m[k] == nil {
		m[k] = map[string]bool{}
	}
	m[k][v] = true
}

// TestPebbleAgrees walks the main path and some refusals with Pebble and with this CA, and compares what was answered:
// method, status, content type, headers, and the members of the JSON objects.
func TestPebbleAgrees(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	t.Setenv("PEBBLE_ALTERNATE_ROOTS", "1")
	ours := overLoopback(t, acmetest.Config{
		Profiles:      map[string]acmetest.Profile{"default": {Description: "d"}},
		FinalizeDelay: 20 * time.Millisecond,
	})
	defer ours.close()

	n := dnstest.New()
	defer n.Close()
	zone := n.AddZone("example.com")
	at, err := n.ServeLoopback(n.AddResolver("192.0.2.53"), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 1, 1, map[string]ca.Profile{"default": {Description: "d", ValidityPeriod: 7776000}})
	front := wfe.New(quiet, store, va.New(quiet, 5002, 5001, true, at.String(), store), signer, []string{"ca.test"}, true, false, 0, 0)
	ts := httptest.NewTLSServer(front.Handler())
	defer ts.Close()
	pebble := &world{t: t, dns: n, zone: zone, client: &acme.Client{
		Directory: ts.URL + "/dir", HTTPClient: ts.Client(), PollInterval: 5 * time.Millisecond,
	}}

	walk := func(w *world, paths map[string]string) *recorder {
		r := &recorder{rt: w.client.HTTPClient.Transport, paths: paths, shapes: map[string]map[string]bool{}, keys: map[string]map[string]bool{}}
		w.client = &acme.Client{
			// The client library keeps directories by address for hours: a query makes it ask again.
			Directory: w.client.Directory + "?again", HTTPClient: &http.Client{Transport: r}, PollInterval: 5 * time.Millisecond,
		}
		ctx := t.Context()
		w.account = w.register()
		if _, err := w.client.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, PrivateKey: w.account.PrivateKey}); err != nil {
			t.Fatal(err)
		}
		chains, err := w.obtain(dnsNames("example.com", "*.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		leaf := certs(t, chains[0].ChainPEM)[0]
		if err := w.client.RevokeCertificate(ctx, w.account, leaf, nil, 0); err != nil {
			t.Fatal(err)
		}
		// Refusals.
		w.client.GetOrder(ctx, w.account, acme.Order{Location: strings.Replace(chains[0].URL, orderPath(paths, "certificate"), orderPath(paths, "order"), 1) + "x"})
		w.client.GetAccount(ctx, acme.Account{PrivateKey: newKey(t)})
		w.client.RevokeCertificate(ctx, w.account, leaf, nil, 0)
		w.client.NewOrder(ctx, w.account, dnsNames("a.*.example.com"))
		o, err := w.client.NewOrder(ctx, w.account, dnsNames("b.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		w.client.FinalizeOrder(ctx, w.account, o, csr(t, newKey(t), "b.example.com"))
		z, err := w.client.GetAuthorization(ctx, w.account, o.Authorizations[0])
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.Type == "dns-01" })
		if _, err := w.client.InitiateChallenge(ctx, w.account, z.Challenges[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.PollAuthorization(ctx, w.account, z); err == nil {
			t.Fatal("validated without a record")
		}
		if _, err := w.client.GetOrder(ctx, w.account, o); err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := walk(pebble, map[string]string{
		"dir": "directory", "nonce-plz": "newNonce", "sign-me-up": "newAccount", "order-plz": "newOrder", "my-order": "order",
		"finalize-order": "finalize", "authZ": "authz", "chalZ": "challenge", "certZ": "certificate", "revoke-cert": "revokeCert",
		"draft-ietf-acme-ari-03": "renewalInfo",
	})
	got := walk(ours, map[string]string{
		"directory": "directory", "new-nonce": "newNonce", "new-acct": "newAccount", "new-order": "newOrder", "order": "order",
		"finalize": "finalize", "authz": "authz", "chall": "challenge", "cert": "certificate", "revoke-cert": "revokeCert",
		"renewal-info": "renewalInfo",
	})
	// Where we follow Let's Encrypt or the RFC instead, or Pebble is too quick to be seen.
	known := map[string]string{
		"POST 404 application/problem+json Replay-Nonce link:index":  "Pebble answers unknown orders without a problem",
		"POST 404  Replay-Nonce link:index":                          "the same",
		"POST 200 application/json Replay-Nonce Location link:index": "finalize: the RFC's example has a Location",
		"orders": "Let's Encrypt has no list of orders",
	}
	compare := func(what string, got, want map[string]map[string]bool) {
		for k := range union(got, want) {
			if what == "members" && (got[k] == nil || want[k] == nil || strings.HasSuffix(k, " processing")) {
				continue // a state that one of them was not seen in, or left while it was being shown
			}
			for v := range got[k] {
				if !want[k][v] && known[v] == "" {
					t.Errorf("%s of %s: we have %q, Pebble has %q", what, k, v, slices.Sorted(maps.Keys(want[k])))
				}
			}
			for v := range want[k] {
				if !got[k][v] && known[v] == "" && !(k == "finalize" && v == "POST 200 application/json Replay-Nonce link:index") {
					t.Errorf("%s of %s: Pebble has %q, we have %q", what, k, v, slices.Sorted(maps.Keys(got[k])))
				}
			}
		}
	}
	compare("answers", got.shapes, want.shapes)
	compare("members", got.keys, want.keys)
}

func orderPath(paths map[string]string, op string) string {
	for p, o := range paths {
		if o == op {
			return "/" + p + "/"
		}
	}
	return ""
}

func union(a, b map[string]map[string]bool) map[string]map[string]bool {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
