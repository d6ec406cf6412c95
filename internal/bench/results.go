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

// The goals. What misses them is said and is no failure of the bench.
const (
	goalRatio = 1.5
	goalCalls = 0.1
	goalRSS   = 100 << 20
	goalPlan  = 3 * time.Second
	goalFleet = 10000
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

// results is everything that was measured.
type results struct {
	Case       Case       `json:"case"`
	Arithmetic arithmetic `json:"arithmetic"`
	Cores      int        `json:"cores"`
	Go         string     `json:"go"`
	Rounds     []round    `json:"rounds"`
	Fleet      int        `json:"fleet"`
	Plans      []planRun  `json:"plans"`

	s settings
}

func newResults(s settings) *results {
	return &results{Case: s.Case, Arithmetic: s.Case.arithmetic(), Cores: runtime.NumCPU(), Go: runtime.Version(), Fleet: s.fleet, s: s}
}

func (r *results) preface(w io.Writer) {
	fmt.Fprintf(w, "%s, %s/%s. CA with DNS host, floor and client are processes of their own and share %d cores.\n",
		r.Go, runtime.GOOS, runtime.GOARCH, r.Cores)
	fmt.Fprintf(w, "Case: %s.\n", r.Case)
	fmt.Fprintf(w, "The floor by arithmetic: %s.\n", r.Arithmetic)
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

// valid is an error if the floor is so far off that nothing can be compared with
// it. Larger cases than the standard one keep two cores busy; there it is only
// said.
func (r *results) valid() error {
	if math.Abs(r.off()) <= sound || !r.standard() {
		return nil
	}
	return fmt.Errorf("the floor at its best is %+.0f %% off its arithmetic, more than %.0f %%: this machine is too slow or too busy for the figures to mean anything", 100*r.off(), 100*sound)
}

// figure is one that has a goal.
type figure struct {
	what  string
	value string
	goal  string
	met   bool
}

func (r *results) table(w io.Writer) {
	rounds, enough := counted(r.Rounds, r.s.runs)
	floor := median(rounds, func(rd round) time.Duration { return rd.Floor.Wall })
	client := median(rounds, func(rd round) time.Duration { return rd.Client.Wall })
	deployed := median(rounds, func(rd round) time.Duration { return rd.Client.Deployed })
	floorCPU := median(rounds, func(rd round) time.Duration { return rd.Floor.CPU })
	clientCPU := median(rounds, func(rd round) time.Duration { return rd.Client.CPU })
	rss := most(rounds, func(rd round) int64 { return rd.Client.RSS })
	calls := float64(most(rounds, func(rd round) int { return rd.Client.CallsTotal })) / float64(r.Case.Certificates)
	ratio := client.Seconds() / floor.Seconds()

	fmt.Fprintf(w, "\nThe floor at its best is %+.1f %% off its arithmetic.", 100*r.off())
	plans, quiet := counted(r.Plans, min(r.s.runs, len(r.Plans)))
	if !enough || !quiet {
		fmt.Fprint(w, " Others were using the machine all the time; the figures are worse for it.")
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tfloor s\tcertform s\tratio\tdeployed s\tratio\tDNS calls/cert\tpeak MiB\tCPU s\tof the floor's")
	fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.3f\t%.0f\t%.2f\t%.1fx\n", r.Case, floor.Seconds(), client.Seconds(), ratio,
		deployed.Seconds(), deployed.Seconds()/floor.Seconds(), calls, mib(rss), clientCPU.Seconds(), clientCPU.Seconds()/floorCPU.Seconds())
	var goals []figure
	if r.standard() {
		goals = []figure{
			{"wall time over the floor's", fmt.Sprintf("%.2f", ratio), fmt.Sprint(goalRatio), ratio <= goalRatio},
			{"DNS calls a certificate", fmt.Sprintf("%.3f", calls), fmt.Sprint(goalCalls), calls <= goalCalls},
			{"peak memory in MiB", fmt.Sprintf("%.0f", mib(rss)), fmt.Sprintf("%.0f", mib(goalRSS)), rss <= goalRSS},
		}
	}
	if len(plans) > 0 {
		wall := median(plans, func(p planRun) time.Duration { return p.Wall })
		rss := most(plans, func(p planRun) int64 { return p.RSS })
		cpu := median(plans, func(p planRun) time.Duration { return p.CPU })
		fmt.Fprintf(t, "plan of %d, nothing to do\t-\t%.2f\t-\t-\t-\t-\t%.0f\t%.2f\t-\n", r.Fleet, wall.Seconds(), mib(rss), cpu.Seconds())
		if r.Fleet == goalFleet {
			goals = append(goals, figure{fmt.Sprintf("seconds of a plan of %d", r.Fleet), fmt.Sprintf("%.2f", wall.Seconds()), fmt.Sprint(goalPlan.Seconds()), wall <= goalPlan})
		}
	}
	t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range goals {
		fmt.Fprintf(t, "%s\t%s\t%s\tgoal: at most %s\n", map[bool]string{true: "PASS", false: "OVER"}[g.met], g.what, g.value, g.goal)
	}
	t.Flush()
	if refused := most(rounds, func(rd round) int { return rd.Client.CallsRefused }); refused > 0 {
		fmt.Fprintf(w, "%d of the calls were refused for their pace (429).\n", refused)
	}
	fmt.Fprint(w, `
Times are from the start of the process: certform's to its end, clean-up of DNS included, deployed
until the last certificate was in its place. The median of the rounds counts, of calls and memory the most.
`)
}

// standard reports whether this is the case that the goals are set for.
func (r *results) standard() bool {
	return r.Case == Case{Certificates: 100, Zones: 1, Propagation: 2 * time.Second}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
