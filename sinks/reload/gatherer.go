// Package reload puts certificates in use by running a service's test and
// reload commands, once for many places.
//
// A thousand certificates of one web server must not be a thousand reloads:
// places that share the commands meet at one Gatherer, and while one run is
// under way the next gathers. What is written where, and how it is put back,
// is left to the sinks.
package reload

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// Limit is how long one test or reload may take.
const Limit = time.Minute

// stragglers is how long a run waits at most for places that were on their way
// when it could have begun: longer than any healthy disk needs to write one.
const stragglers = 5 * time.Second

// Commands are argument lists, run without a shell: Test first, then Reload.
// Either may be empty.
type Commands struct{ Test, Reload []string }

// Place is a place whose new bundle is staged. It is switched only when its
// run begins: a test that reads the files of all places must not fail for one
// that is not in the run. The methods are called while the place's goroutine is
// inside Activate, one at a time, and may take turns.
type Place interface {
	Switch() error // to the new bundle; after an error nothing has changed
	Undo() error   // back to what was there before
}

// Gatherer runs one pair of commands for all places that share it.
type Gatherer struct {
	w    *world.World
	cmds Commands

	mu      sync.Mutex
	onway   map[*Turn]struct{}
	waiting []*Turn
	running bool

	// reloaded: a reload was done, by a command that may have returned before the
	// service read its files (nginx -s reload does). Only the leader uses it.
	reloaded bool
}

// For is the process's one Gatherer of c. scope tells hosts apart that have
// the same commands; "" is this machine. release is called when the Put is
// over.
func For(ctx context.Context, w *world.World, scope string, c Commands) (g *Gatherer, release func(), err error) {
	key, err := json.Marshal([][]string{{scope}, c.Test, c.Reload})
	if err != nil {
		return nil, nil, err
	}
	return world.Shared(ctx, w, "reload:"+string(key), func(context.Context) (*Gatherer, error) {
		return &Gatherer{w: w, cmds: c, onway: map[*Turn]struct{}{}}, nil
	})
}

// Turn is one place's way through the Gatherer, used by one goroutine.
type Turn struct {
	g       *Gatherer
	arrived chan struct{}
	ctx     context.Context // of the Put, which waits in Activate while it is used
	place   Place
	woken   chan bool // true: lead the next run; false: err is the answer
	leads   bool
	err     error
}

// Begin says that a place is on its way to Activate: a run that could begin
// now waits for it a little. Each Begin is followed by Activate or Leave.
func (g *Gatherer) Begin() *Turn {
	t := &Turn{g: g, arrived: make(chan struct{}), woken: make(chan bool, 1)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.onway[t] = struct{}{}
	return t
}

// Leave says that the place will not come. It does nothing after Activate.
func (t *Turn) Leave() {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	t.g.arrive(t)
}

func (g *Gatherer) arrive(t *Turn) {
	if _, ok := g.onway[t]; ok {
		delete(g.onway, t)
		close(t.arrived)
	}
}

// Activate switches p, runs the commands, and returns when p is in use. With
// an error p is as it was: because it would not be switched, because the
// commands failed with p's bundle in place, because they cannot be run at all,
// or because ctx ended. The error keeps what the commands printed.
func (t *Turn) Activate(ctx context.Context, p Place) error {
	g := t.g
	g.mu.Lock()
	t.ctx, t.place = ctx, p
	g.arrive(t)
	g.waiting = append(g.waiting, t)
	first := !g.running
	if first {
		g.running, t.leads = true, true
	}
	g.mu.Unlock()
	if !first && !t.wait() {
		return t.err
	}
	g.lead(t)
	return t.err
}

// wait returns true when t is to lead a run, false when t.err is the answer.
func (t *Turn) wait() bool {
	select {
	case lead := <-t.woken:
		return lead
	case <-t.ctx.Done():
	}
	g := t.g
	g.mu.Lock()
	for i, other := range g.waiting {
		if other == t && !t.leads {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			g.mu.Unlock()
			t.err = context.Cause(t.ctx)
			return false
		}
	}
	g.mu.Unlock()
	return <-t.woken // a run has taken t along, or waits for t to lead
}

// lead runs the commands for all that wait, t among them, and hands over to
// one of those that came meanwhile.
func (g *Gatherer) lead(t *Turn) {
	g.gather(t.ctx)
	g.mu.Lock()
	batch := g.waiting
	g.waiting = nil
	g.mu.Unlock()

	(&run{g: g}).settle(batch)

	g.mu.Lock()
	if len(g.waiting) > 0 {
		next := g.waiting[0]
		next.leads = true
		next.woken <- true
	} else {
		g.running = false
	}
	g.mu.Unlock()
	for _, other := range batch {
		if other != t {
			other.woken <- false
		}
	}
}

// gather waits for those that are on the way now; who sets out later is for
// the next run.
func (g *Gatherer) gather(ctx context.Context) {
	g.mu.Lock()
	onway := make([]*Turn, 0, len(g.onway))
	for t := range g.onway {
		onway = append(onway, t)
	}
	g.mu.Unlock()
	late := time.NewTimer(stragglers)
	defer late.Stop()
	for _, t := range onway {
		select {
		case <-t.arrived:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
