package house_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/internal/house"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
)

// hosts are the kinds of DNS hosts that a broker treats in ways of their own.
var hosts = []struct {
	kind   string
	quirks providers.Quirks
	plain  bool
}{
	{kind: "changes in batches"},
	{kind: "adds and deletes exactly", plain: true},
	{kind: "deletes by name", quirks: providers.Quirks{DeletesByName: true}, plain: true},
	{kind: "replaces sets", quirks: providers.Quirks{Replaces: true}, plain: true},
	{kind: "rewrites the zone", quirks: providers.Quirks{WholeZone: true}, plain: true},
	{kind: "holds one value a name", quirks: providers.Quirks{OneValue: true}, plain: true},
}

// TestNothingLeaks kills the broker 500 times at random moments of its work at
// hosts of all kinds, which besides fail, do what they answer with an error, and
// lose answers: afterwards every zone is as it was, and nothing is owed.
func TestNothingLeaks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	kills := 500
	for n := uint64(0); kills > 0; n++ {
		synctest.Test(t, func(t *testing.T) { kills -= leak(t, rand.New(rand.NewPCG(seed, n))) })
		if t.Failed() {
			t.Fatalf("in story %d of seed %d", n, seed)
		}
	}
}

// leak plays one story: runs that are killed one after the other, and one that
// is not.
func leak(t *testing.T, r *rand.Rand) (kills int) {
	var zones []string
	for i := range 1 + r.IntN(3) {
		zones = append(zones, fmt.Sprintf("z%d.test", i))
	}
	var calm atomic.Bool
	calm.Store(true)
	host := dnstest.HostConfig{
		Latency:     time.Duration(r.IntN(300)) * time.Millisecond,
		Propagation: time.Duration(r.IntN(5)) * time.Second,
		MaxChanges:  []int{0, 1, 3}[r.IntN(3)],
	}
	kind := hosts[r.IntN(len(hosts))]
	if kind.plain {
		host.MaxChanges = 0 // a set is as large as it is
	}
	trouble := r.IntN(10)
	faults := []dnstest.Outcome{dnstest.Refuse, dnstest.Fail, dnstest.LoseReply}
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(r.Uint64(), 0))
	host.Fault = func(c dnstest.Call) dnstest.Outcome {
		mu.Lock()
		defer mu.Unlock()
		if calm.Load() || c.Kind != "change" || dice.IntN(30) >= trouble {
			return dnstest.Done
		}
		return faults[dice.IntN(len(faults))]
	}
	h := house.New(t, house.Options{Zones: zones, Host: host, Quirks: kind.quirks, Plain: kind.plain, CA: func(c *acmetest.Config) { c.OrderLife = 7 * day }})
	defer h.Close()
	foreign := []libdns.RR{{Name: "_acme-challenge", Type: "TXT", Data: "foreign", TTL: time.Minute}}
	if kind.quirks.OneValue {
		foreign[0].Name += ".elsewhere" // at our name ours would take its place
	}
	if err := h.Host.Change(t.Context(), "z0.test.", foreign, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second)
	calm.Store(false)
	before := h.Net.AllTXT()
	for i := range 1 + r.IntN(5) {
		zone := zones[r.IntN(len(zones))]
		names := []string{fmt.Sprintf("h%d.%s", i, zone), fmt.Sprintf("*.h%d.%s", i, zone)}
		if r.IntN(3) == 0 {
			names = append(names, fmt.Sprintf("x%d.%s", i, zones[r.IntN(len(zones))]))
		}
		if i == 0 {
			names = []string{"z0.test", "*.z0.test"}
		}
		h.Want(fmt.Sprintf("c%d", i), names...)
	}
	for range 1 + r.IntN(4) {
		at := 1 + r.IntN(60*len(h.Wants))
		p, err := h.Begin(&doom.Doom{At: at})
		if err == nil {
			_, err = p.Apply()
		}
		if p.Doom.Dead() {
			kills++
		} else if err != nil {
			t.Errorf("a run that nobody killed: %v", err)
		}
		p.End()
		if r.IntN(4) == 0 {
			h.Wants = slices.Delete(h.Wants, 0, 1) // it leaves the configuration
			if len(h.Wants) == 0 {
				h.Want("last", "last.z0.test")
			}
		}
		time.Sleep([]time.Duration{time.Second, time.Minute, 8 * day}[r.IntN(3)])
	}
	calm.Store(true)
	var report apply.Report
	var p *house.Process
	for range 3 { // what a failure made wait is tried again
		var err error
		if p, err = h.Start(0); err != nil {
			t.Fatal(err)
		}
		if report, err = p.Apply(); err != nil {
			t.Fatal(err)
		}
		if report.Code() == 0 {
			break
		}
		p.End()
		time.Sleep(day)
	}
	if report.Code() != 0 {
		t.Errorf("at a host that %s, the last run: %+v", kind.kind, report.Outcomes)
	}
	for e, err := range h.Store.List(t.Context(), state.Query{Prefix: state.Certificates}) {
		if err != nil {
			t.Fatal(err)
		}
		rec, err := state.DecodeRecord(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		if len(rec.Owed) > 0 || rec.Work != nil {
			t.Errorf("%s: owed %v, work %v", rec.Address, rec.Owed, rec.Work)
		}
	}
	p.End()
	if after := h.Net.AllTXT(); !slices.Equal(before, after) {
		t.Errorf("at a host that %s: DNS was %q and is %q", kind.kind, before, after)
	}
	if got := h.Net.TXT(foreign[0].Name + ".z0.test"); !slices.Equal(got, []string{"foreign"}) {
		t.Errorf("the foreign value's name has %q", got)
	}
	return kills
}
