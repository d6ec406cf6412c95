package house_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/sinks/sinktest"
)

const day = 24 * time.Hour

// run starts a process, applies, and ends it.
func run(t *testing.T, h *house.House) apply.Report {
	t.Helper()
	p, err := h.Start(0)
	defer p.End()
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func status(r apply.Report) map[string]apply.Status {
	out := map[string]apply.Status{}
	for _, o := range r.Outcomes {
		out[strings.TrimPrefix(o.Address, "certificate.")] = o.Status
	}
	return out
}

// TestTenCertificatesTravelTogether: wildcard and apex of ten names of one
// zone need one call to add and one to remove, and nothing sleeps a fixed
// time: propagation is what takes long.
func TestTenCertificatesTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Latency: 100 * time.Millisecond, Propagation: 20 * time.Second}})
		defer h.Close()
		for i := range 10 {
			name := fmt.Sprintf("h%d.example.com", i)
			h.Want(fmt.Sprintf("h%d", i), name, "*."+name)
		}
		began := time.Now()
		r := run(t, h)
		if r.Code() != 0 {
			t.Fatalf("%+v", r.Outcomes)
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("took %v, propagation alone takes 20 s", took)
		}
		if s := h.Host.Stats(); s.Calls["change"] > 2 {
			t.Errorf("calls of the DNS host: %v", s.Calls)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}

// TestAYear keeps certificates of 90 days for a year: every one is renewed
// long before its end, no place ever holds one with less than 20 days, and
// nothing is left in DNS.
func TestAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{
			Host: dnstest.HostConfig{Latency: 100 * time.Millisecond, Propagation: 5 * time.Second},
			// A CA that asks for fewer visits than Let's Encrypt: each costs the
			// test a real handshake.
			CA: func(c *acmetest.Config) {
				c.ARIWindow = func(x *x509.Certificate) (start, end time.Time, url string, again time.Duration) {
					life := x.NotAfter.Sub(x.NotBefore)
					return x.NotBefore.Add(life * 65 / 100), x.NotBefore.Add(life * 67 / 100), "", 4 * day
				}
			},
		})
		defer h.Close()
		const n = 10
		for i := range n {
			h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("*.h%d.example.com", i))
		}
		p, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer p.End()
		stop, ask := context.WithCancel(context.Background())
		fleets, ended := make(chan daemon.Fleet, 1), make(chan struct{})
		p.Engine.Stop = stop
		fleets <- daemon.Fleet{Wants: h.Wants, Engine: p.Engine, Survey: p.Survey}
		d := &daemon.Daemon{Runner: p.Engine.Runner, Interval: 24 * time.Hour, Say: p.Engine.Say}
		go func() { d.Run(p.Context(), fleets, stop.Done()); close(ended) }()
		for range 365 {
			time.Sleep(day)
			for _, target := range h.Sink.Targets() {
				if b := h.Sink.Uses(target); time.Until(b.Chain.Leaf().NotAfter) < 20*day {
					t.Fatalf("%s: %s has %v left", time.Now(), target, time.Until(b.Chain.Leaf().NotAfter))
				}
			}
		}
		ask()
		<-ended
		issued := len(h.CA.Issued())
		t.Logf("%d certificates for %d names in a year, %d calls of the DNS host", issued, n, h.Host.Stats().Total)
		if issued < 6*n || issued > 8*n {
			t.Errorf("%d certificates in a year for %d wanted of 90 days", issued, n)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}

// TestFiveRunners: five processes apply ten certificates at the same moment.
// Each certificate is ordered once; a run ends well or says who is at work.
func TestFiveRunners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Latency: 50 * time.Millisecond, Propagation: 2 * time.Second}})
		defer h.Close()
		for i := range 10 {
			h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.example.com", i))
		}
		var processes []*house.Process
		for range 5 {
			p, err := h.Start(0)
			if err != nil {
				t.Fatal(err)
			}
			processes = append(processes, p)
		}
		var wg sync.WaitGroup
		codes := make([]int, len(processes))
		for i, p := range processes {
			wg.Go(func() {
				r, err := p.Apply()
				if err != nil {
					t.Error(err)
				}
				codes[i] = r.Code()
				for _, o := range r.Outcomes {
					if o.Status != apply.Done && o.Status != apply.Held {
						t.Errorf("runner %d: %s: %s: %v", i, o.Address, o.Status, o.Err)
					}
				}
			})
		}
		wg.Wait()
		for _, p := range processes {
			p.End()
		}
		if orders, certs := h.CA.Counts()["orders"], len(h.CA.Issued()); orders != 10 || certs != 10 {
			t.Errorf("%d orders, %d certificates for ten wanted (exit codes %v)", orders, certs, codes)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("the next run: %+v", r.Outcomes)
		}
	})
}

