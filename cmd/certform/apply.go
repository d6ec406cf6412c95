package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/world"
	"github.com/spf13/cobra"
)

// applyFlags are those of apply alone.
type applyFlags struct {
	plan        planFlags
	approve     bool
	expect      string
	lockTimeout time.Duration
	cleanup     time.Duration
}

func applyCommand(o *options) *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Make the world as the configuration says, until every endpoint serves it",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return world.Hint(fmt.Errorf("%s takes one saved plan, and %q is another argument", c.CommandPath(), args[1]),
					"another directory is said by -chdir=DIR")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				for _, name := range []string{"target", "replace", "upkeep", "expect"} {
					if c.Flags().Changed(name) {
						return fmt.Errorf("-%s does not go with a saved plan: what is done was decided when it was made", name)
					}
				}
				return o.apply(c.Context(), f, args[0])
			}
			return o.apply(c.Context(), f, "")
		},
	}
	configFlags(c, o)
	f.plan.add(c)
	c.Flags().BoolVar(&f.approve, "auto-approve", false, "do not ask")
	c.Flags().StringVar(&f.expect, "expect", "", "go on only if the plan made now has this id or digest")
	c.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another runner that works on a certificate")
	c.Flags().DurationVar(&f.cleanup, "cleanup-timeout", 2*time.Minute, "how long to wait for TXT values to be gone at a DNS host that takes no call")
	return c
}

// apply plans, asks, and makes it true; or does what a saved plan says, where
// the world is still as it was.
func (o *options) apply(ctx context.Context, f applyFlags, file string) error {
	var saved *plan.Plan
	if file != "" {
		var err error
		if saved, err = readPlan(file); err != nil {
			return err
		}
		f.plan = planFlags{upkeep: string(saved.Upkeep)}
	}
	cfg, err := o.load()
	if err != nil {
		return err
	}
	ctx, stop, done := interruptible(ctx, o)
	defer done()
	p, facts, err := o.review(ctx, cfg, f, file, saved, stop)
	if err == nil && p != nil {
		select {
		case <-stop.Done():
			err = errNotBegun
		default:
			err = o.execute(ctx, cfg, f, p, facts, saved, stop)
		}
	}
	if context.Cause(ctx) == errInterrupted {
		return &codeError{exitInterrupted, silent(err)}
	}
	return err
}

// errNotBegun is for a run that was interrupted before it did anything.
var errNotBegun = &codeError{exitError, errors.New("stopped before anything was done")}

// silent is err without what an interrupt makes of every error.
func silent(err error) error {
	var c *codeError
	if errors.Is(err, context.Canceled) || errors.As(err, &c) && c.err == nil {
		return nil
	}
	return err
}

// review shows what would be done, reading only, and asks. A nil plan without
// an error means that there is nothing to do.
func (o *options) review(ctx context.Context, cfg *config.Config, f applyFlags, file string, saved *plan.Plan, stop context.Context) (*plan.Plan, plan.Facts, error) {
	s, err := o.look(ctx, cfg, o.progress())
	if err != nil {
		return nil, plan.Facts{}, err
	}
	defer s.Close()
	if saved != nil {
		if s.store != nil {
			if done, err := s.alreadyApplied(ctx, saved); done || err != nil {
				return nil, plan.Facts{}, err
			}
		}
		if err := s.stale(file, saved); err != nil {
			return nil, plan.Facts{}, err
		}
		if !slices.ContainsFunc(saved.Items, open) {
			o.note("No changes: there is nothing to do in the plan.")
			o.nothingDone()
			return nil, plan.Facts{}, nil
		}
		return saved, plan.Facts{}, s.secrets(ctx, saved)
	}
	facts, err := s.facts(ctx, f.plan)
	if err != nil {
		return nil, facts, err
	}
	p := plan.Make(facts)
	if f.expect != "" && f.expect != p.ID && f.expect != p.Digest {
		return nil, facts, &codeError{exitStale, world.Hint(fmt.Errorf("the plan made now is %s, not %s: what was reviewed is no longer what would be done", p.ID, f.expect),
			"run certform plan, and review it again")}
	}
	if err := o.showPlan(p, ""); err != nil {
		return nil, facts, err
	}
	if !p.Changes() {
		if f.plan.upkeep == string(plan.Exclude) {
			if err := s.forgetMended(ctx, facts); err != nil {
				o.progress()(event.Event{Kind: event.Warned, Note: "failures that are over could not be forgotten", Err: err})
			}
			return nil, facts, o.nothingToDo(p)
		}
		// There is nothing to ask about; whether something is due the CAs say next.
		return p, facts, nil
	}
	if err := s.secrets(ctx, p); err != nil {
		return nil, facts, err
	}
	if f.approve {
		return p, facts, nil
	}
	return p, facts, o.ask(ctx, stop)
}

