package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

// settings are the flags.
type settings struct {
	one    *Case // this alone
	runs   int
	fleet  int
	binary string
	json   string
	phases bool
	dir    string // for everything that is written
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := role(ctx, os.Args[1:])
	if errors.Is(err, errNoRole) {
		err = bench(ctx, flags())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errNoRole = errors.New("no role")

// role does the work of one of the other processes, if args name one.
func role(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errNoRole
	}
	order := []byte(args[1])
	switch args[0] {
	case "world":
		var o worldOrder
		if err := json.Unmarshal(order, &o); err != nil {
			return err
		}
		return serveWorld(o, os.Stdin, os.Stdout)
	case "floor":
		var o floorOrder
		if err := json.Unmarshal(order, &o); err != nil {
			return err
		}
		times, err := runFloor(ctx, o)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(times)
	case "fleet":
		var o fleetOrder
		if err := json.Unmarshal(order, &o); err != nil {
			return err
		}
		if err := makeFleet(ctx, o); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(o.Certificates)
	}
	return errNoRole
}

func flags() settings {
	var s settings
	var c Case
	host := "batch"
	flag.IntVar(&c.Certificates, "n", 0, "only one case: certificates to issue")
	flag.IntVar(&c.Zones, "zones", 1, "of it: zones that they are in")
	flag.DurationVar(&c.Propagation, "propagation", 2*time.Second, "of it: from a change until the name server shows it")
	flag.DurationVar(&c.Slow, "slow", 0, "of it: the same for the first zone")
	flag.DurationVar(&c.Each, "each", 0, "of it: the DNS host takes a call in this time")
	flag.StringVar(&host, "host", host, "of it: the DNS host takes many changes a call (batch) or one (single)")
	flag.IntVar(&s.runs, "runs", 1, "rounds of floor and client; the median counts")
	flag.IntVar(&s.fleet, "plan", 10000, "certificates of the fleet that is planned; 0 leaves it out")
	flag.StringVar(&s.binary, "certform", filepath.Join("bin", "certform"), "the client's binary")
	flag.StringVar(&s.json, "json", "", "write all figures to this file")
	flag.BoolVar(&s.phases, "phases", false, "show when the client said what")
	flag.Parse()
	c.Single = host == "single"
	if c.Certificates > 0 {
		s.one = &c
	}
	if flag.NArg() > 0 || c.Certificates < 0 || c.Zones < 1 || s.one != nil && c.Zones > c.Certificates || s.runs < 1 || host != "single" && host != "batch" {
		flag.Usage()
		os.Exit(2)
	}
	return s
}

func bench(ctx context.Context, s settings) error {
	binary, err := filepath.Abs(s.binary)
	if err != nil {
		return err
	}
	if _, err := os.Stat(binary); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	s.binary = binary
	// Removed at the end only: ext4 makes new files slowly for some seconds after
	// many were removed.
	if s.dir, err = os.MkdirTemp("", "certform-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	all := &report{Cores: runtime.NumCPU(), Go: runtime.Version(), s: s}
	all.preface(os.Stdout)
	measure := func(c Case, g goals) error {
		r := &results{Case: c, Arithmetic: c.floor().arithmetic(), goals: g, s: s}
		all.Cases = append(all.Cases, r)
		r.preface(os.Stdout)
		if err := s.rounds(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		return nil
	}
	if s.one != nil {
		err = measure(*s.one, goals{})
	} else {
		for _, c := range cases {
			if err = measure(c.Case, c.goals); err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	if s.fleet > 0 {
		if err := s.plans(ctx, all); err != nil {
			return err
		}
	}
	all.table(os.Stdout)
	if s.json != "" {
		data, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(s.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	return all.valid()
}

// rounds has floor and client take turns until there are enough rounds in which
// the machine was ours, and no more than twice as many as are wanted.
func (s settings) rounds(ctx context.Context, r *results) error {
	for n := 1; n <= 2*s.runs; n++ {
		if _, enough := counted(r.Rounds, s.runs); enough {
			break
		}
		rd, err := s.round(ctx, r.Case)
		if err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		r.Rounds = append(r.Rounds, rd)
		r.progress(os.Stdout, n, rd)
	}
	return nil
}

// round is one run of the floor and one of the client, each in a fresh world.
func (s settings) round(ctx context.Context, c Case) (round, error) {
	var rd round
	watch := watchLoad()
	ours, err := s.inWorld(ctx, c.floor(), func(w *world, dir string) (err error) {
		rd.Floor.used, err = answer(ctx, "floor", floorOrder{c.floor(), w.addresses, dir}, &rd.Floor.floorTimes)
		if err == nil {
			rd.Floor.counts, err = w.counts(ctx)
		}
		return err
	})
	if err != nil {
		return rd, err
	}
	theirs, err := s.inWorld(ctx, c, func(w *world, dir string) (err error) {
		rd.Client, err = apply(ctx, s.binary, c, w, dir)
		return err
	})
	rd.WorldCPU = ours
	rd.Others = watch.others(ours + theirs + rd.Floor.CPU + rd.Client.CPU)
	return rd, err
}

// inWorld begins a world, does something in it with a directory of its own, and
// ends it; cpu is what the world used.
func (s settings) inWorld(ctx context.Context, c Case, do func(w *world, dir string) error) (cpu time.Duration, err error) {
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return 0, err
	}
	w, err := startWorld(ctx, c, dir)
	if err != nil {
		return 0, err
	}
	err = errors.Join(do(w, dir), w.end())
	return w.cmd.ProcessState.UserTime() + w.cmd.ProcessState.SystemTime(), err
}

// plans makes a fleet and plans it, as often as rounds does its rounds.
func (s settings) plans(ctx context.Context, r *report) error {
	r.Fleet = s.fleet
	dir, err := os.MkdirTemp(s.dir, "fleet-")
	if err != nil {
		return err
	}
	fmt.Printf("making a fleet of %d certificates ...", s.fleet)
	o := fleetOrder{s.fleet, dir}
	made, err := answer(ctx, "fleet", o, new(int))
	if err != nil {
		return err
	}
	fmt.Printf(" %.0f s\n", made.Wall.Seconds())
	for n := 1; n <= 2*s.runs; n++ {
		if _, enough := counted(r.Plans, s.runs); enough {
			break
		}
		watch := watchLoad()
		u, err := quietPlan(ctx, s.binary, o)
		if err != nil {
			return err
		}
		p := planRun{u, watch.others(u.CPU)}
		r.Plans = append(r.Plans, p)
		fmt.Printf("plan %d: %.2f s%s\n", n, u.Wall.Seconds(), disturbance(p.Others))
	}
	return nil
}
