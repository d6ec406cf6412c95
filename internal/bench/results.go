package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// sound is how far the floor may be from its arithmetic.
const sound = 0.10

// round is one run of the floor and one of the client.
type round struct {
	Floor struct {
		used
		floorTimes
		counts
	} `json:"floor"`
	Client   clientRun     `json:"client"`
	WorldCPU time.Duration `json:"world_cpu_ns"` // during the floor's run
	Others   float64       `json:"others"`       // their share of the cores; negative: not known
}

func (r round) disturbed() bool { return r.Others > tolerable }

// planRun is one plan of the fleet.
type planRun struct {
	used
	Others float64 `json:"others"`
}

func (p planRun) disturbed() bool { return p.Others > tolerable }

// results is what was measured of one case.
type results struct {
	Case       Case       `json:"case"`
	Arithmetic arithmetic `json:"arithmetic"`
	Rounds     []round    `json:"rounds"`

	goals goals
	s     settings
}

// report is everything that was measured.
type report struct {
	Cores int        `json:"cores"`
	Go    string     `json:"go"`
	Cases []*results `json:"cases"`
	Fleet int        `json:"fleet"`
	Plans []planRun  `json:"plans"`

	s settings
}

func (r *report) preface(w io.Writer) {
	fmt.Fprintf(w, "%s, %s/%s. CA with DNS host, floor and client are processes of their own and share %d cores.\n",
		r.Go, runtime.GOOS, runtime.GOARCH, r.Cores)
}

func (r *results) preface(w io.Writer) {
	fmt.Fprintf(w, "\n%s.\nThe floor by arithmetic: %s.\n", r.Case, r.Arithmetic)
}

// disturbance says it if others used the machine.
func disturbance(others float64) string {
	if others <= tolerable {
		return ""
	}
	return fmt.Sprintf("   (others used %.0f %% of the cores)", 100*others)
}

func (r *results) progress(w io.Writer, n int, rd round) {
	fmt.Fprintf(w, "round %d: floor %.2f s, certform %.2f s%s\n", n, rd.Floor.Wall.Seconds(), rd.Client.Wall.Seconds(), disturbance(rd.Others))
	if !r.s.phases {
		return
	}
	f := rd.Floor.floorTimes
	fmt.Fprintf(w, "  floor: account %.3f, orders %.3f, adding %.3f, propagation %.3f, finish %.3f; CPU %.2f, the world's %.2f\n",
		f.Account.Seconds(), f.Orders.Seconds(), f.Adding.Seconds(), f.Wait.Seconds(), f.Finish.Seconds(), rd.Floor.CPU.Seconds(), rd.WorldCPU.Seconds())
	for _, m := range rd.Client.Marks {
		fmt.Fprintf(w, "  %-13s %6d  from %7.3f to %7.3f\n", m.Kind, m.Times, m.First.Seconds(), m.Last.Seconds())
	}
}

// counted is what counts of several runs: the undisturbed ones if they are as
// many as are wanted, else all; enough tells which.
func counted[E interface{ disturbed() bool }](all []E, wanted int) (runs []E, enough bool) {
	runs = slices.DeleteFunc(slices.Clone(all), E.disturbed)
	if len(runs) < wanted {
		return all, false
	}
	return runs, true
}

