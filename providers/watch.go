package providers

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	shortest = 50 * time.Millisecond // between two looks at a server
	longest  = time.Second
	slow     = 2 * time.Second // between looks once a minute has passed
	report   = 3 * time.Second // between two notes about laggards
)

// watcher waits for the values of one zone at all of its servers. Certificates
// whose values went in one batch wait for it together: a round.
type watcher struct {
	z        *Zones
	zone     string
	wait     time.Duration
	mu       sync.Mutex
	rounds   map[int]*round
	expected time.Duration // how long it took last time
}

// watch is the watcher of a zone.
func (z *Zones) watch(zone string, providers []string) *watcher {
	z.mu.Lock()
	defer z.mu.Unlock()
	if w := z.watchers[zone]; w != nil {
		return w
	}
	w := &watcher{z: z, zone: zone, rounds: map[int]*round{}}
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
	number   int
	began    time.Time
	deadline time.Time
	expected time.Duration // how long it took last time
	ctx      context.Context
	cancel   context.CancelFunc

	// The rest is guarded by w.mu.
	users   int
	servers []server
	sights  map[key]*sight
	busy    map[server]bool
	said    map[server]string // the last word of a server that does not show all
	skipped map[server]bool   // its family cannot be routed from here
	turn    map[server]int
}

// sight is one value and the servers that do not show it yet.
type sight struct {
	missing map[server]bool
	done    chan struct{}
	err     error
}

// see returns when every server shows every value, or with an error that names
// those that do not.
func (w *watcher) see(ctx context.Context, batch int, keys []key) error {
	servers, err := w.z.servers(ctx, w.zone)
	if err != nil {
		return fmt.Errorf("wait until DNS shows the values: %w", err)
	}
	r := w.join(batch, servers, keys)
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

func (w *watcher) join(batch int, servers []server, keys []key) *round {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.rounds[batch]
	if r == nil || !time.Now().Before(r.deadline) {
		r = &round{
			w: w, number: batch, began: time.Now(), deadline: time.Now().Add(w.wait), expected: w.expected, servers: servers,
			sights: map[key]*sight{}, busy: map[server]bool{}, said: map[server]string{},
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
		s := &sight{missing: map[server]bool{}, done: make(chan struct{})}
		for _, srv := range r.servers {
			if !r.skipped[srv] {
				s.missing[srv] = true
			}
		}
		r.sights[k] = s
		r.check(k, s)
	}
	for _, srv := range r.servers {
		if !r.busy[srv] && !r.skipped[srv] {
			r.busy[srv] = true
			w.z.wg.Go(func() { r.follow(srv) })
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
	if w.rounds[r.number] == r {
		delete(w.rounds, r.number)
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
		s.err = fmt.Errorf("zone %s: none of its servers has an address that can be routed from here (%s)", bare(r.w.zone), r.names(r.servers))
	}
	close(s.done)
	for _, other := range r.sights {
		if !other.closed() {
			return
		}
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
