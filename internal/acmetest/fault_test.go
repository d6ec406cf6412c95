package acmetest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/libdns/libdns"
	"github.com/mholt/acmez/v3/acme"
)

func txt(name, value string) []libdns.RR {
	return []libdns.RR{{Name: name, Type: "TXT", Data: value, TTL: time.Minute}}
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{})
		defer w.close()
		ctx := t.Context()
		set := func(f func(op string) *acmetest.Fault) {
			w.ca.Configure(func(c *acmetest.Config) {
				c.Fault = func(_ *http.Request, op string) *acmetest.Fault { return f(op) }
			})
		}
		var lost atomic.Int32
		set(func(op string) *acmetest.Fault {
			if op == "finalize" && lost.Add(1) == 1 {
				return &acmetest.Fault{LoseReply: true}
			}
			return nil
		})
		o, err := w.client.NewOrder(ctx, w.account, dnsNames("example.com"))
		if err != nil {
			t.Fatal(err)
		}
		if o, _, err = w.prove(o); err != nil {
			t.Fatal(err)
		}
		// The client asks again by itself and learns that it is done.
		if _, err := w.client.FinalizeOrder(ctx, w.account, o, csr(t, newKey(t), "example.com")); err == nil {
			t.Log("the client got over the lost reply")
		}
		if got := len(w.ca.Issued()); got != 1 {
			t.Errorf("%d certificates after a lost reply", got)
		}
		if o, err := w.client.GetOrder(ctx, w.account, o); err != nil || o.Status != "valid" || o.Certificate == "" {
			t.Errorf("order: %s %v", o.Status, err)
		}

		set(func(op string) *acmetest.Fault {
			if op == "newOrder" {
				return &acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: 429, Detail: "slow down", RetryAfter: 90 * time.Second}}
			}
			return nil
		})
		_, err = w.client.NewOrder(ctx, w.account, dnsNames("a.example.com"))
		wantProblem(t, "fault", err, 429, "rateLimited", "slow down")
		set(func(op string) *acmetest.Fault { return &acmetest.Fault{Drop: op == "newOrder"} })
		orders := w.ca.Counts()["orders"]
		if _, err = w.client.NewOrder(ctx, w.account, dnsNames("a.example.com")); err == nil || w.ca.Counts()["orders"] != orders {
			t.Errorf("a dropped request: %v", err)
		}
		set(func(op string) *acmetest.Fault { return &acmetest.Fault{Delay: time.Hour} })
		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err = w.client.NewOrder(short, w.account, dnsNames("a.example.com")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a slow CA: %v", err)
		}
	})
}

// TestRetryAfter reads the header that the client library does not show with an error.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{FrontDoor: map[string]acmetest.Pace{"newNonce": {PerSecond: 0.1, Burst: 2}}})
		defer w.close()
		get := func() *http.Response {
			t.Helper()
			r, err := w.client.HTTPClient.Get("https://ca.test/new-nonce")
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
			return r
		}
		time.Sleep(time.Minute)
		for i, want := range []int{204, 204, 503} {
			if r := get(); r.StatusCode != want {
				t.Errorf("request %d: %d, want %d", i, r.StatusCode, want)
			} else if want == 503 && r.Header.Get("Retry-After") != "10" {
				t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
			} else if want == 204 && r.Header.Get("Replay-Nonce") == "" {
				t.Error("no nonce")
			}
		}
		time.Sleep(10 * time.Second)
		if r := get(); r.StatusCode != 204 {
			t.Errorf("after the wait: %d", r.StatusCode)
		}
	})
}

func TestStuckAndSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{
			ValidationDelay: func(name string) time.Duration {
				if name == "stuck.example.com" {
					return -1
				}
				return 7 * time.Second
			},
			AuthzRetryAfter: 2 * time.Second, OrderRetryAfter: 3 * time.Second, FinalizeDelay: 10 * time.Second,
		})
		defer w.close()
		begin := time.Now()
		if _, err := w.obtain(dnsNames("example.com")); err != nil {
			t.Fatal(err)
		}
		// Validation ends at 7 s; the client asks at 0.25, 2.25, ... 8.25 s; the order is done 10 s later, asked at 3, 6, 9, 12 s.
		if d := time.Since(begin); d != 20*time.Second+250*time.Millisecond {
			t.Errorf("took %s", d)
		}
		w.client.PollTimeout = time.Minute
		if _, err := w.obtain(dnsNames("stuck.example.com")); err == nil {
			t.Error("a stuck challenge ends")
		}
	})
}

// TestManyAtOnce has as many clients at once as a fleet has certificates that are due.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := acmetest.Config{Latency: 25 * time.Millisecond, MaxInFlight: 50}
		w := inMemory(t, c)
		defer w.close()
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range 60 {
			wg.Go(func() {
				name := fmt.Sprintf("h%d.example.com", i)
				if _, err := w.obtain(dnsNames(name, "*."+name)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := len(w.ca.Issued()); got != 60 {
			t.Errorf("%d certificates", got)
		}
		n := w.ca.Counts()["requests"]
		if least := time.Duration(n) * 25 * time.Millisecond / 50; time.Since(begin) < least {
			t.Errorf("%d requests took %s, less than 50 in flight can", n, time.Since(begin))
		}
		if left := w.dns.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}

func TestPlainHTTPAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inMemory(t, acmetest.Config{ValidationDelay: func(string) time.Duration { return 24 * time.Hour }})
		defer w.close()
		w.ca.Serve(w.dns.Listen("plain.test:80"))
		tls := w.client
		w.client = &acme.Client{Directory: w.ca.DirectoryURL("http://plain.test"), HTTPClient: tls.HTTPClient}
		w.account = w.register()
		o, err := w.client.NewOrder(t.Context(), w.account, dnsNames("example.com"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := w.client.GetAuthorization(t.Context(), w.account, o.Authorizations[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.InitiateChallenge(t.Context(), w.account, z.Challenges[0]); err != nil {
			t.Fatal(err)
		}
		// Closing ends the validation that would take a day, and the listeners.
		begin := time.Now()
		w.close()
		if time.Since(begin) > time.Minute {
			t.Errorf("closing took %s", time.Since(begin))
		}
		if _, err := w.client.NewOrder(t.Context(), w.account, dnsNames("example.com")); err == nil {
			t.Error("a closed CA answers")
		}
	})
}