// nothingToDo ends an apply that has no steps: well, unless the plan itself
// could not be made whole.
func (o *options) nothingToDo(p *plan.Plan) error {
	for _, it := range p.Items {
		if len(it.Errors) > 0 {
			return exit(exitFailed)
		}
		for _, v := range it.Places {
			if v.Will == "unread" {
				return &codeError{exitFailed, fmt.Errorf("certificate %s: place %s: %s", it.Address, v.ID, v.Now)}
			}
		}
	}
	o.nothingDone()
	return nil
}

// nothingDone is the end of a run that found nothing to do, for programs that
// wait for one; people have read it.
func (o *options) nothingDone() {
	if o.json {
		(&view{o: o}).Report(apply.Report{}, 0)
	}
}

// stale refuses a saved plan that was made of another state or configuration.
func (s *session) stale(file string, saved *plan.Plan) error {
	if saved.ConfigDigest != s.cfg.Digest {
		return &codeError{exitStale, fmt.Errorf("the plan %s was made of another configuration or other variables; plan again", file)}
	}
	if saved.Lineage != s.meta.Lineage {
		if saved.Lineage == "" && s.store != nil {
			// Planned on an empty state: the certificates' own bases decide.
			return nil
		}
		return &codeError{exitStale, fmt.Errorf("the plan %s was made on another state; plan again", file)}
	}
	return nil
}

// ask wants the word "yes". An interrupt is an answer too.
func (o *options) ask(ctx context.Context, stop context.Context) error {
	fmt.Fprintf(o.errs, "\n%s Only \"yes\" goes on: ", o.paint(bold, "Apply this?"))
	type answer struct {
		line string
		err  error
	}
	given := make(chan answer, 1)
	go func() { // a read from a terminal cannot be called off; it ends with the process
		line, err := bufio.NewReader(o.in).ReadString('\n')
		given <- answer{line, err}
	}()
	var a answer
	select {
	case a = <-given:
	case <-stop.Done():
		return errNotBegun
	case <-ctx.Done():
		return ctx.Err()
	}
	if !o.asks() {
		fmt.Fprintln(o.errs) // where nobody typed it there is no end of the line
	}
	if strings.TrimSpace(a.line) == "yes" {
		return nil
	}
	if a.err != nil && a.line == "" {
		return &codeError{exitError, errors.New("nobody answered; say -auto-approve where nobody can")}
	}
	return &codeError{exitError, errors.New("not applied")}
}

// surveyGood is how long what a review saw is good for the run that follows:
// where a person thought about it for longer, the world is looked at again. A
// look that itself took long, for somebody who did not answer, is not repeated:
// that would hold up all others twice.
const surveyGood = 30 * time.Second

