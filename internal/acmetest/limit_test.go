package acmetest_test

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
)

func TestRenewalInfoAndReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{Limits: acmetest.Limits{
			NewOrders: acmetest.Limit{Count: 3, Per: 300 * 24 * time.Hour}, SameNames: acmetest.Limit{Count: 1, Per: 200 * 24 * time.Hour},
		}})
		defer w.close()
		ctx := t.Context()
		chains, err := w.obtain(dnsNames("example.com"))
		if err != nil {
			t.Fatal(err)
		}
		leaf := certs(t, chains[0].ChainPEM)[0]
		ari, err := w.client.GetRenewalInfo(ctx, leaf)
		if err != nil || ari.RetryAfter == nil || time.Until(*ari.RetryAfter) != 6*time.Hour {
			t.Fatalf("renewal info: %+v %v", ari, err)
		}
		win := ari.SuggestedWindow
		if life := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second; win.End.Sub(win.Start) != life/50 || win.Start.Sub(leaf.NotBefore) != life*2/3-life/100 {
			t.Errorf("window %v", win)
		}
		o := dnsNames("example.com")
		o.Replaces = acmetest.CertID(leaf)
		_, err = w.obtain(o)
		wantProblem(t, "outside the window", err, 429, "rateLimited", "exact set")
		time.Sleep(time.Until(win.Start))
		if _, err := w.obtain(o); err != nil {
			t.Errorf("within the window: %v", err)
		}
		if is := w.ca.Issued(); len(is) != 2 || is[1].Replaces != o.Replaces {
			t.Errorf("issued: %+v", is)
		}
		_, err = w.obtain(o)
		wantProblem(t, "again", err, 409, "alreadyReplaced", "")
		second := w.ca.Issued()[1].Cert
		o.Replaces = acmetest.CertID(second)
		o.Identifiers[0].Value = "other.example.com"
		_, err = w.obtain(o)
		wantProblem(t, "no shared name", err, 400, "malformed", "no identifiers in common")
		o.Identifiers[0].Value = "example.com"
		o.Replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
		_, err = w.obtain(o)
		wantProblem(t, "another CA's", err, 404, "malformed", "did not match a known issuer")
		o.Replaces = acmetest.CertID(second)
		mine := w.account
		w.account = w.register()
		_, err = w.obtain(o)
		wantProblem(t, "another account's", err, 403, "unauthorized", "requester account did not request")
		w.account = mine
		w.ca.Configure(func(c *acmetest.Config) {
			c.Replaces = func(string) *acmetest.Problem {
				return &acmetest.Problem{Type: "malformed", Status: 400, Detail: "replaces is not for us"}
			}
			c.ARIWindow = func(cert *x509.Certificate) (time.Time, time.Time, string, time.Duration) {
				return cert.NotBefore, cert.NotBefore.Add(time.Hour), "https://ca.test/incident", time.Minute
			}
		})
		_, err = w.obtain(o)
		wantProblem(t, "refused", err, 400, "malformed", "not for us")
		if ari, err := w.client.GetRenewalInfo(ctx, second); err != nil || ari.ExplanationURL != "https://ca.test/incident" {
			t.Errorf("own window: %+v %v", ari, err)
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{Limits: acmetest.Limits{
			NewOrders: acmetest.Limit{Count: 3, Per: 3 * time.Hour},
			PerDomain: acmetest.Limit{Count: 2, Per: 4 * time.Hour},
		}})
		defer w.close()
		ctx := t.Context()
		for _, n := range []string{"a.example.com", "b.example.com"} {
			if _, err := w.obtain(dnsNames(n)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.obtain(dnsNames("c.example.com"))
		wantProblem(t, "per domain", err, 429, "rateLimited", `too many certificates (2) already issued for "example.com" in the last 4h0m0s, retry after 2000-01-01 0`)
		if _, err := w.obtain(dnsNames("a.example.com")); err != nil {
			t.Errorf("a renewal is limited: %v", err)
		}
		if _, err := w.client.NewOrder(ctx, w.account, dnsNames("x.example.net")); err != nil {
			t.Errorf("third order: %v", err)
		}
		_, err = w.client.NewOrder(ctx, w.account, dnsNames("y.example.net"))
		wantProblem(t, "orders", err, 429, "rateLimited", "too many new orders (3) from this account in the last 3h0m0s")
		time.Sleep(time.Hour)
		if _, err := w.client.NewOrder(ctx, w.account, dnsNames("y.example.net")); err != nil {
			t.Errorf("an hour later: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := w.obtain(dnsNames("c.example.com")); err != nil {
			t.Errorf("three hours later: %v", err)
		}
		if got := w.ca.Counts()["rateLimited"]; got != 2 {
			t.Errorf("%d refusals counted", got)
		}
	})
}
