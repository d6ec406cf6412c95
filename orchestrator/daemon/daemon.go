// Package daemon keeps a configuration true: it knows which certificate is
// due next, and has it looked at, decided and done by itself.
//
// There is no turn that one slow zone could hold up: each certificate goes
// its own way, and one that is under way is not begun again. What to do is
// decided by plan and done by apply.
package daemon

import (
	"container/heap"
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/survey"
)

// Fleet is one loaded configuration. Certificates that are under way finish
// with the fleet that they began with.
type Fleet struct {
	Wants  []plan.Want
	Engine *apply.Engine
	Survey *survey.Survey
	// Release is called when the fleet was replaced and nothing uses it.
	Release func()
}

// Look is what was seen and decided of one certificate, for metrics. That of a
// canary, or of a certificate that left the configuration, has a record only.
type Look struct {
	Item    *plan.Item
	Seen    plan.Seen
	Outcome apply.Outcome
	Record  *state.Record
	At      time.Time
}

// Daemon runs fleets. Its fields are set before Run.
type Daemon struct {
	Runner *apply.Runner
	// Interval is how often every certificate is looked at for drift; 0: one hour.
	Interval time.Duration
	// Canary is how often a TXT value is added to each zone, seen and removed;
	// 0: never.
	Canary time.Duration
	Say    event.Listener
	Looked func(Look) // may be nil; called from many goroutines

	mu     sync.Mutex
	live   []string // the runners at work, counted at liveAt
	liveAt time.Time
}

// held is how soon a certificate is tried again that another runner works on,
// and how often the shares of several runners are counted anew.
const held = 15 * time.Second

// entry is one certificate in the heap.
type entry struct {
	want  plan.Want
	fleet *fleet
	due   time.Time
	index int // in the heap; -1 while under way
	tries *state.Tries
	// forget: it is only in the state, not in the configuration.
	forget bool
}

// task is what one turn is about; the entry itself may be given another
// certificate by a reload meanwhile.
type task struct {
	want   plan.Want
	forget bool
	fleet  *fleet
}

// fleet counts who uses a Fleet.
type fleet struct {
	Fleet
	users int
	old   bool
}

// result is the end of one certificate's turn.
type result struct {
	e    *entry
	f    *fleet
	next time.Time // by the record, or the interval
	fine bool
	over bool // nothing is left to forget
	err  error
}

// Run keeps fleets true until stop is closed or ctx ends, then waits for what
// is under way. Each value received from fleets replaces the one before.
func (d *Daemon) Run(ctx context.Context, fleets <-chan Fleet, stop <-chan struct{}) {
	s := &schedule{byAddress: map[string]*entry{}}
	results := make(chan result)
	var wg sync.WaitGroup
	under := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	var current *fleet
	for stopping := false; !stopping || under > 0; {
		if !stopping {
			for s.Len() > 0 && !s.heap[0].due.After(time.Now()) {
				e := heap.Pop(s).(*entry)
				e.fleet.users++
				under++
				t := task{e.want, e.forget, e.fleet}
				wg.Go(func() {
					r := d.turn(ctx, t)
					if errors.Is(r.err, state.ErrReplaced) {
						// The beat that finds so, too, tells it to who runs this.
						_ = d.Runner.Renew(ctx)
					}
					r.e, r.f = e, t.fleet
					results <- r
				})
			}
			timer.Reset(s.wait())
		}
		select {
		case <-stop:
			stopping, stop = true, nil
		case <-ctx.Done():
			stopping = true
			if under > 0 {
				r := <-results
				under--
				s.done(r)
			}
		case f := <-fleets:
			old := current
			if d.Canary > 0 {
				f.Wants = append(slices.Clone(f.Wants), plan.Want{Address: canaryEntry})
			}
			current = &fleet{Fleet: f}
			s.replace(current, time.Now())
			d.addForgotten(ctx, s, current)
			release(old)
		case r := <-results:
			under--
			s.done(r)
		case <-timer.C:
		}
	}
	wg.Wait()
	release(current)
}

func release(f *fleet) {
	if f == nil {
		return
	}
	f.old = true
	if f.users == 0 && f.Release != nil {
		f.Release()
		f.Release = nil
	}
}

// addForgotten schedules the records whose certificates are not configured.
func (d *Daemon) addForgotten(ctx context.Context, s *schedule, f *fleet) {
	records, err := f.Survey.Records(ctx)
	if err != nil {
		d.Say(event.Event{Kind: event.Warned, Note: "the records could not be read", Err: err})
		return
	}
	for address, rec := range records {
		if _, ok := s.byAddress[address]; ok || apply.Due(rec).IsZero() {
			continue
		}
		if d.Canary > 0 && strings.HasPrefix(address, plan.DoctorPrefix) {
			continue // by canaries
		}
		e := &entry{want: plan.Want{Address: address}, fleet: f, due: time.Now(), forget: true}
		s.byAddress[address] = e
		heap.Push(s, e)
	}
}

func (d *Daemon) interval() time.Duration {
	if d.Interval == 0 {
		return time.Hour
	}
	return d.Interval
}

