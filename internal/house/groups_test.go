package house_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/house"
)

// TestZoneByZone: with more certificates than may be under way those of a zone
// are begun together and travel together, in whatever order they are written.
func TestZoneByZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zones := []string{"a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test", "h.test"}
		h := house.New(t, house.Options{CA: func(c *acmetest.Config) { c.Latency = 25 * time.Millisecond }, Zones: zones, Host: dnstest.HostConfig{Latency: 100 * time.Millisecond, Propagation: 2 * time.Second}})
		defer h.Close()
		for i := range 80 {
			h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.%s", i, zones[i%8]))
		}
		p, err := h.Start(0)
		defer p.End()
		if err != nil {
			t.Fatal(err)
		}
		p.Engine.UnderWay = 40 // a zone at a time is a quarter of it
		began := time.Now()
		if r, err := p.Apply(); err != nil || r.Code() != 0 {
			t.Fatalf("%v, %+v", err, r.Outcomes)
		}
		calls := h.Host.Stats().Calls["change"]
		if took := time.Since(began); calls > 16 || took > 10*time.Second {
			t.Errorf("%d calls in %s, want one to add and one to remove for each of 8 zones", calls, took)
		}
	})
}

// TestCleanupWaitsForAHostThatWorks: hundreds of removals at a host that takes
// one a call need longer than the time that a run waits for a dead one.
func TestCleanupWaitsForAHostThatWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{Host: dnstest.HostConfig{Latency: time.Second, MaxChanges: 1}})
		defer h.Close()
		for i := range 150 {
			h.Want(fmt.Sprintf("h%d", i), fmt.Sprintf("h%d.example.com", i))
		}
		r := run(t, h)
		if r.Code() != 0 {
			t.Errorf("exit code %d: %v", r.Code(), r.Outcomes[0].Err)
		}
		if left := h.Net.AllTXT(); len(left) > 0 {
			t.Errorf("left in DNS: %v", left)
		}
	})
}
