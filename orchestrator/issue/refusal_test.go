package issue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

func TestOrderThatIsGone(t *testing.T) {
	withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "example.com")
		if err := a.Step(t.Context(), w, job); err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func(*state.Work){
			"forgotten":  func(*state.Work) { ca.ForgetOrders() },
			"unreadable": func(w *state.Work) { w.Data = []byte(`{}`) },
		} {
			w := saved(t, w)
			spoil(w)
			err := h.issuer(cfg, nil).Step(t.Context(), w, job)
			if !errors.Is(err, issue.ErrLost) || errors.Is(err, issue.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
			if w.Phase != state.Ordered || len(w.Values) != 1 {
				t.Errorf("%s: the work changed: %+v", name, w)
			}
		}
	})
	t.Run("its values were never saved", func(t *testing.T) {
		withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			if err := a.Step(t.Context(), w, job); err != nil {
				t.Fatal(err)
			}
			w.Values = nil
			if err := a.Step(t.Context(), w, job); !errors.Is(err, issue.ErrLost) || h.hosts.present != 0 {
				t.Errorf("%v, presented %d times", err, h.hosts.present)
			}
		})
	})
}

// TestOrderTakenByAnother: two certificates with the same names, RSA and ECDSA,
// were handed one order before a crash, and the other has finished it since.
func TestOrderTakenByAnother(t *testing.T) {
	withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "example.com")
		if err := a.Step(t.Context(), w, job); err != nil {
			t.Fatal(err)
		}
		other, otherJob := h.claim(a, "", "example.com")
		h.run(a, other, otherJob)
		_, err := h.try(h.issuer(cfg, nil), saved(t, w), job)
		if !errors.Is(err, issue.ErrLost) || errors.Is(err, issue.ErrInvalid) {
			t.Errorf("it should be ordered anew: %v", err)
		}
		counts(t, ca, map[string]int{"orders": 1, "certificates": 1})
	})
}

func TestRefusals(t *testing.T) {
	wrongValue := func(h *house) { h.dns.Zone("example.com.").Add(`_acme-challenge 60 IN TXT "something else"`) }
	for _, c := range []struct {
		name    string
		config  acmetest.Config
		names   []string
		spoil   func(h *house)
		invalid bool // the order was judged
		never   bool
		says    []string
		advice  string
	}{
		{name: "no record", names: []string{"example.com"}, invalid: true, spoil: func(h *house) { h.hosts.blind = true },
			says: []string{"the CA refused: example.com: dns: ", "NXDOMAIN looking up TXT"}, advice: "name servers at the registrar"},
		{name: "another record", names: []string{"example.com"}, invalid: true, spoil: func(h *house) { h.hosts.blind = true; wrongValue(h) },
			says: []string{"Incorrect TXT record"}, advice: "stale records"},
		{name: "two names, each with its reason", names: []string{"a.example.com", "b.example.com"}, invalid: true, spoil: func(h *house) { h.hosts.blind = true },
			says: []string{"a.example.com: dns: ", "b.example.com: dns: "}},
		{name: "names that the CA does not sign", names: []string{"a.example.com", "b.example.com"}, never: true,
			config: acmetest.Config{Refuse: func(n string) string { return "the name " + n + " is on a list" }},
			says:   []string{"new order: rejectedIdentifier", "a.example.com is on a list", "b.example.com is on a list"}},
		{name: "paused", names: []string{"example.com"}, never: true,
			config: acmetest.Config{Fault: hears("newOrder", 1, acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: 429,
				Detail: "Your account is temporarily prevented from requesting certificates for example.com and possibly others. Please visit: https://ca.test/sfe/v1/unpause?jwt=x"}})},
			says: []string{"https://ca.test/sfe/v1/unpause?jwt=x"}, advice: "open the page"},
		{name: "CAA", names: []string{"example.com"},
			config: acmetest.Config{Fault: hears("newOrder", 1, acmetest.Fault{Problem: &acmetest.Problem{Type: "caa", Status: 403, Detail: "CAA record for example.com prevents issuance"}})},
			says:   []string{"caa: CAA record for example.com"}, advice: "CAA record of the domain"},
		{name: "never judged", names: []string{"example.com"}, invalid: true,
			config: acmetest.Config{ValidationDelay: func(string) time.Duration { return -1 }, AuthzRetryAfter: 3 * time.Second},
			says:   []string{"example.com", "has not judged the challenge after 5m0s"}},
		{name: "never signed", names: []string{"example.com"}, config: acmetest.Config{FinalizeDelay: time.Hour}, says: []string{"has not signed the order https://ca.test/order/", "after 5m0s"}},
		{name: "DNS fails", names: []string{"example.com"}, spoil: func(h *house) { h.hosts.fail = errors.New("the host is away") }, says: []string{"the host is away"}},
		{name: "no zone", names: []string{"www.example.org"}, says: []string{"www.example.org is in no zone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			withCA(t, c.config, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				if c.spoil != nil {
					c.spoil(h)
				}
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", c.names...)
				began := time.Now()
				_, err := h.try(a, w, job)
				if err == nil {
					t.Fatal("it was issued")
				}
				if got := errors.Is(err, issue.ErrInvalid); got != c.invalid || errors.Is(err, issue.ErrLost) != c.invalid {
					t.Errorf("invalid is %v: %v", got, err)
				}
				if _, ok := world.RetryAt(err); ok == c.never {
					t.Errorf("may be tried again: %v: %v", ok, err)
				}
				for _, s := range c.says {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("%q does not say %q", err, s)
					}
				}
				if got := strings.Join(world.Advice(err), "; "); !strings.Contains(got, c.advice) {
					t.Errorf("the advice is %q", got)
				}
				if took := time.Since(began); took > 6*time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestStuckOrder: an order that is given up does not come back.
func TestStuckOrder(t *testing.T) {
	delay := time.Duration(-1)
	withCA(t, acmetest.Config{ValidationDelay: func(string) time.Duration { return delay }}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "example.com")
		if _, err := h.try(a, w, job); !errors.Is(err, issue.ErrInvalid) {
			t.Fatalf("%v", err)
		}
		delay = 0
		w, job = h.claim(a, "", "example.com")
		h.run(a, w, job)
		counts(t, ca, map[string]int{"orders": 2, "certificates": 1})
	})
}
