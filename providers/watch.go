package providers

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

// watcher waits for the values of one zone at all of its servers. Certificates
// whose values went in one batch wait for it together, in a round; all rounds
// of the zone share the polls.
type watcher struct {
	z        *Zones
	zone     string
	wait     time.Duration
	mu       sync.Mutex
	rounds   map[string]*round
	busy     map[server]chan struct{} // the servers that are being followed, and what wakes who does
	expected time.Duration            // how long it took last time
	ctx      context.Context          // of the questions under way; ends when nobody waits
	cancel   context.CancelFunc
}

// watch is the watcher of a zone.
func (z *Zones) watch(zone string, providers []string) *watcher {
	z.mu.Lock()
	defer z.mu.Unlock()
	if w := z.watchers[zone]; w != nil {
		return w
	}
	w := &watcher{z: z, zone: zone, rounds: map[string]*round{}, busy: map[server]chan struct{}{}}
	for _, p := range providers {
		if h := z.hosts[p]; h != nil {
			w.wait = max(w.wait, h.Quirks.Wait)
		}
	}
	w.wait = cmp.Or(w.wait, defaultWait)
	if b := z.blocks[zone]; b != nil && b.MaxWait > 0 {
		w.wait = b.MaxWait
	}
	if z.o.Known != nil {
		if l, ok := z.o.Known(bare(zone)); ok {
			w.expected = l.Delay
		}
	}
	z.watchers[zone] = w
	return w
}

// round is the wait for the values of one batch.
type round struct {
	w        *watcher
	batch    string
	gone     bool // the values are to disappear
	began    time.Time
	deadline time.Time
	expected time.Duration // how long it took last time
	ctx      context.Context
	cancel   context.CancelFunc

	// The rest is guarded by w.mu.
	users   int
	servers []server
	sights  map[key]*sight
	names   map[string][]key
	order   []string             // the names as they came
	due     map[server]time.Time // when it is to be looked at again
	said    map[server]string    // the last word of a server that does not show all
	skipped map[server]bool      // its family cannot be routed from here
	turn    map[server]int
}

// sight is one value and the servers that do not show it for certain yet. Once
// is not enough: behind one address there may be several machines, of which
// some lag. A value counts when two looks in a row have seen it.
type sight struct {
	missing map[server]bool
	once    map[server]bool // those of missing that showed it when they were last asked
	done    chan struct{}
	err     error
}

// see returns when every server shows every value, or with an error that names
// those that do not. batch is what the values travelled in.
func (w *watcher) see(ctx context.Context, batch string, keys []key) error {
	servers, err := w.z.servers(ctx, w.zone)
	if err != nil {
		return fmt.Errorf("wait until DNS shows the values: %w", err)
	}
	r := w.join(batch, servers, keys, false)
	defer w.leave(r)
	var errs []error
	for _, k := range keys {
		s := r.sight(k)
		select {
		case <-s.done:
			if s.err != nil {
				errs = append(errs, s.err)
			}
		case <-ctx.Done():
			return fmt.Errorf("zone %s: wait until DNS shows the values: %w", bare(w.zone), context.Cause(ctx))
		}
	}
	return distinct(errs)
}

// vanish tells of each value that no server shows any more. It returns when all
// are told of, or the wait is over, or nobody waits for their removal.
func (w *watcher) vanish(batch string, ops []*op, tell func(*op)) {
	ctx, cancel := context.WithTimeout(context.Background(), w.wait)
	defer cancel()
	servers, err := w.z.servers(ctx, w.zone)
	if err != nil {
		return // the host tells
	}
	keys := make([]key, len(ops))
	for i, o := range ops {
		keys[i] = o.key
	}
	r := w.join(batch, servers, keys, true)
	defer w.leave(r)
	for _, o := range ops {
		s := r.sight(o.key)
		select {
		case <-o.done:
		case <-s.done:
			if s.err == nil {
				tell(o)
			}
		}
	}
}

// usual is how long it took last time until all servers showed a change.
func (w *watcher) usual() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expected
}

func (w *watcher) join(batch string, servers []server, keys []key, gone bool) *round {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel == nil {
		w.ctx, w.cancel = context.WithCancel(context.Background())
	}
	r := w.rounds[batch]
	if r == nil || !time.Now().Before(r.deadline) {
		r = &round{
			w: w, batch: batch, gone: gone, began: time.Now(), deadline: time.Now().Add(w.wait), expected: w.expected, servers: servers,
			sights: map[key]*sight{}, names: map[string][]key{}, due: map[server]time.Time{}, said: map[server]string{},
			skipped: map[server]bool{}, turn: map[server]int{},
		}
		r.ctx, r.cancel = context.WithDeadline(context.Background(), r.deadline)
		w.rounds[batch] = r
		w.z.wg.Go(r.report)
	}
	r.users++
	for _, k := range keys {
		if r.sights[k] != nil {
			continue
		}
		s := &sight{missing: map[server]bool{}, once: map[server]bool{}, done: make(chan struct{})}
		for _, srv := range r.servers {
			if !r.skipped[srv] {
				s.missing[srv] = true
			}
		}
		r.sights[k] = s
		if r.names[k.name] == nil {
			r.order = append(r.order, k.name)
		}
		r.names[k.name] = append(r.names[k.name], k)
		r.check(k, s)
	}
	for _, srv := range r.servers {
		if wake := w.busy[srv]; wake != nil {
			select {
			case wake <- struct{}{}:
			default:
			}
		} else if !r.skipped[srv] {
			wake := make(chan struct{}, 1)
			w.busy[srv] = wake
			w.z.wg.Go(func() { w.follow(srv, wake) })
		}
	}
	return r
}

func (w *watcher) leave(r *round) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.users--; r.users > 0 {
		return
	}
	r.cancel()
	if w.rounds[r.batch] == r {
		delete(w.rounds, r.batch)
	}
	if len(w.rounds) == 0 && w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
}

func (r *round) sight(k key) *sight {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.sights[k]
}

// check ends the wait for a value that all servers show; w.mu is held.
func (r *round) check(k key, s *sight) {
	if len(s.missing) > 0 || s.closed() {
		return
	}
	if len(r.skipped) == len(r.servers) {
		s.err = fmt.Errorf("zone %s: none of its servers has an address that can be routed from here (%s)", bare(r.w.zone), r.everybody())
	}
	close(s.done)
	for _, other := range r.sights {
		if !other.closed() {
			return
		}
	}
	if r.gone {
		return
	}
	took := time.Since(r.began)
	r.w.expected = took
	r.w.z.propagated(r, took)
}

func (s *sight) closed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// skip leaves out a server whose family this machine cannot route; w.mu is
// held.
func (r *round) skip(s server, err error) {
	if r.skipped[s] {
		return
	}
	r.skipped[s] = true
	for k, sight := range r.sights {
		delete(sight.missing, s)
		r.check(k, sight)
	}
	r.w.z.reportUnrouted(s, err)
}
