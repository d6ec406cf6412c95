// Package apply makes a plan true.
//
// One goroutine a certificate, from front to back: issue, deliver, prove,
// clean. It alone owns the certificate's record, which it saves before and
// after every outside effect, so that a run that finds unfinished work goes
// on with it: there is no recovery code. What to do is decided by plan; how a
// CA, a DNS host or a place is spoken to is left to issue, providers and sinks.
package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"golang.org/x/sync/semaphore"
)

// Engine is everything one configuration is applied with. It is made once,
// its fields are not changed while it works, and its methods may be called
// concurrently for different certificates.
type Engine struct {
	World   *world.World
	Store   state.Store
	Seal    seal.Seal
	Zones   *providers.Zones
	Issuers map[string]issue.Issuer // by address
	Runner  *Runner
	// Look surveys one certificate's places and endpoints now.
	Look func(ctx context.Context, want plan.Want, rec *state.Record) plan.Seen
	// Verify waits until an endpoint serves chain, up to its Within, and says
	// so; its error names the endpoint.
	Verify func(ctx context.Context, e cert.Endpoint, chain cert.Chain, say event.Listener) error
	Say    event.Listener

	UnderWay       int           // certificates begun at a time; 0: 5,000
	CleanupTimeout time.Duration // how long a run waits for what is owed; 0: 2 minutes
	LockTimeout    time.Duration // how long to wait for another runner
	Patient        bool          // keep the pauses between tries
	PlanID         string        // the saved plan being applied, "" for none
	// Stop, when done, asks to finish the phase under way and save; nil: never.
	Stop context.Context

	mu    sync.Mutex
	locks map[string]chan struct{}
}

// Job is one certificate to be made right.
type Job struct {
	Want plan.Want
	Item *plan.Item // what was decided; its order step is what counts
	Seen plan.Seen
	// Basis, if set, is what a saved plan was decided on: the job is stale if
	// the certificate has moved on since.
	Basis *plan.Basis
}

// Run does all jobs: nearest expiry first and zone by zone, so many at a time.
// It returns when all are done or given up.
func (e *Engine) Run(ctx context.Context, jobs []Job) Report {
	limit := e.UnderWay
	if limit == 0 {
		limit = 5000
	}
	slots := semaphore.NewWeighted(int64(limit))
	outcomes := make([]Outcome, len(jobs))
	n := 0
	var wg sync.WaitGroup
	for _, group := range together(jobs, max(1, limit/4)) {
		// One that is begun as soon as there is room for it would travel to its
		// zone alone.
		held := slots.Acquire(ctx, int64(len(group))) == nil
		for _, job := range group {
			into := &outcomes[n]
			n++
			wg.Go(func() {
				// Without a slot when ctx has ended, so that each of the rest says
				// that it was not done.
				if held {
					defer slots.Release(1)
				}
				*into = e.One(ctx, job)
			})
		}
	}
	wg.Wait()
	return Report{outcomes}
}

// together sorts jobs into groups that are begun at once, most jobs at most:
// those of one zone, since their changes travel together, and the zone first in
// which a certificate ends first.
func together(jobs []Job, most int) [][]Job {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b Job) int { return expiry(a).Compare(expiry(b)) })
	var zones []string
	in := map[string][]Job{}
	for _, j := range jobs {
		zone := j.zone()
		if in[zone] == nil {
			zones = append(zones, zone)
		}
		in[zone] = append(in[zone], j)
	}
	var groups [][]Job
	for _, zone := range zones {
		groups = slices.AppendSeq(groups, slices.Chunk(in[zone], most))
	}
	return groups
}

// zone is that of the first name; where nobody asked for it, what the name is
// under.
func (j Job) zone() string {
	if len(j.Want.Names) == 0 {
		return ""
	}
	name := j.Want.Names[0].Value
	if zone := j.Seen.Names[name].Zone; zone != "" {
		return zone
	}
	_, parent, _ := strings.Cut(strings.TrimPrefix(name, "*."), ".")
	return parent
}

// expiry orders jobs: what has nothing live comes first, then by notAfter.
func expiry(j Job) time.Time {
	if j.Item != nil && j.Item.Live != nil {
		return j.Item.Live.NotAfter
	}
	return time.Time{}
}

