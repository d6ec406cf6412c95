package acmetest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/mholt/acmez/v3/acme"
)

func TestOrdersAreReusedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{AuthzReuse: 24 * time.Hour})
		defer w.close()
		ctx := t.Context()
		order := func(names ...string) acme.Order {
			t.Helper()
			o, err := w.client.NewOrder(ctx, w.account, dnsNames(names...))
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		a, b := order("example.com", "*.example.com"), order("*.example.com", "EXAMPLE.com")
		if a.Location != b.Location {
			t.Errorf("the same names gave two orders")
		}
		if c := order("example.com"); c.Location == a.Location {
			t.Errorf("other names gave the same order")
		}
		a, n, err := w.prove(a)
		if err != nil || n != 2 || a.Status != "ready" {
			t.Fatalf("prove: %d challenges, %s, %v", n, a.Status, err)
		}
		if b := order("example.com", "*.example.com"); b.Location != a.Location || b.Status != "ready" {
			t.Errorf("a ready order is not handed back")
		}
		if c := order("example.com", "more.example.com"); c.Status != "pending" {
			t.Errorf("status %s", c.Status)
		} else if c, n, err = w.prove(c); err != nil || n != 1 {
			t.Errorf("a valid authorization is not reused: %d challenges, %v", n, err)
		}

		time.Sleep(8 * 24 * time.Hour)
		_, err = w.client.GetOrder(ctx, w.account, a)
		wantProblem(t, "expired order", err, 404, "malformed", "No order found")
		_, err = w.client.FinalizeOrder(ctx, w.account, a, csr(t, newKey(t), "example.com", "*.example.com"))
		wantProblem(t, "expired order", err, 404, "malformed", "No order found")
		_, err = w.client.GetAuthorization(ctx, w.account, a.Authorizations[0])
		wantProblem(t, "expired authorization", err, 404, "malformed", "")
		if b := order("example.com", "*.example.com"); b.Location == a.Location || b.Status != "pending" {
			t.Errorf("an expired order or authorization lives on: %s", b.Status)
		}

		// Signed, and forgotten before anybody fetched it.
		w.ca.Configure(func(c *acmetest.Config) { c.FinalizeDelay = time.Hour })
		o, _, err := w.prove(order("late.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		cctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := w.client.FinalizeOrder(cctx, w.account, o, csr(t, newKey(t), "late.example.com")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("finalize: %v", err)
		}
		if o, err := w.client.GetOrder(ctx, w.account, o); err != nil || o.Status != "processing" {
			t.Errorf("status %s, %v", o.Status, err)
		}
		if got := len(w.ca.Issued()); got != 1 {
			t.Errorf("%d certificates were signed", got)
		}
		w.ca.ForgetOrders()
		_, err = w.client.GetOrder(ctx, w.account, o)
		wantProblem(t, "forgotten order", err, 404, "malformed", "No order found")
	})
}

func TestBadNonces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{})
		defer w.close()
		w.ca.Configure(func(c *acmetest.Config) { c.BadNonces = 0.5 })
		for i := range 10 {
			var err error
			for range 5 { // the client gives up after ten tries of one request
				if _, err = w.obtain(dnsNames(string(rune('a'+i)) + ".example.com")); err == nil {
					break
				}
				wantProblem(t, "one of ten", err, 400, "badNonce", "")
			}
			if err != nil {
				t.Error(err)
			}
		}
		if bad, all := w.ca.Counts()["badNonces"], w.ca.Counts()["requests"]; bad < all/4 || bad > all*3/4 {
			t.Errorf("%d of %d nonces were rejected", bad, all)
		}
	})
}

func TestFailedChallengeKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{Limits: acmetest.Limits{FailedAuthz: acmetest.Limit{Count: 3, Per: time.Hour}}})
		defer w.close()
		ctx := t.Context()
		try := func(publish string) error {
			t.Helper()
			o, err := w.client.NewOrder(ctx, w.account, dnsNames("example.com"))
			if err != nil {
				return err
			}
			z, err := w.client.GetAuthorization(ctx, w.account, o.Authorizations[0])
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.Type == "dns-01" })
			if len(z.Challenges) != 3 || i < 0 {
				t.Fatalf("challenges: %v", z.Challenges)
			}
			if publish != "" {
				w.zone.Add("_acme-challenge " + publish)
				defer w.zone.Remove("_acme-challenge " + publish)
			}
			if _, err := w.client.InitiateChallenge(ctx, w.account, z.Challenges[i]); err != nil {
				t.Fatal(err)
			}
			_, failed := w.client.PollAuthorization(ctx, w.account, z)
			if o, err := w.client.GetOrder(ctx, w.account, o); err != nil || o.Status != "invalid" || o.Error == nil {
				t.Errorf("order: %s %v, %v", o.Status, o.Error, err)
			}
			_, err = w.client.FinalizeOrder(ctx, w.account, o, csr(t, newKey(t), "example.com"))
			if err == nil {
				t.Error("an invalid order is finalized")
			}
			_, err = w.client.InitiateChallenge(ctx, w.account, z.Challenges[i])
			wantProblem(t, "a second try", err, 400, "malformed", "must be pending")
			return failed
		}
		wantProblem(t, "nothing there", try(""), 400, "dns", "NXDOMAIN looking up TXT for _acme-challenge.example.com")
		wantProblem(t, "wrong value", try("TXT wrong"), 403, "unauthorized", `Incorrect TXT record "wrong" found at _acme-challenge.example.com`)
		for _, s := range w.zone.Servers() {
			s.SetFault(dnstest.ServFail)
		}
		wantProblem(t, "servfail", try(""), 400, "dns", "SERVFAIL")
		err := try("")
		wantProblem(t, "spent", err, 429, "rateLimited", "too many failed authorizations (3) for \"example.com\"")
	})
}

func TestPerspectives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{})
		defer w.close()
		w.ca.Configure(func(c *acmetest.Config) {
			c.Lookup = w.dns.Perspective(0)
			c.Perspectives = []acmetest.Lookup{w.dns.Perspective(0), w.dns.Perspective(1), w.dns.Perspective(1)}
			c.AllowedFailures = 1
			c.ValidationDelay = func(string) time.Duration { return 2 * time.Second }
		})
		w.zone.Servers()[1].SetFault(dnstest.Dead) // passed over
		if _, err := w.obtain(dnsNames("a.example.com")); err != nil {
			t.Error(err)
		}
		w.zone.Servers()[1].SetFault(dnstest.None)
		host := w.dns.NewHost(dnstest.HostConfig{}, w.zone)
		w.zone.Servers()[1].SetLag(time.Hour)
		o, err := w.client.NewOrder(t.Context(), w.account, dnsNames("b.example.com"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := w.client.GetAuthorization(t.Context(), w.account, o.Authorizations[0])
		if err != nil {
			t.Fatal(err)
		}
		c := z.Challenges[slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.Type == "dns-01" })]
		if err := host.Change(t.Context(), "example.com", txt(c.DNS01TXTRecordName()+".", c.DNS01KeyAuthorization()), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.InitiateChallenge(t.Context(), w.account, c); err != nil {
			t.Fatal(err)
		}
		_, err = w.client.PollAuthorization(t.Context(), w.account, z)
		wantProblem(t, "one server lags", err, 400, "dns", "During secondary validation: DNS problem: NXDOMAIN")
	})
}
