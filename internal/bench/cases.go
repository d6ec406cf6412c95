package main

import (
	"fmt"
	"time"
)

// goals of a case; 0 is none. What misses one is said and is no failure of the
// bench.
type goals struct {
	deployed float64       // the last certificate in its place: times the floor
	within   time.Duration // the same, from the start
	whole    float64       // the whole run, clean-up of DNS seen to be done: times the floor
	times    float64       // the whole run, times that of the case before
	calls    float64       // DNS calls a certificate, refused ones too
	cpu      float64       // times the floor's
	rss      int64
}

const second = time.Second

// The cases of `make bench`, each with what it is to keep.
var cases = []struct {
	Case
	goals
}{
	{Case{Certificates: 10, Zones: 1, Propagation: 2 * second}, goals{deployed: 1.15, calls: 0.3, cpu: 3}},
	{Case{Certificates: 10, Zones: 1, Propagation: 20 * second}, goals{deployed: 1.05, calls: 0.3, cpu: 3}},
	{standard, goals{deployed: 1.3, whole: 1.5, calls: 0.05, cpu: 3, rss: 100 << 20}},
	{Case{Certificates: 100, Zones: 1, Propagation: 20 * second}, goals{deployed: 1.1, calls: 0.05, cpu: 3}},
	{Case{Certificates: 100, Zones: 10, Propagation: 2 * second}, goals{deployed: 1.3, calls: 0.3, cpu: 3}},
	{Case{Certificates: 100, Zones: 10, Propagation: 2 * second, Slow: 60 * second}, goals{deployed: 1.3, calls: 0.3}},
	// A call is needed to add and one to remove for each zone, and one to look.
	{Case{Certificates: 100, Zones: 10, Propagation: 2 * second, Each: second / 2}, goals{calls: 0.3 * 1.2}},
	{Case{Certificates: 1000, Zones: 1, Propagation: 2 * second}, goals{deployed: 1.2, calls: 0.02, cpu: 3, rss: 100 << 20}},
	{Case{Certificates: 1000, Zones: 10, Propagation: 2 * second}, goals{calls: 0.3, cpu: 3, rss: 100 << 20}},
	{Case{Certificates: 10000, Zones: 100, Propagation: 2 * second}, goals{times: 11, calls: 0.03, cpu: 3, rss: 600 << 20}},
	// 200 values at 5 calls a second, propagation, and 2 s.
	{Case{Certificates: 100, Zones: 1, Propagation: 2 * second, Single: true}, goals{within: 11 * (200*dnsEach + 2*second + 2*second) / 10, calls: 4}},
}

// standard is the case in which the floor must be within 10 % of its
// arithmetic, or the machine is not fit to be measured on.
var standard = Case{Certificates: 100, Zones: 1, Propagation: 2 * second}

// goalPlan is for a plan of so many certificates.
const (
	goalPlan  = 3 * time.Second
	goalFleet = 10000
)

// figure is one that has a goal.
type figure struct {
	of, what, value, goal string
	met                   bool
}

// judge compares what was measured with the goals of its case; before is the
// case measured before it.
func (r *results) judge(before *results) (out []figure) {
	s, g := r.summary(), r.goals
	ratio := func(what string, value, goal float64) {
		if goal > 0 {
			out = append(out, figure{r.Case.String(), what, fmt.Sprintf("%.3g", value), fmt.Sprintf("%.3g", goal), value <= goal})
		}
	}
	ratio("deployed, times the floor", s.deployed.Seconds()/s.floor.Seconds(), g.deployed)
	ratio("deployed after seconds", s.deployed.Seconds(), g.within.Seconds())
	ratio("the whole run, times the floor", s.whole.Seconds()/s.floor.Seconds(), g.whole)
	if before != nil {
		ratio("the whole run, times that of "+before.Case.String(), s.whole.Seconds()/before.summary().whole.Seconds(), g.times)
	}
	ratio("DNS calls a certificate", s.calls, g.calls)
	ratio("CPU, times the floor's", s.cpu.Seconds()/s.floorCPU.Seconds(), g.cpu)
	ratio("peak memory in MiB", mib(s.rss), mib(g.rss))
	return out
}