func (e *Engine) stopping() bool {
	return e.Stop != nil && e.Stop.Err() != nil
}

// stop is closed when it is asked to stop.
func (e *Engine) stop() <-chan struct{} {
	if e.Stop == nil {
		return nil
	}
	return e.Stop.Done()
}

// onStop does f, in a goroutine of its own, when it is asked to stop; forget
// takes that back.
func (e *Engine) onStop(f func()) (forget func() bool) {
	if e.Stop == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(e.Stop, f)
}

// grace is how long a phase under way may take to end after a soft stop: one
// that waits for a dead host or a slow zone is broken off then, and its values
// are removed as after any failure.
const grace = 15 * time.Second

// graceful is ctx that ends, with errStopped, a grace after Stop is done.
// The returned function must be called after the phase.
func (e *Engine) graceful(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	forget := e.onStop(func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-ended:
		case <-t.C:
			cancel(errStopped)
		}
	})
	return ctx, func() { forget(); close(ended); cancel(nil) }
}

// errStopped ends a certificate's work at a soft stop.
var errStopped = errors.New("stopped before it was done; the next run goes on from here")

// One makes one certificate right and says what became of it.
func (e *Engine) One(ctx context.Context, job Job) Outcome {
	say, out, began := e.Say.For(job.Want.Address), &Outcome{Address: job.Want.Address}, time.Now()
	e.try(ctx, &job, say, out)
	out.tell(ctx, say, began)
	return *out
}

// try does a certificate's job, and waits for another runner that holds it.
func (e *Engine) try(ctx context.Context, job *Job, say event.Listener, out *Outcome) {
	began, said, forestalled := time.Now(), false, 0
	// Not before it is known to be ours to work on: what is left alone was not begun.
	begun := sync.OnceFunc(func() { say(event.Event{Kind: event.Began, Note: firstWhy(job.Item)}) })
	for {
		now := *job
		out.Status = ""
		out.Err = e.one(ctx, &now, begun, say, out)
		var held *heldError
		if errors.As(out.Err, &held) && held.forestalled && forestalled < forestalledMost {
			forestalled++
			continue
		}
		if held == nil || !time.Now().Before(began.Add(e.LockTimeout)) {
			return
		}
		if !said {
			said = true
			say(event.Event{Kind: event.Waiting, Note: held.Error(), Until: began.Add(e.LockTimeout)})
		}
		if sleep(ctx, e.stop(), 2*time.Second) != nil {
			return
		}
	}
}

func firstWhy(it *plan.Item) string {
	if it == nil || len(it.Steps) == 0 {
		return ""
	}
	return it.Steps[0].Why
}

// forestalledMost is how often a certificate is read and decided on anew in one
// run because somebody wrote its record just before it could be claimed.
const forestalledMost = 3

// errStale says that a certificate moved on since the plan was saved.
var errStale = errors.New("it has changed since the plan was made; plan again")

func (e *Engine) one(ctx context.Context, job *Job, begun func(), say event.Listener, out *Outcome) error {
	if e.stopping() {
		return errStopped
	}
	lapses := e.Runner.Lapses()
	j, err := e.open(ctx, job.Want.Address)
	if err != nil {
		return err
	}
	if err := j.mayClaim(ctx); err != nil {
		return err
	}
	if done, err := e.settled(ctx, j, job); done || err != nil {
		return err
	}
	begun()
	err = e.work(ctx, j, job, say, out)
	var held *heldError
	switch {
	case !errors.As(err, &held):
		return err
	case j.mine:
		return errors.Join(err, e.overtaken(ctx, j))
	case errors.Is(err, state.ErrConflict):
		// One that stood still for minutes is not the one to decide anew: what
		// it was told to do is old.
		held.forestalled = e.Runner.Lapses() == lapses
	}
	return err
}