// TestOneFaultCostsOneThing: ten certificates, one fault each time.
func TestOneFaultCostsOneThing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(h *house.House)
		want  apply.Status
	}{
		{"a name that the CA refuses", func(h *house.House) {
			h.CA.Configure(func(c *acmetest.Config) {
				c.Refuse = func(name string) string {
					if name == "h3.example.com" {
						return "policy forbids it"
					}
					return ""
				}
			})
		}, apply.Failed},
		{"a zone whose host is dead", func(h *house.House) {
			h.Host.Configure(func(c *dnstest.HostConfig) {
				c.Fault = func(call dnstest.Call) dnstest.Outcome {
					if call.Zone == "example.net." || call.Zone == "example.net" {
						return dnstest.NoAnswer
					}
					return dnstest.Done
				}
			})
			h.Wants[3].Names = []cert.Name{{Kind: cert.DNS, Value: "h3.example.net"}}
		}, apply.Failed},
		{"a place that refuses", func(h *house.House) { h.Wants[3].Places[0] = h.Broken("h3") }, apply.Failed},
		{"a place with a certificate that is not ours", func(h *house.House) {
			h.Sink.Set("h3", sinktest.Bundle(h.T(), "foreign.example.com"))
		}, apply.Blocked},
		{"a challenge that is processing for ever", func(h *house.House) {
			h.CA.Configure(func(c *acmetest.Config) {
				c.ValidationDelay = func(name string) time.Duration {
					if name == "h3.example.com" {
						return -1
					}
					return 0
				}
			})
		}, apply.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := house.New(t, house.Options{Zones: []string{"example.com", "example.net"}})
				defer h.Close()
				for i := range 10 {
					h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.example.com", i))
				}
				tt.build(h)
				r := run(t, h)
				if r.Code() != 3 {
					t.Errorf("exit code %d", r.Code())
				}
				for name, s := range status(r) {
					want := apply.Done
					if name == "h3" {
						want = tt.want
					}
					if s != want {
						t.Errorf("%s: %s, want %s", name, s, want)
					}
				}
				if left := h.Net.AllTXT(); len(left) > 0 {
					t.Errorf("left in DNS: %v", left)
				}
			})
		})
	}
}

// TestADeadPlaceIsRetriedWithoutANewOrder: what failed is in every later plan
// until it lands, and nothing is ordered for it again.
func TestADeadPlaceIsRetriedWithoutANewOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		w := h.Want("site", "example.com")
		good := w.Places[0]
		w.Places[0] = h.Broken("site")
		if r := run(t, h); r.Code() != 3 {
			t.Fatalf("%+v", r.Outcomes)
		}
		h.Wants[0].Places[0] = good
		if r := run(t, h); r.Code() != 0 {
			t.Fatalf("%+v", r.Outcomes)
		}
		if n := h.CA.Counts()["orders"]; n != 1 {
			t.Errorf("%d orders", n)
		}
		if h.Sink.Uses("site") == nil {
			t.Error("not delivered")
		}
	})
}

// TestOwedValuesOutliveTheirProvider: a DNS host that dies while values are
// in it holds up no certificate; the values are named, and gone once it is back.
func TestOwedValuesOutliveTheirProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com", "*.example.com")
		var dead atomic.Bool
		h.Host.Configure(func(c *dnstest.HostConfig) {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if dead.Load() || call.Kind == "change" && len(call.Del) > 0 {
					dead.Store(true)
					return dnstest.NoAnswer
				}
				return dnstest.Done
			}
		})
		r := run(t, h)
		if r.Code() != 3 || status(r)["site"] != apply.Owing {
			t.Fatalf("%+v", r.Outcomes)
		}
		if !strings.Contains(r.Outcomes[0].Err.Error(), "_acme-challenge.example.com.") {
			t.Errorf("the values are not named: %v", r.Outcomes[0].Err)
		}
		if h.Sink.Uses("site") == nil {
			t.Error("the certificate waited for the clean-up")
		}
		h.Host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("%+v", r.Outcomes)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
		if n := h.CA.Counts()["orders"]; n != 1 {
			t.Errorf("%d orders", n)
		}
	})
}

// TestAForgottenCertificateLeavesNothingBehind in DNS, and keeps its places.
func TestAForgottenCertificateLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		p, err := h.Start(18) // somewhere in the middle of the order
		if err == nil {
			p.Apply()
		}
		p.End()
		h.Wants = nil
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("%+v", r.Outcomes)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
		if r := run(t, h); len(r.Outcomes) != 0 {
			t.Errorf("forgotten twice: %+v", r.Outcomes)
		}
	})
}

