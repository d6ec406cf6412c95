package issue_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
)

func TestLostReply(t *testing.T) {
	for _, op := range []string{"newAccount", "newOrder", "authz", "challenge", "order", "finalize", "certificate", "newNonce", "directory"} {
		t.Run(op, func(t *testing.T) {
			c := acmetest.Config{Fault: hears(op, 1, acmetest.Fault{LoseReply: true}), FinalizeDelay: time.Second}
			withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com")
				h.run(a, w, job)
				counts(t, ca, map[string]int{"certificates": 1, "orders": 1})
			})
		})
	}
}

func TestServerFaults(t *testing.T) {
	for _, op := range []string{"directory", "newNonce", "newAccount", "newOrder", "authz", "challenge", "order", "finalize", "certificate"} {
		for name, f := range map[string]acmetest.Fault{
			"500":  {Problem: &acmetest.Problem{Type: "serverInternal", Status: 500, Detail: "hiccup"}},
			"502":  {Status: 502, Body: "<html>bad gateway</html>"},
			"drop": {Drop: true},
		} {
			t.Run(op+" "+name, func(t *testing.T) {
				// Four in a row, more than the client repeats by itself.
				n := 0
				c := acmetest.Config{FinalizeDelay: time.Second, Fault: oneByOne(func(got string) *acmetest.Fault {
					if got == op && n < 4 {
						n++
						return &f
					}
					return nil
				})}
				withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
					a := h.issuer(cfg, nil)
					w, job := h.claim(a, "", "example.com")
					h.run(a, w, job)
				})
			})
		}
	}
	t.Run("for ever", func(t *testing.T) {
		f := acmetest.Fault{Status: 500, Body: "<html>" + strings.Repeat("no ", 5000)}
		c := acmetest.Config{Fault: func(*http.Request, string) *acmetest.Fault { return &f }}
		withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			began := time.Now()
			_, err := h.try(a, w, job)
			if err == nil || !strings.Contains(err.Error(), "ca.test: read the directory: HTTP 500") || len(err.Error()) > 600 {
				t.Errorf("%v", err)
			}
			if at, ok := world.RetryAt(err); !ok || !at.IsZero() {
				t.Errorf("it may be tried again whenever: %v, %v", at, ok)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	})
}

// TestBadNonces: ten tries of the client are not the end.
func TestBadNonces(t *testing.T) {
	for run := range 20 {
		withCA(t, acmetest.Config{BadNonces: 0.5, Seed: int64(run)}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			var wg sync.WaitGroup
			for i := range 10 {
				w, job := h.claim(a, "", fmt.Sprintf("h%d.example.com", i))
				wg.Go(func() {
					if _, err := h.try(a, w, job); err != nil {
						t.Errorf("run %d: %v", run, err)
					}
				})
			}
			wg.Wait()
			counts(t, ca, map[string]int{"certificates": 10})
		})
	}
}