// settled compares what was decided with the record as it is now, and decides
// anew where another runner was here between the plan and now: what it did is
// not done again. done: this very plan was applied, and nothing moved since.
func (e *Engine) settled(ctx context.Context, j *journal, job *Job) (done bool, err error) {
	now := plan.BasisOf(job.Want, j.rec, job.Seen)
	if job.Basis != nil && !job.Basis.Equal(now) {
		if j.rec.Plan == e.PlanID && len(plan.Again(&plan.Item{}, job.Want, j.rec, job.Seen, time.Now(), false).Steps) == 0 {
			return true, nil
		}
		return false, errStale
	}
	if now.Live != job.Item.Basis.Live || now.Work != job.Item.Basis.Work {
		job.Seen = e.lookAgain(ctx, job, j.rec)
		job.Item = plan.Again(job.Item, job.Want, j.rec, job.Seen, time.Now(), e.Patient)
	}
	return false, nil
}

// work does one certificate's job on the opened record, front to back.
func (e *Engine) work(ctx context.Context, j *journal, job *Job, say event.Listener, out *Outcome) (err error) {
	for _, step := range job.Item.Steps {
		if step.Kind == plan.Forget {
			return e.forget(ctx, j, say, out)
		}
	}
	j.rec.Gone = time.Time{} // if it left the configuration once, it is back
	defer func() { j.gone.end() }()
	var bundle *cert.Bundle
	order := job.Item.Issues()
	if order != nil && order.WaitTill == "" {
		if bundle, err = e.issue(ctx, j, &job.Want, order, say); err != nil {
			err = e.afterFailedOrder(ctx, j, err, say)
			if j.rec.Live == nil || ctx.Err() != nil || !mayDeliver(err) {
				return err
			}
			// The old bundle is still live: its places are kept right.
			return errors.Join(err, e.deliver(ctx, j, job, nil, say, out), j.finish(ctx))
		}
		out.Issued = true
	}
	if j.gone == nil { // else it began when the CA had looked
		if j.gone, err = e.cleaning(ctx, j, j.rec.Owed, say); err != nil {
			return err
		}
	}
	learnt := e.renewalWindow(ctx, j, &job.Want, bundle)
	deliverErr := e.deliver(ctx, j, job, bundle, say, out)
	learnt(j.rec)
	owing := j.gone.wait(j.rec)
	if deliverErr == nil {
		j.rec.Plan = e.PlanID
	}
	var held *heldError
	if !errors.As(deliverErr, &held) {
		// That somebody else has written the record meanwhile says more than
		// what failed here.
		if err := j.finish(ctx); errors.As(err, &held) || deliverErr == nil {
			deliverErr = errors.Join(deliverErr, err)
		}
	}
	switch {
	case deliverErr != nil:
		return errors.Join(deliverErr, owing)
	case owing != nil:
		out.Status = Owing
		return owing
	}
	return nil
}

// mayDeliver reports whether the record is still ours to act on after a
// failed order.
func mayDeliver(err error) bool {
	var held *heldError
	return !errors.As(err, &held) && !errors.Is(err, errStopped) && !errors.Is(err, state.ErrConflict) && !errors.Is(err, state.ErrReplaced) && !errors.Is(err, context.Canceled)
}

// finish writes the record at the end of the run, without an owner.
func (j *journal) finish(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return j.rest(ctx)
}

// lookAgain surveys a certificate anew, keeping what was found of its names.
func (e *Engine) lookAgain(ctx context.Context, job *Job, rec *state.Record) plan.Seen {
	seen := e.Look(ctx, job.Want, rec)
	seen.Names = job.Seen.Names
	return seen
}

// sleep waits, for something that only time or another process can bring.
func sleep(ctx context.Context, stop <-chan struct{}, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-stop:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lock makes certificates with the same account and the same names order one
// after the other: the CA may hand back the same order and TXT value.
func (e *Engine) lock(ctx context.Context, key string, say event.Listener) (unlock func(), err error) {
	e.mu.Lock()
	if e.locks == nil {
		e.locks = map[string]chan struct{}{}
	}
	l, ok := e.locks[key]
	if !ok {
		l = make(chan struct{}, 1)
		e.locks[key] = l
	}
	e.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	default:
		say(event.Event{Kind: event.Waiting, Note: "another certificate for the same names is ordered first"})
	}
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-e.stop():
		return nil, errStopped
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
