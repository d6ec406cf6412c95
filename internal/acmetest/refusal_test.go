package acmetest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/mholt/acmez/v3/acme"
)

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := 24 * time.Hour
		w := inMemory(t, acmetest.Config{
			Profiles: map[string]acmetest.Profile{"classic": {Validity: 90 * day}, "shortlived": {Validity: 160 * time.Hour, MaxNames: 2, NoCN: true}},
			Profile:  "classic",
			Refuse: func(name string) string {
				if strings.HasPrefix(name, "bad") {
					return "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy"
				}
				return ""
			},
		})
		defer w.close()
		ctx := t.Context()
		for _, tt := range []struct {
			names  []string
			status int
			typ    string
			text   string
		}{
			{[]string{"www.*.example.com"}, 400, "malformed", "wildcard"},
			{[]string{"ex_ample.example.com"}, 400, "malformed", "invalid character"},
			{[]string{"localhost"}, 400, "malformed", "dot"},
			{[]string{"10.0.0.1"}, 400, "malformed", "number"},
			{[]string{"www.example.com", "*.example.com"}, 400, "malformed", "redundant with a wildcard"},
			{[]string{"bad.example.com"}, 400, "rejectedIdentifier", "forbidden by policy"},
			{[]string{"bad.example.com", "a.example.com", "bad2.example.com"}, 400, "rejectedIdentifier", "and 1 more problems"},
			{nil, 400, "malformed", "did not specify any identifiers"},
		} {
			_, err := w.client.NewOrder(ctx, w.account, dnsNames(tt.names...))
			wantProblem(t, strings.Join(tt.names, " "), err, tt.status, tt.typ, tt.text)
			if p := problemOf(err); len(tt.names) == 3 && (len(p.Subproblems) != 2 || p.Subproblems[1].Identifier.Value != "bad2.example.com") {
				t.Errorf("sub-problems: %+v", p.Subproblems)
			}
		}
		short := dnsNames("a.example.com", "b.example.com", "c.example.com")
		short.Profile = "shortlived"
		_, err := w.client.NewOrder(ctx, w.account, short)
		wantProblem(t, "too many names", err, 400, "malformed", "more than 2")
		w.ca.Configure(func(c *acmetest.Config) { c.Profiles = map[string]acmetest.Profile{"classic": {}} })
		_, err = w.client.NewOrder(ctx, w.account, short) // the client still has the old directory
		wantProblem(t, "unknown profile", err, 400, "invalidProfile", `"shortlived"`)
		w.ca.Configure(func(c *acmetest.Config) {
			c.Profiles["shortlived"] = acmetest.Profile{Validity: 160 * time.Hour, NoCN: true}
		})
		chains, err := w.obtain(short)
		if err != nil {
			t.Fatal(err)
		}
		if leaf := certs(t, chains[0].ChainPEM)[0]; leaf.Subject.CommonName != "" || leaf.NotAfter.Sub(leaf.NotBefore)+time.Second != 160*time.Hour {
			t.Errorf("profile: CN %q, %s to %s", leaf.Subject.CommonName, leaf.NotBefore, leaf.NotAfter)
		}

		ready := func(names ...string) acme.Order {
			t.Helper()
			o, err := w.client.NewOrder(ctx, w.account, dnsNames(names...))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.client.FinalizeOrder(ctx, w.account, o, csr(t, newKey(t), names...)); o.Status == "pending" && err == nil {
				t.Error("a pending order is finalized")
			}
			o, _, err = w.prove(o)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key := newKey(t)
		o := ready("d.example.com", "e.example.com")
		for _, tt := range []struct {
			what   string
			csr    []byte
			status int
			typ    string
		}{
			{"a name is missing", csr(t, key, "d.example.com"), 403, "unauthorized"},
			{"a name too many", csr(t, key, "d.example.com", "e.example.com", "f.example.com"), 403, "unauthorized"},
			{"the account's key", csr(t, w.account.PrivateKey, "d.example.com", "e.example.com"), 400, "malformed"},
			{"curve", csr(t, p521, "d.example.com", "e.example.com"), 400, "badCSR"},
			{"broken", bytes.Repeat([]byte{1}, 40), 400, "malformed"},
		} {
			_, err := w.client.FinalizeOrder(ctx, w.account, o, tt.csr)
			wantProblem(t, tt.what, err, tt.status, tt.typ, "")
		}
		if o, err := w.client.FinalizeOrder(ctx, w.account, o, csr(t, key, "e.example.com", "d.example.com")); err != nil || o.Status != "valid" {
			t.Errorf("after all that: %s %v", o.Status, err)
		}
		w.account = w.register()
		_, err = w.client.GetOrder(ctx, w.account, o)
		wantProblem(t, "another account's order", err, 404, "malformed", "")
	})
}
