package issue_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/issue"
)

func TestReplaces(t *testing.T) {
	refuse := func(p acmetest.Problem) func(string) *acmetest.Problem {
		return func(string) *acmetest.Problem { return &p }
	}
	for _, c := range []struct {
		name    string
		config  acmetest.Config
		refused bool
		sent    bool
	}{
		{name: "taken", sent: true},
		{name: "CA without ARI", config: acmetest.Config{NoARI: true}},
		{name: "replaced already", refused: true, config: acmetest.Config{Replaces: refuse(acmetest.Problem{Type: "alreadyReplaced", Status: 409})}},
		{name: "of an old type", refused: true, config: acmetest.Config{Replaces: refuse(acmetest.Problem{Type: "conflict", Status: 409})}},
		{name: "another issuer", refused: true, config: acmetest.Config{Replaces: refuse(acmetest.Problem{Type: "malformed", Status: 404,
			Detail: "path contained an Authority Key Identifier that did not match a known issuer"})}},
		{name: "another account", refused: true, config: acmetest.Config{Replaces: refuse(acmetest.Problem{Type: "unauthorized", Status: 403,
			Detail: "requester account did not request the certificate being replaced by this order"})}},
		{name: "in words", refused: true, config: acmetest.Config{Replaces: refuse(acmetest.Problem{Type: "malformed", Status: 400, Detail: "no ARI for you"})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			withCA(t, c.config, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com")
				old := h.run(a, w, job)

				w, job = h.claim(a, "", "example.com")
				w.Replaces, job.Old = old.LeafPrint(), old.Leaf()
				err := a.Step(t.Context(), w, job)
				if errors.Is(err, issue.ErrRefusedReplaces) != c.refused || (err == nil) == c.refused {
					t.Fatalf("%v", err)
				}
				if c.refused {
					w.Replaces = ""
				}
				h.run(a, w, job)
				if got := ca.Issued()[1].Replaces != ""; got != c.sent {
					t.Errorf("replaces was sent: %v", got)
				}
			})
		})
	}
	t.Run("any other refusal is one", func(t *testing.T) {
		withCA(t, acmetest.Config{Refuse: func(string) string { return "on a list" }}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			w.Replaces, job.Old = "x", ca.Root(0)
			if err := a.Step(t.Context(), w, job); err == nil || errors.Is(err, issue.ErrRefusedReplaces) {
				t.Errorf("%v", err)
			}
		})
	})
}

func TestRenewal(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		config acmetest.Config
		late   time.Duration // asked so long after issuance
		ok     bool
		fails  bool
		next   time.Duration
	}{
		{name: "window", ok: true, next: 2 * time.Hour, config: window(10*day, 12*day, 2*time.Hour)},
		{name: "too soon", ok: true, next: time.Minute, config: window(10*day, 12*day, time.Second)},
		{name: "too late", ok: true, next: day, config: window(10*day, 12*day, 9*day)},
		{name: "ends before it starts", fails: true, next: 6 * time.Hour, config: window(12*day, 10*day, time.Hour)},
		{name: "CA without ARI", next: day, config: acmetest.Config{NoARI: true}},
		{name: "expired", late: 100 * day, next: day},
		{name: "not found", fails: true, next: 6 * time.Hour,
			config: acmetest.Config{Fault: always("renewalInfo", acmetest.Fault{Problem: &acmetest.Problem{Type: "malformed", Status: 404}})}},
		{name: "server fault", fails: true, next: 15 * time.Minute, config: acmetest.Config{Fault: always("renewalInfo", acmetest.Fault{Status: 500})}},
		{name: "busy", fails: true, next: 3 * time.Hour,
			config: acmetest.Config{Fault: always("renewalInfo", acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: 429, RetryAfter: 3 * time.Hour}})}},
		{name: "nonsense", fails: true, next: 6 * time.Hour, config: acmetest.Config{Fault: always("renewalInfo", acmetest.Fault{Status: 200, Body: "hello"})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			withCA(t, c.config, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com")
				chain := h.run(a, w, job)
				time.Sleep(c.late)
				began := time.Now()
				win, next, ok, err := a.Renewal(t.Context(), chain)
				if ok != c.ok || (err != nil) != c.fails {
					t.Errorf("ok is %v: %v", ok, err)
				}
				if d := next.Sub(began); d < c.next || d > c.next+time.Minute {
					t.Errorf("next in %s, should be %s", d, c.next)
				}
				if ok && (win.Start.IsZero() || !win.End.After(win.Start) || win.URL != "https://ca.test/why") {
					t.Errorf("%+v", win)
				}
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func window(start, end, again time.Duration) acmetest.Config {
	return acmetest.Config{ARIWindow: func(x *x509.Certificate) (time.Time, time.Time, string, time.Duration) {
		return x.NotBefore.Add(start), x.NotBefore.Add(end), "https://ca.test/why", again
	}}
}

func always(op string, f acmetest.Fault) func(*http.Request, string) *acmetest.Fault {
	return func(_ *http.Request, got string) *acmetest.Fault {
		if got == op {
			return &f
		}
		return nil
	}
}
