package issue_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
)

// TestBatches issues through the real zones: certificates of one zone travel
// together, and one that waits for a Retry-After is not waited for.
func TestBatches(t *testing.T) {
	held := acmetest.Fault{Problem: &acmetest.Problem{Type: "rateLimited", Status: 429, RetryAfter: 8 * time.Minute,
		Detail: `too many failed authorizations (5) for "held.example.com" in the last 1h0m0s`}}
	withCA(t, acmetest.Config{Latency: 25 * time.Millisecond}, func(t *testing.T, h *house, ca *acmetest.CA, cfg issue.ACME) {
		host := h.dns.NewHost(dnstest.HostConfig{Latency: 100 * time.Millisecond}, h.dns.Zone("example.com."))
		h.dns.AddResolver("192.0.2.53")
		zones := providers.NewZones(providertest.World(h.dns, "192.0.2.53:53"), providers.Options{
			DNS: []providers.DNS{providertest.Memory("dns.memory.main", "main", host, "example.com")},
		})
		defer zones.Close()
		h.issuer(cfg, nil)
		a := issue.NewACME(cfg, issue.Deps{World: h.world, Store: h.store, Seal: sealed{}, Zones: zones})
		began := time.Now()
		took := make([]time.Duration, 20)
		hosts := []string{"held.example.com"}
		for i := range len(took) - 1 {
			hosts = append(hosts, fmt.Sprintf("h%d.example.com", i))
		}
		heard := make(chan struct{})
		ca.Configure(func(c *acmetest.Config) {
			c.Fault = oneByOne(func(op string) *acmetest.Fault {
				if op != "newOrder" {
					return nil
				}
				select {
				case <-heard:
					return nil
				default:
					close(heard)
					return &held
				}
			})
		})
		var wg sync.WaitGroup
		for i, name := range hosts {
			w, job := h.claim(a, "", name, "*."+name)
			var found []providers.Found
			for _, n := range job.Names {
				f, err := zones.Find(t.Context(), n)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, f)
			}
			job.Ticket = zones.Expect(found)
			wg.Go(func() {
				if i > 0 {
					<-heard // the refusal is for the held one's order, not for a neighbour's
				}
				for w.Phase != state.Issued {
					if err := a.Step(t.Context(), w, job); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
				took[i] = time.Since(began)
			})
		}
		wg.Wait()
		for i, d := range took {
			if i == 0 && d < 8*time.Minute || i > 0 && d > 2*time.Second {
				t.Errorf("%s took %s", hosts[i], d)
			}
		}
		if n := host.Stats().Total; n > 4 {
			t.Errorf("%d calls to the DNS host", n)
		}
	})
}
