package main

import (
	"cmp"
	"fmt"
	"time"
)

// What the CA and the DNS host are like in every case.
const (
	caLatency  = 25 * time.Millisecond
	caInFlight = 50
	dnsLatency = 100 * time.Millisecond
	dnsEach    = time.Second / 5 // one call each, unless the case says otherwise
	dnsBatch   = 500
	workers    = 50 // of the floor
	// The workers begin a phase spread over the latency of one request: begun
	// together they would also compute together, in every round anew, and the
	// cores be idle in between.
	spread = caLatency
)

// Case is how much there is to do, and in what kind of world.
type Case struct {
	Certificates int           `json:"certificates"`
	Zones        int           `json:"zones"`
	Propagation  time.Duration `json:"propagation_ns"`
	Single       bool          `json:"single"` // the host takes one change a call
	// Slow is how long the first zone's propagation takes instead; 0: as the
	// others'.
	Slow time.Duration `json:"slow_ns,omitempty"`
	Each time.Duration `json:"each_ns,omitempty"` // the host takes a call in this time; 0: in dnsEach
}

// each is the pace of the host.
func (c Case) each() time.Duration { return cmp.Or(c.Each, dnsEach) }

func (c Case) String() string {
	zones := "one zone"
	if c.Zones > 1 {
		zones = fmt.Sprintf("%d zones", c.Zones)
	}
	host := ""
	if c.Single {
		host = ", no batches"
	}
	if c.Each > 0 {
		host += fmt.Sprintf(", 429 beyond a call in %s", c.Each)
	}
	if c.Slow > 0 {
		zones += fmt.Sprintf(", one of them needs %s", c.Slow)
	}
	return fmt.Sprintf("%d certificates, %s, propagation %s%s", c.Certificates, zones, c.Propagation, host)
}

// batch is how many changes the host takes in one call.
func (c Case) batch() int {
	if c.Single {
		return 1
	}
	return dnsBatch
}

func (c Case) zone(i int) string {
	if c.Zones == 1 {
		return "bench.test"
	}
	return fmt.Sprintf("z%03d.bench.test", i)
}

// floor is the case as the floor does it: it does not wait for a slow zone, and
// what is compared with it are the others.
func (c Case) floor() Case {
	c.Slow = 0
	return c
}

// certificate is one of the case's: [x, *.x] in one zone.
type certificate struct{ name, zone string }

func (c certificate) names() []string { return []string{c.name, "*." + c.name} }

// challenge is the one name at which both names are proven.
func (c certificate) challenge() string { return "_acme-challenge." + c.name }

func (c Case) certificates() []certificate {
	out := make([]certificate, c.Certificates)
	for i := range out {
		zone := c.zone(i % c.Zones)
		out[i] = certificate{fmt.Sprintf("host%05d.%s", i, zone), zone}
	}
	return out
}

// arithmetic is what the floor's way costs if computing costs nothing: requests
// x latency / in flight, calls at the host's pace, one propagation.
type arithmetic struct {
	Requests int           `json:"requests"`
	Calls    int           `json:"calls"`
	Account  time.Duration `json:"account_ns"`
	Orders   time.Duration `json:"orders_ns"`
	Adding   time.Duration `json:"adding_ns"`
	Wait     time.Duration `json:"propagation_ns"`
	Finish   time.Duration `json:"finish_ns"`
}

const (
	orderRequests  = 3 // the order, two authorizations
	finishRequests = 5 // two challenges, the order, finalize, the chain
)

func (c Case) arithmetic() arithmetic {
	at := min(workers, caInFlight, c.Certificates)
	rounds := func(requests int) time.Duration {
		return time.Duration(c.Certificates*requests) * caLatency / time.Duration(at)
	}
	a := arithmetic{
		// Each worker but the first begins without a nonce and fetches one.
		Requests: 2 + (at - 1) + c.Certificates*(orderRequests+finishRequests),
		Account:  2 * caLatency,
		Orders:   spread + caLatency + rounds(orderRequests),
		Wait:     c.Propagation,
		Finish:   spread + rounds(finishRequests),
	}
	perZone := make([]int, c.Zones)
	for i := range c.Certificates {
		perZone[i%c.Zones] += 2
	}
	for _, changes := range perZone {
		a.Calls += (changes + c.batch() - 1) / c.batch()
	}
	a.Adding = time.Duration(a.Calls-1)*max(c.each(), dnsLatency) + dnsLatency
	return a
}

func (a arithmetic) total() time.Duration { return a.Account + a.Orders + a.Adding + a.Wait + a.Finish }

func (a arithmetic) String() string {
	s := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
	return fmt.Sprintf("account %s + orders %s + %d calls %s + propagation %s + finish %s = %s s (%d requests, %s each, %d at once)",
		s(a.Account), s(a.Orders), a.Calls, s(a.Adding), s(a.Wait), s(a.Finish), s(a.total()), a.Requests, caLatency, caInFlight)
}