// execute changes the world: it opens the state for writing, makes sure of
// what the plan rests on, and does it.
func (o *options) execute(ctx context.Context, cfg *config.Config, f applyFlags, p *plan.Plan, facts plan.Facts, saved *plan.Plan, stop context.Context) error {
	view := o.view()
	defer view.Close()
	s, err := o.change(ctx, cfg, view.Listen)
	if err != nil {
		return err
	}
	defer s.Close()
	if saved != nil {
		if done, err := s.alreadyApplied(ctx, saved); done || err != nil {
			return err
		}
	}
	runner, err := apply.StartRunner(ctx, s.store, s.who)
	if err != nil {
		return err
	}
	defer runner.Stop(context.WithoutCancel(ctx))
	engine := s.engine(runner, stop)
	engine.LockTimeout, engine.CleanupTimeout = f.lockTimeout, f.cleanup
	if saved != nil {
		engine.PlanID = planKey(saved)
	}
	if f.plan.upkeep != string(plan.Exclude) {
		// Upkeep asks the CAs before it decides; a plan never does.
		records, err := s.survey.Records(ctx)
		if err != nil {
			return err
		}
		engine.Refresh(ctx, s.wants, records)
	}
	again := time.Since(facts.Looked) > surveyGood
	if again {
		facts, err = s.facts(ctx, f.plan)
	} else if f.plan.upkeep != string(plan.Exclude) {
		facts.Records, err = s.survey.Records(ctx)
	}
	if err != nil {
		return err
	}
	now := plan.Make(facts)
	if reviewed := f.expect != "" || !f.approve && (!p.Changes() || again && f.plan.upkeep == string(plan.Exclude)); saved == nil && reviewed && now.Digest != p.Digest {
		return &codeError{exitStale, errors.New("the world has changed since the plan was shown; plan again")}
	}
	jobs := jobsOf(s, facts, now, saved)
	if saved == nil && len(jobs) == 0 {
		forgetMended(ctx, engine, facts, nil)
		view.Close()
		s.sawUpkeep(context.WithoutCancel(ctx), f)
		if p.Changes() { // somebody else did it
			err = o.showPlan(now, "")
		}
		o.nothingDone()
		return err
	}
	began := time.Now()
	view.Listen(event.Event{Kind: event.RunStarted, N: len(jobs)})
	forgetMended(ctx, engine, facts, jobs)
	report := engine.Run(ctx, jobs)
	if err := engine.Learn(context.WithoutCancel(ctx)); err != nil {
		view.Listen(event.Event{Kind: event.Warned, Note: "what was learnt of zones could not be saved", Err: err})
	}
	s.sweep(ctx, report)
	s.sawUpkeep(context.WithoutCancel(ctx), f)
	code := report.Code()
	if saved != nil && code == exitOK {
		s.markApplied(ctx, saved)
	}
	view.Report(report, time.Since(began))
	return exit(code)
}

// forgetMended forgets failures that the plan found to be over, of certificates
// that have no job.
func forgetMended(ctx context.Context, e *apply.Engine, facts plan.Facts, jobs []apply.Job) {
	busy := map[string]bool{}
	for _, j := range jobs {
		busy[j.Want.Address] = true
	}
	for _, w := range facts.Wants {
		if busy[w.Address] {
			continue
		}
		if err := e.ForgetMended(ctx, w, facts.Records[w.Address], facts.Seen[w.Address]); err != nil {
			e.Say(event.Event{Kind: event.Warned, Certificate: w.Address, Note: "failures that are over could not be forgotten", Err: err})
		}
	}
}