func median[S ~[]E, E any, T cmp.Ordered](list S, of func(E) T) T {
	values := make([]T, len(list))
	for i, e := range list {
		values[i] = of(e)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func most[S ~[]E, E any, T cmp.Ordered](list S, of func(E) T) T {
	values := make([]T, len(list))
	for i, e := range list {
		values[i] = of(e)
	}
	return slices.Max(values)
}

// off is how far the floor's work, without the start of its process, is from
// what arithmetic says: in its best round, since whatever disturbs can only
// make it slower.
func (r *results) off() float64 {
	rounds, _ := counted(r.Rounds, r.s.runs)
	best := slices.MinFunc(rounds, func(a, b round) int { return cmp.Compare(a.Floor.total(), b.Floor.total()) })
	return best.Floor.total().Seconds()/r.Arithmetic.total().Seconds() - 1
}

// valid is an error if the floor is so far off in the standard case that nothing
// can be compared with it. Larger cases keep two cores busy; there it is only
// shown.
func (r *report) valid() error {
	for _, c := range r.Cases {
		if c.Case == standard && math.Abs(c.off()) > sound {
			return fmt.Errorf("the floor at its best is %+.0f %% off its arithmetic, more than %.0f %%: this machine is too slow or too busy for the figures to mean anything", 100*c.off(), 100*sound)
		}
	}
	return nil
}

// summary is what counts of a case's rounds.
type summary struct {
	floor, whole, deployed, floorCPU, cpu time.Duration
	calls                                 float64
	rss                                   int64
	refused                               int
	quiet                                 bool
}

func (r *results) summary() summary {
	rounds, quiet := counted(r.Rounds, r.s.runs)
	return summary{
		floor:    median(rounds, func(rd round) time.Duration { return rd.Floor.Wall }),
		whole:    median(rounds, func(rd round) time.Duration { return rd.Client.Wall }),
		deployed: median(rounds, func(rd round) time.Duration { return rd.Client.Deployed }),
		floorCPU: median(rounds, func(rd round) time.Duration { return rd.Floor.CPU }),
		cpu:      median(rounds, func(rd round) time.Duration { return rd.Client.CPU }),
		rss:      most(rounds, func(rd round) int64 { return rd.Client.RSS }),
		calls:    float64(most(rounds, func(rd round) int { return rd.Client.CallsTotal })) / float64(r.Case.Certificates),
		refused:  most(rounds, func(rd round) int { return rd.Client.CallsRefused }),
		quiet:    quiet,
	}
}

func (r *report) table(w io.Writer) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tfloor s\toff\tdeployed s\tratio\twhole s\tratio\tcalls/cert\t429\tpeak MiB\tCPU s\tof the floor's\t")
	var judged []figure
	quiet := true
	for i, c := range r.Cases {
		s := c.summary()
		quiet = quiet && s.quiet
		fmt.Fprintf(t, "%s\t%.2f\t%+.0f %%\t%.2f\t%.2f\t%.2f\t%.2f\t%.3f\t%d\t%.0f\t%.2f\t%.1fx\t%s\n", c.Case, s.floor.Seconds(), 100*c.off(),
			s.deployed.Seconds(), s.deployed.Seconds()/s.floor.Seconds(), s.whole.Seconds(), s.whole.Seconds()/s.floor.Seconds(), s.calls, s.refused,
			mib(s.rss), s.cpu.Seconds(), s.cpu.Seconds()/s.floorCPU.Seconds(), map[bool]string{false: "disturbed"}[s.quiet])
		var before *results
		if i > 0 {
			before = r.Cases[i-1]
		}
		judged = append(judged, c.judge(before)...)
	}
	if plans, alone := counted(r.Plans, min(r.s.runs, len(r.Plans))); len(plans) > 0 {
		quiet = quiet && alone
		wall := median(plans, func(p planRun) time.Duration { return p.Wall })
		rss := most(plans, func(p planRun) int64 { return p.RSS })
		cpu := median(plans, func(p planRun) time.Duration { return p.CPU })
		what := fmt.Sprintf("plan of %d, nothing to do", r.Fleet)
		fmt.Fprintf(t, "%s\t-\t-\t-\t-\t%.2f\t-\t-\t-\t%.0f\t%.2f\t-\t\n", what, wall.Seconds(), mib(rss), cpu.Seconds())
		if r.Fleet == goalFleet {
			judged = append(judged, figure{what, "seconds", fmt.Sprintf("%.2f", wall.Seconds()), fmt.Sprint(goalPlan.Seconds()), wall <= goalPlan})
		}
	}
	t.Flush()
	if !quiet {
		fmt.Fprintln(w, "Others were using the machine all the time; the figures are worse for it.")
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range judged {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\tgoal: at most %s\n", map[bool]string{true: "PASS", false: "OVER"}[g.met], g.of, g.what, g.value, g.goal)
	}
	t.Flush()
	fmt.Fprint(w, `
Times are from the start of the process: certform's until the last certificate was in its place (deployed;
those of a slow zone left out), and to its end, with all values seen to be gone from DNS (whole). The floor
cleans nothing up. The median of the rounds counts, of calls and memory the most. off: the floor at its best
from its arithmetic; large cases keep the cores busy.
`)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
