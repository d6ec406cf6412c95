package house_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/providers"
)

// TestOneValueAName: at a host that holds one TXT value a name, a wildcard and
// its base name are proven one after the other, in one certificate and in two
// that share them, and never is there a second value.
func TestOneValueAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h *house.House
		var mu sync.Mutex
		at := map[string]int{}
		most := 0
		count := func(c dnstest.Call) dnstest.Outcome {
			mu.Lock()
			defer mu.Unlock()
			for _, rr := range c.Del {
				at[rr.Name]--
			}
			for _, rr := range c.Add {
				at[rr.Name]++
				most = max(most, at[rr.Name])
			}
			return dnstest.Done
		}
		h = house.New(t, house.Options{
			Host: dnstest.HostConfig{Latency: 100 * time.Millisecond, Propagation: time.Second, Fault: count}, Quirks: providers.Quirks{OneValue: true},
		})
		defer h.Close()
		h.Want("both", "example.com", "*.example.com")
		h.Want("apex", "example.com")
		h.Want("other", "*.other.example.com", "other.example.com")
		r := run(t, h)
		if r.Code() != 0 {
			t.Fatalf("%+v", r.Outcomes)
		}
		if left := h.Net.AllTXT(); len(left) > 0 || most != 1 {
			t.Errorf("%d values at a name at a time; left in DNS: %v", most, left)
		}
		if n := h.CA.Counts()["orders"]; n != 3 {
			t.Errorf("%d orders for three certificates", n)
		}
	})
}