func TestRetryAfter(t *testing.T) {
	limit := func(status int, after time.Duration, detail string) acmetest.Fault {
		return acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: status, Detail: detail, RetryAfter: after}}
	}
	t.Run("is waited for, by all of that CA and nobody else", func(t *testing.T) {
		for _, status := range []int{429, 503} {
			withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				other, cfg2 := h.ca("other.test", acmetest.Config{})
				a := h.issuer(cfg, nil)
				b := issue.NewACME(cfg2, issue.Deps{World: h.world, Store: h.store, Seal: sealed{}, Zones: h.hosts})
				w, job := h.claim(a, "", "warm.example.com")
				h.run(a, w, job)

				began := time.Now()
				until := began.Add(5 * time.Minute)
				ca.Configure(func(c *acmetest.Config) {
					first := hears("newOrder", 1, limit(status, 5*time.Minute, "too many new orders from this account"))
					c.Fault = func(r *http.Request, op string) *acmetest.Fault {
						f := first(r, op)
						if f == nil && time.Now().Before(until) {
							t.Errorf("%d: %s was asked for %s too early", status, op, time.Until(until))
						}
						return f
					}
				})
				var wg sync.WaitGroup
				for i := range 3 {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Second) // the first hears it
						w, job := h.claim(a, "", fmt.Sprintf("h%d.example.com", i))
						h.run(a, w, job)
					})
				}
				wg.Go(func() {
					time.Sleep(time.Second)
					w, job := h.claim(b, "", "h9.example.com")
					h.run(b, w, job)
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("%d: the other CA's certificate took %s", status, took)
					}
				})
				wg.Wait()
				if took := time.Since(began); took < 5*time.Minute || took > 6*time.Minute {
					t.Errorf("%d: it took %s", status, took)
				}
				if ev := h.said(event.Waiting); len(ev) != 3 || !ev[0].Until.Equal(until) {
					t.Errorf("%d: waiting: %+v", status, ev)
				}
				counts(t, other, map[string]int{"certificates": 1})
				counts(t, ca, map[string]int{"certificates": 4})
			})
		}
	})
	t.Run("a long one is the caller's", func(t *testing.T) {
		withCA(t, acmetest.Config{Fault: hears("newOrder", 1, limit(429, 3*time.Hour, "too many new orders from this account"))},
			func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
				a := h.issuer(cfg, nil)
				w, job := h.claim(a, "", "example.com")
				began := time.Now()
				_, err := h.try(a, w, job)
				at, ok := world.RetryAt(err)
				if want := began.Add(3 * time.Hour); !ok || at.Before(want.Add(-time.Second)) || at.After(want.Add(time.Second)) {
					t.Errorf("%v: retry at %s (%v), should be %s", err, at, ok, want)
				}
				if p := (acme.Problem{}); !errors.As(err, &p) || !strings.Contains(err.Error(), "rateLimited: too many new orders") {
					t.Errorf("the CA's words are gone: %v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %s", took)
				}
				counts(t, ca, map[string]int{"newOrder": 1})
			})
	})
	t.Run("one about these names holds nobody else up", func(t *testing.T) {
		for _, detail := range []string{
			`too many certificates (50) already issued for "example.net" in the last 168h0m0s, retry after 2000-01-01 09:00:00 UTC`,
			`too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s`,
		} {
			withCA(t, acmetest.Config{Fault: hears("newOrder", 1, limit(429, 9*time.Minute, detail))},
				func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
					a := h.issuer(cfg, nil)
					began := time.Now()
					var wg sync.WaitGroup
					wg.Go(func() {
						w, job := h.claim(a, "", "www.example.net")
						h.run(a, w, job)
						if took := time.Since(began); took < 9*time.Minute {
							t.Errorf("the one that was meant took %s", took)
						}
					})
					wg.Go(func() {
						time.Sleep(10 * time.Second)
						w, job := h.claim(a, "", "www.example.com")
						h.run(a, w, job)
						if took := time.Since(began); took > time.Minute {
							t.Errorf("the other took %s", took)
						}
					})
					wg.Wait()
				})
		}
	})
	t.Run("a date, from a server whose clock is wrong", func(t *testing.T) {
		withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			// As a load balancer says it: no problem document.
			until := time.Now().Add(2 * time.Minute)
			busy := true
			cfg.Directory = h.front(ca, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/new-order") && busy {
					busy = false
					theirs := time.Now().Add(time.Hour)
					w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
					w.Header().Set("Retry-After", theirs.Add(2*time.Minute).UTC().Format(http.TimeFormat))
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				if !busy && time.Now().Before(until) {
					t.Errorf("%s was asked for %s too early", r.URL.Path, time.Until(until))
				}
				ca.ServeHTTP(w, r)
			})
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			h.run(a, w, job)
			if late := time.Since(until); late > 5*time.Second {
				t.Errorf("it took %s longer", late)
			}
		})
	})
	t.Run("on a poll", func(t *testing.T) {
		withCA(t, acmetest.Config{OrderRetryAfter: 30 * time.Second, FinalizeDelay: 20 * time.Second}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
			a := h.issuer(cfg, nil)
			w, job := h.claim(a, "", "example.com")
			began := time.Now()
			h.run(a, w, job)
			if took := time.Since(began); took < 30*time.Second || took > 35*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	})
}

// TestFleet: the gate bounds what is in flight, and nothing is asked twice.
func TestFleet(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	c := acmetest.Config{ValidationDelay: func(string) time.Duration { return 50 * time.Millisecond }}
	c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(25 * time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	withCA(t, c, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		a := h.issuer(cfg, nil)
		var wg sync.WaitGroup
		for i := range 100 {
			n := fmt.Sprintf("h%d.example.com", i)
			w, job := h.claim(a, "", n, "*."+n)
			wg.Go(func() { h.run(a, w, job) })
		}
		wg.Wait()
		if most > 50 || most < 40 {
			t.Errorf("%d requests in flight", most)
		}
		if per := float64(ca.Counts()["requests"]) / 100; per > 10 {
			t.Errorf("%.1f requests a certificate: %v", per, ca.Counts())
		}
	})
}

// front serves f as the CA's front, and returns its directory there.
func (h *house) front(ca *acmetest.CA, f http.HandlerFunc) (directory string) {
	srv := &http.Server{Handler: f}
	l := h.dns.Listen("front.test:80")
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(l) })
	h.t.Cleanup(func() { srv.Close(); wg.Wait() })
	return ca.DirectoryURL("http://front.test")
}

func TestUnreachableCA(t *testing.T) {
	withCA(t, acmetest.Config{}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		began := time.Now()
		h.roots = x509.NewCertPool()
		a := h.issuer(cfg, nil)
		w, job := h.claim(a, "", "example.com")
		_, err := h.try(a, w, job)
		if err == nil || !strings.Contains(strings.Join(world.Advice(err), ""), "ca_file") {
			t.Errorf("%v, advice %q", err, world.Advice(err))
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