// TestRandomDeaths kills runs one after the other at random doors until one
// gets through; seeds are printed.
func TestRandomDeaths(t *testing.T) {
	for range 30 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			h := house.New(t, house.Options{})
			defer h.Close()
			for i := range 4 {
				h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("*.h%d.example.com", i))
			}
			kills := 0
			for range 12 {
				p, err := h.Start(1 + rng.IntN(40))
				if err == nil {
					p.Apply()
				}
				if p.Doom.Dead() {
					kills++
				}
				p.End()
				time.Sleep(time.Duration(rng.IntN(3)) * time.Minute)
			}
			p, err := h.Start(0)
			if err != nil {
				t.Fatal(err)
			}
			defer p.End()
			if r, err := p.Apply(); err != nil || r.Code() != 0 {
				t.Errorf("seed %d: %v %+v", seed, err, r.Outcomes)
			}
			atRest(t, h, p, fmt.Sprintf("%d times, seed %d", kills, seed))
			if certs, orders := len(h.CA.Issued()), h.CA.Counts()["orders"]; certs != 4 || orders > 4+kills {
				t.Errorf("seed %d: %d certificates, %d orders after %d kills", seed, certs, orders, kills)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// TestTheCAIsObeyed: 429 with Retry-After, 503 and half of all nonces
// rejected delay a run and do not fail it.
func TestTheCAIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) {
			c.BadNonces = 0.5
			c.Fault = func(r *http.Request, op string) *acmetest.Fault {
				if op == "newOrder" {
					if asked.Add(1) == 1 {
						return &acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Detail: "slowly", Status: 429, RetryAfter: time.Minute}}
					}
				}
				return nil
			}
		}})
		defer h.Close()
		h.Want("site", "example.com")
		began := time.Now()
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("%+v", r.Outcomes)
		}
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("took %v, Retry-After was a minute", took)
		}
	})
}

// TestASoftStopBreaksOffWhatOnlyWaits: a DNS host that never answers does not
// keep a run that was asked to stop; the next run goes on.
func TestASoftStopBreaksOffWhatOnlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "example.com")
		h.Host.Configure(func(c *dnstest.HostConfig) {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if call.Kind == "change" {
					return dnstest.NoAnswer
				}
				return dnstest.Done
			}
		})
		p, err := h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		stop, ask := context.WithCancel(context.Background())
		p.Engine.Stop = stop
		time.AfterFunc(10*time.Second, ask)
		began := time.Now()
		r, err := p.Apply()
		if err != nil || r.Code() != 3 || status(r)["site"] != apply.Interrupted {
			t.Errorf("%v %+v", err, r.Outcomes)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v to stop", took)
		}
		h.Host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("the next run: %+v", r.Outcomes)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}

// TestANewNameReplacesNothing: a certificate whose names are all new is no
// successor of the one before (RFC 9773, section 5).
func TestANewNameReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		h.Want("site", "old.example.com")
		if r := run(t, h); r.Code() != 0 {
			t.Fatalf("%+v", r.Outcomes)
		}
		h.Wants[0].Names = []cert.Name{{Kind: cert.DNS, Value: "new.example.com"}}
		if r := run(t, h); r.Code() != 0 {
			t.Fatalf("%+v", r.Outcomes)
		}
		if n := h.CA.Counts()["replaced"]; n != 0 {
			t.Errorf("%d certificates were named as replaced", n)
		}
	})
}

// TestTheCAIsObeyedByTheNextRun: a Retry-After that is too long to be waited for
// is kept; a run that somebody starts before its end says so and asks nobody.
// Other names, and other certificates, are another matter.
func TestTheCAIsObeyedByTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := &acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: 429, RetryAfter: 3 * time.Hour,
			Detail: `too many certificates (5) already issued for this exact set of identifiers: "limited.example.com"`}}
		var asked atomic.Int32
		full := atomic.Bool{}
		full.Store(true)
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) {
			c.Fault = func(r *http.Request, op string) *acmetest.Fault {
				if op == "newOrder" && full.Load() {
					asked.Add(1)
					return limit
				}
				return nil
			}
		}})
		defer h.Close()
		h.Want("limited", "limited.example.com")
		failed := func(want int32, says string) {
			t.Helper()
			r := run(t, h)
			if r.Code() != 3 || asked.Load() != want || !strings.Contains(r.Outcomes[0].Err.Error(), says) {
				t.Errorf("asked %d times, want %d: %+v", asked.Load(), want, r.Outcomes)
			}
		}
		failed(1, "exact set of identifiers")
		time.Sleep(time.Hour)
		failed(1, "is not asked again before 2000-01-01 03:00")
		h.Wants[0].Names[0].Value = "other.example.com"
		failed(2, "exact set of identifiers")
		full.Store(false)
		h.Wants[0].Names[0].Value = "third.example.com"
		if r := run(t, h); r.Code() != 0 {
			t.Errorf("other names: %+v", r.Outcomes)
		}
	})
}