// forgetMended does the same for an apply that has nothing to do: it opens the
// state for writing only where there is something to forget.
func (s *session) forgetMended(ctx context.Context, facts plan.Facts) error {
	if !slices.ContainsFunc(facts.Wants, func(w plan.Want) bool {
		return apply.Mended(w, facts.Records[w.Address], facts.Seen[w.Address])
	}) {
		return nil
	}
	store, err := local.Open(ctx, s.statePath(), local.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	own := state.WithPrefix(store, s.cfg.Settings.State.Spec.(*config.Local).Prefix)
	forgetMended(ctx, &apply.Engine{Store: own, Say: s.say}, facts, nil)
	return nil
}

// sawUpkeep remembers that upkeep was done, if it was and of everything.
func (s *session) sawUpkeep(ctx context.Context, f applyFlags) {
	if f.plan.upkeep != string(plan.Exclude) && len(f.plan.targets) == 0 {
		s.noteUpkeep(ctx, "apply -upkeep="+f.plan.upkeep)
	}
}

// open reports whether an item is something to do. What could not be looked at
// is looked at again: nothing is done before it was seen to be.
func open(it *plan.Item) bool { return it.Changes() || len(it.Errors) > 0 || it.Unread() }

// jobsOf are the plan's certificates with what was seen of them: those with
// something to do, and those of which a place could not be looked at, for
// which nobody can say that they are done. For a saved plan: its certificates
// on their saved basis.
func jobsOf(s *session, facts plan.Facts, now, saved *plan.Plan) []apply.Job {
	wants := map[string]plan.Want{}
	for _, w := range s.wants {
		wants[w.Address] = w
	}
	items := map[string]*plan.Item{}
	for _, it := range now.Items {
		items[it.Address] = it
	}
	var jobs []apply.Job
	add := func(it *plan.Item, basis *plan.Basis) {
		w, ok := wants[it.Address]
		if !ok {
			w = plan.Want{Address: it.Address}
		}
		jobs = append(jobs, apply.Job{Want: w, Item: it, Seen: facts.Seen[it.Address], Basis: basis})
	}
	if saved == nil {
		for _, it := range now.Items {
			if open(it) {
				add(it, nil)
			}
		}
		return jobs
	}
	for _, it := range saved.Items {
		if open(it) {
			add(it, &it.Basis)
		}
	}
	return jobs
}

// planKey names one saved plan: the same decisions saved at another time are
// another plan, which may be applied again.
func planKey(p *plan.Plan) string { return p.ID + "@" + p.AsOf.UTC().Format(time.RFC3339Nano) }

// sweep removes keys and bundles that nothing names any more; only a run that
// issued something leaves any behind.
func (s *session) sweep(ctx context.Context, r apply.Report) {
	if !slices.ContainsFunc(r.Outcomes, func(o apply.Outcome) bool { return o.Issued }) || ctx.Err() != nil {
		return
	}
	if _, err := new(state.Sweeper).Sweep(ctx, s.whole); err != nil {
		s.say(event.Event{Kind: event.Warned, Note: "old keys and bundles could not be swept", Err: err})
	}
}

// alreadyApplied answers a second apply of a plan that was done.
func (s *session) alreadyApplied(ctx context.Context, saved *plan.Plan) (bool, error) {
	_, err := s.store.Get(ctx, state.Key(state.Plans, planKey(saved)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		s.o.note("This plan was already applied; nothing to do.")
		s.o.nothingDone()
	}
	return err == nil, err
}

// markApplied remembers that a saved plan was done.
func (s *session) markApplied(ctx context.Context, saved *plan.Plan) {
	data, err := json.Marshal(map[string]any{"plan_id": saved.ID, "applied": time.Now().UTC().Format(time.RFC3339)})
	if err == nil {
		_, err = s.store.Put(context.WithoutCancel(ctx), state.Entry{Key: state.Key(state.Plans, planKey(saved)), Data: data})
	}
	if err != nil && !errors.Is(err, state.ErrConflict) {
		s.say(event.Event{Kind: event.Warned, Note: "that the plan was applied could not be remembered", Err: err})
	}
}

// errInterrupted is the cause of a context that a second interrupt ended.
var errInterrupted error = cutOff("broken off at the second interrupt; the next run goes on from here")

// cutOff is why everything under way had to end at once: a cancellation, and no
// fault of what was being done.
type cutOff string

func (c cutOff) Error() string { return string(c) }

// Is is for errors.Is.
func (cutOff) Is(target error) bool { return target == context.Canceled }

// interruptible hears SIGINT and SIGTERM: the first ends soft (finish the
// phase, save, say what is left), the second ends the context.
func interruptible(ctx context.Context, o *options) (hard, soft context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop, ask := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			case <-signals:
			}
			if n == 0 {
				ask()
				o.note("Stopping: the phase under way is finished and saved. Interrupt again to stop at once.")
				continue
			}
			cancel(errInterrupted)
			return
		}
	}()
	return ctx, stop, func() { signal.Stop(signals); close(ended); ask(); cancel(nil) }
}