// turn looks at one certificate, decides, does it, and says when it is due
// again.
func (d *Daemon) turn(ctx context.Context, t task) result {
	address := t.want.Address
	if address == canaryEntry {
		return d.canaries(ctx, t)
	}
	r := result{next: time.Now().Add(d.spread(address))}
	mine, err := d.mine(ctx, address)
	if err != nil {
		r.err = err
		return r
	}
	if !mine {
		r.next, r.fine = time.Now().Add(held), true
		return r
	}
	rec, err := t.fleet.Survey.Record(ctx, address)
	if err != nil {
		r.err = err
		return r
	}
	if !t.forget {
		t.fleet.Engine.Refresh(ctx, []plan.Want{t.want}, map[string]*state.Record{address: rec})
	}
	look := Look{At: time.Now()}
	look.Item, look.Seen = d.decide(ctx, t, rec, look.At)
	look.Outcome = apply.Outcome{Address: address, Status: apply.Done}
	if look.Item != nil && acts(look.Item) {
		look.Outcome = t.fleet.Engine.One(ctx, apply.Job{Want: t.want, Item: look.Item, Seen: look.Seen})
		r.err = look.Outcome.Err
		if look.Outcome.Issued {
			if err := t.fleet.Engine.Learn(ctx); err != nil {
				d.Say(event.Event{Kind: event.Warned, Note: "what was learnt of zones could not be saved", Err: err})
			}
		}
	} else if !t.forget {
		if err := t.fleet.Engine.ForgetMended(ctx, t.want, rec, look.Seen); err != nil {
			d.Say(event.Event{Kind: event.Warned, Certificate: address, Note: "failures that are over could not be forgotten", Err: err})
		}
	}
	if after, err := t.fleet.Survey.Record(ctx, address); err == nil {
		look.Record = after
		if look.Outcome.Issued || look.Outcome.Puts > 0 {
			// What is told of the endpoints is what they serve now.
			look.Seen = t.fleet.Survey.One(ctx, t.want, after)
		}
	}
	if d.Looked != nil {
		d.Looked(look)
	}
	if look.Outcome.Status == apply.Held {
		r.next, r.fine = time.Now().Add(held), true
		return r
	}
	r.fine = look.Outcome.Status == apply.Done
	r.over = t.forget && r.fine && (look.Record == nil || apply.Due(look.Record).IsZero())
	// What was due before the look has been decided on.
	if look.Record != nil {
		r.by(apply.DueAfter(look.Record, look.At))
		r.by(plan.Paused(t.want, look.Record, time.Now()))
	}
	if look.Item != nil {
		for _, end := range pauses(look.Item) {
			if end.After(look.At) {
				r.by(end)
			}
		}
	}
	return r
}

// by moves the next turn forward to t, if that is sooner.
func (r *result) by(t time.Time) {
	if !t.IsZero() && t.Before(r.next) {
		r.next = t
	}
}

// decide looks at one certificate and decides; the item is nil if there is
// nothing to say about it.
func (d *Daemon) decide(ctx context.Context, t task, rec *state.Record, now time.Time) (*plan.Item, plan.Seen) {
	facts := plan.Facts{Now: now, Upkeep: plan.Include, Patient: true,
		Records: map[string]*state.Record{}, Seen: map[string]plan.Seen{}}
	if rec != nil {
		facts.Records[t.want.Address] = rec
	}
	var seen plan.Seen
	if !t.forget {
		seen = t.fleet.Survey.One(ctx, t.want, rec)
		facts.Wants, facts.Seen[t.want.Address] = []plan.Want{t.want}, seen
	}
	if p := plan.Make(facts); len(p.Items) == 1 {
		return p.Items[0], seen
	}
	return nil, seen
}

// acts reports whether an item has a step that is not paused.
func acts(it *plan.Item) bool {
	for _, s := range it.Steps {
		if s.WaitTill == "" && s.Kind != plan.Blocked {
			return true
		}
	}
	return false
}

// pauses are the ends of the pauses of an item's steps.
func pauses(it *plan.Item) []time.Time {
	var out []time.Time
	for _, s := range it.Steps {
		if t, err := time.Parse(time.RFC3339, s.WaitTill); err == nil {
			out = append(out, t)
		}
	}
	return out
}

// mine reports whether this runner has the certificate in its share: the live
// runners are ranked by a hash with the address (rendezvous hashing).
func (d *Daemon) mine(ctx context.Context, address string) (bool, error) {
	ids, err := d.runners(ctx)
	if err != nil {
		return false, err
	}
	best, rank := "", uint64(0)
	for _, id := range ids {
		h := fnv.New64a()
		h.Write([]byte(id + "\x00" + address))
		if s := mix(h.Sum64()); best == "" || s > rank || (s == rank && id < best) {
			best, rank = id, s
		}
	}
	return best == d.Runner.ID(), nil
}

// runners are the live ones, counted anew after a beat's time.
func (d *Daemon) runners(ctx context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live != nil && time.Since(d.liveAt) < held {
		return d.live, nil
	}
	ids, err := d.Runner.Live(ctx)
	if err != nil {
		return nil, err
	}
	d.live, d.liveAt = ids, time.Now()
	return ids, nil
}

// mix spreads FNV's weak high bits (the finaliser of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// spread is the interval, up to a tenth shorter by the address, so that a
// fleet is not looked at in one breath.
func (d *Daemon) spread(address string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(address))
	return d.interval() - d.interval()/10*time.Duration(h.Sum32()%1000)/1000
}
