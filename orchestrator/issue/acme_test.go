package issue_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// withCA runs f in a bubble with a house and a CA that looks at its DNS.
func withCA(t *testing.T, c acmetest.Config, f func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, "example.com", "example.net")
		ca, cfg := h.ca("ca.test", c)
		f(t, h, ca, cfg)
	})
}

// ca adds a CA to the house.
func (h *house) ca(host string, c acmetest.Config) (*acmetest.CA, issue.ACME) {
	if c.Lookup == nil {
		c.Lookup = h.dns.LookupTXT
	}
	ca := acmetest.New(c)
	h.t.Cleanup(func() { ca.Close() })
	ca.ServeTLS(h.dns.Listen(host + ":443"))
	h.dial = h.dns.Dial
	if h.roots == nil {
		h.roots = ca.Roots()
	} else {
		h.roots.AddCert(ca.Root(0))
	}
	return ca, issue.ACME{Directory: ca.DirectoryURL("https://" + host), Email: "ops@example.com"}
}

func counts(t *testing.T, ca *acmetest.CA, want map[string]int) {
	t.Helper()
	got := ca.Counts()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %d times, should be %d (%v)", k, got[k], n, got)
		}
	}
}

// hears makes a fault that hits the n-th request of an operation, once.
func hears(op string, n int, f acmetest.Fault) func(*http.Request, string) *acmetest.Fault {
	return oneByOne(func(got string) *acmetest.Fault {
		if got != op {
			return nil
		}
		if n--; n != 0 {
			return nil
		}
		return &f
	})
}

// oneByOne lets f keep count: the CA asks from many goroutines.
func oneByOne(f func(op string) *acmetest.Fault) func(*http.Request, string) *acmetest.Fault {
	var mu sync.Mutex
	return func(_ *http.Request, op string) *acmetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		return f(op)
	}
}

func TestIssues(t *testing.T) {
	h0 := acmetest.LetsEncrypt(nil)
	h0.BadNonces = 0
	h0.Fault = func(r *http.Request, op string) *acmetest.Fault {
		if !strings.HasPrefix(r.UserAgent(), "certform/test") {
			t.Errorf("%s came from %q", op, r.UserAgent())
		}
		return nil
	}
	withCA(t, h0, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "tlsserver", "example.com", "*.example.com")
		c := h.run(a, w, job)
		if got := c.Names(); !slices.Equal(got, []string{"*.example.com", "example.com"}) {
			t.Errorf("names %v", got)
		}
		if d := c.Life(); d > 46*24*time.Hour {
			t.Errorf("the profile was not asked for: %s", d)
		}
		if len(w.Values) != 2 || w.Values[0].Zone != "example.com." || w.Values[0].Name != "_acme-challenge.example.com." || w.Values[0].Type != "TXT" {
			t.Errorf("values %+v", w.Values)
		}
		if ev := h.said(event.Ordered); len(ev) != 1 || ev[0].N != 2 || ev[0].Issuer != "issuer.acme.test" {
			t.Errorf("ordered: %+v", ev)
		}
		if len(h.said(event.Propagated)) != 1 || len(h.said(event.Validated)) != 1 {
			t.Errorf("events: %+v", h.events)
		}
		// No chain but the one is fetched, nothing is asked twice.
		counts(t, ca, map[string]int{"newAccount": 1, "newOrder": 1, "authz": 2, "challenge": 2, "finalize": 1, "certificate": 1, "renewalInfo": 0, "directory": 1})

		// The second one uses the account and the authorizations again.
		w, job = h.claim(a, "", "example.com")
		h.run(a, w, job)
		if len(w.Values) != 0 || h.hosts.present != 1 {
			t.Errorf("there was nothing to prove: %+v, presented %d times", w.Values, h.hosts.present)
		}
		counts(t, ca, map[string]int{"newAccount": 1, "directory": 1})
	})
}

// TestDeath kills the process at each request to the CA, before it arrives and
// before its reply does, and goes on in another with what was saved.
func TestDeath(t *testing.T) {
	for _, after := range []bool{false, true} {
		for k := 1; ; k++ {
			done := false
			withCA(t, acmetest.Config{OrderRetryAfter: time.Second, FinalizeDelay: 2 * time.Second}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				ctx, kill := context.WithCancel(t.Context())
				n := 0
				ca.Configure(func(c *acmetest.Config) {
					c.Fault = oneByOne(func(op string) *acmetest.Fault {
						if n++; n == k {
							if after {
								return &acmetest.Fault{LoseReply: true}
							}
							kill()
							return &acmetest.Fault{Drop: true}
						}
						if n > k && after {
							kill()
							return &acmetest.Fault{Drop: true}
						}
						return nil
					})
				})
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com", "*.example.com")
				disk := saved(t, w)
				for w.Phase != state.Issued && a.Step(ctx, w, job) == nil {
					disk = saved(t, w)
				}
				if w.Phase == state.Issued {
					done = true
					return
				}
				ca.Configure(func(c *acmetest.Config) { c.Fault = nil })
				a = h.issuer(cfg, nil)
				h.run(a, disk, job)
				if got := len(ca.Issued()); got != 1 {
					t.Errorf("request %d, after %v: %d certificates", k, after, got)
				}
				if got := ca.Counts()["orders"]; got > 1 {
					t.Errorf("request %d, after %v: %d orders, and this CA hands open ones back", k, after, got)
				}
				if got := h.dns.AllTXT(); len(got) != 0 {
					t.Errorf("request %d, after %v: left in DNS: %v", k, after, got)
				}
			})
			if done {
				if k < 10 {
					t.Errorf("only %d requests were seen", k)
				}
				break
			}
		}
	}
}

func TestNothingToProve(t *testing.T) {
	withCA(t, acmetest.Config{Authorized: func(string) bool { return true }}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "in-no-zone.example.org")
		h.run(a, w, job)
		if len(w.Values) != 0 || h.hosts.present != 0 {
			t.Errorf("values %+v, presented %d times", w.Values, h.hosts.present)
		}
	})
}

func TestProfiles(t *testing.T) {
	c := acmetest.Config{Profiles: map[string]acmetest.Profile{"classic": {}, "short": {}}, Profile: "classic"}
	withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "gold", "example.com")
		_, err := h.try(a, w, job)
		if _, ok := world.RetryAt(err); err == nil || ok || !slices.Equal(world.Advice(err), []string{"this CA offers: classic, short"}) {
			t.Errorf("%v, advice %v", err, world.Advice(err))
		}
		counts(t, ca, map[string]int{"newOrder": 0})
		job.Fallback = true
		h.run(a, w, job)
		if got := ca.Issued(); len(got) != 1 || got[0].Profile != "classic" {
			t.Errorf("%+v", got)
		}
	})
}
