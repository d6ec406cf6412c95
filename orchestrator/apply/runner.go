package apply

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// The times of DESIGN's section on owners: a beat every 15 s; an owner acts
// only while its last beat is younger than 45 s; another may replace it after
// watching the same beat for 60 s. Each is measured on one monotonic clock.
const (
	beatEvery   = 15 * time.Second
	beatTrusted = 45 * time.Second
	beatDead    = 60 * time.Second
)

// ErrNotOwner is in the chain when this runner may not act for the moment:
// its own beat is too old, as after the process was stopped for minutes.
var ErrNotOwner = errors.New("this runner's beat is too old to act on it")

// Identity is which process a runner is.
type Identity struct {
	Host string `json:"host"`
	Boot string `json:"boot"`
	PID  int    `json:"pid"`
	// Shares: it keeps a whole configuration, with the others that do. Who only
	// applies once takes no share of that.
	Shares bool `json:"shares,omitempty"`
	// Alive reports whether a process of this host and boot exists; nil: ask
	// the system. Tests simulate several machines with it.
	Alive func(pid int) bool `json:"-"`
}

// ThisProcess is the identity of the calling process. Containers of one kernel
// have the same boot, may have the same host name, and each its own numbers of
// processes: the namespace of those is part of the boot.
func ThisProcess() Identity {
	host, _ := os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	return Identity{Host: host, Boot: strings.TrimSpace(strings.TrimSpace(string(boot)) + " " + space), PID: os.Getpid()}
}

func processAlive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// beat is the entry runners/ID.
type beat struct {
	Identity
	ID   string `json:"id"`
	Beat int64  `json:"beat"`
}

// Runner is one process that applies. It beats as long as it runs, and tells
// whether other runners still do. Safe for concurrent use.
type Runner struct {
	id    string
	who   Identity
	store state.Store

	mu     sync.Mutex
	n      int64
	rev    state.Revision
	last   time.Time // when the last beat landed
	epoch  context.Context
	end    context.CancelCauseFunc
	alarm  *time.Timer // ends the epoch when the last beat is too old
	lapses int         // how often that came to pass
	seen   map[string]watched

	lost    chan error    // holds one: why no beat will ever land again
	beating chan struct{} // holds one: who may beat
	stop    context.CancelFunc
	done    chan struct{}
}

// watched is a beat of another runner and since when it has not changed.
type watched struct {
	beat  int64
	since time.Time
}

// StartRunner writes the first beat and keeps beating until Stop.
func StartRunner(ctx context.Context, store state.Store, who Identity) (*Runner, error) {
	r := &Runner{id: strings.ToLower(rand.Text()), who: who, store: store, seen: map[string]watched{}, lost: make(chan error, 1), beating: make(chan struct{}, 1), done: make(chan struct{})}
	if err := r.beat(ctx); err != nil {
		err = fmt.Errorf("announce this runner in the state: %w", err)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = world.Hint(err, "another process keeps the state locked: one that was stopped in the middle of a write does so until it goes on or is killed")
		}
		return nil, err
	}
	// Killed processes leave their entries behind. Whoever finds them takes them
	// away; what fails here is left to the next.
	_, _ = r.Live(ctx)
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	go r.run(ctx)
	return r, nil
}

// ID names the runner in records.
func (r *Runner) ID() string { return r.id }

func (r *Runner) run(ctx context.Context) {
	defer close(r.done)
	next := time.NewTimer(beatEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		r.expire() // before the beat hides for how long there was none
		again := beatEvery
		if err := r.beat(ctx); err != nil {
			again = 2 * time.Second
		}
		next.Reset(again)
	}
}

// expire ends the effects under way if the last beat is too old.
func (r *Runner) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil && time.Since(r.last) >= beatTrusted {
		r.end(ErrNotOwner)
		r.end = nil
		r.lapses++
	}
}

// Lost yields an error once, when the store was taken away under the runner
// (state.ErrReplaced): nothing can be saved any more, so nothing may be done.
func (r *Runner) Lost() <-chan error { return r.lost }

// lose ends the effects under way at once: the others work with another state,
// which does not know of them.
func (r *Runner) lose(err error) {
	select {
	case r.lost <- err:
	default:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.end != nil {
		r.end(err)
		r.end = nil
	}
}

// Lapses counts how often this runner's beat was too old to act on it: each
// time another may have taken over what it owned.
func (r *Runner) Lapses() int {
	r.expire()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lapses
}

func (r *Runner) beat(ctx context.Context) error {
	select {
	case r.beating <- struct{}{}:
		defer func() { <-r.beating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	r.mu.Lock()
	n, rev := r.n+1, r.rev
	r.mu.Unlock()
	data, err := json.Marshal(beat{Identity: r.who, ID: r.id, Beat: n})
	if err != nil {
		return err
	}
	began := time.Now()
	key := state.Key(state.Runners, r.id)
	rev, err = r.store.Put(ctx, state.Entry{Key: key, Data: data, Rev: rev})
	if errors.Is(err, state.ErrConflict) {
		// Somebody swept the entry, or a write whose answer was lost landed.
		e, getErr := r.store.Get(ctx, key)
		switch {
		case getErr == nil:
			rev, err = r.store.Put(ctx, state.Entry{Key: key, Data: data, Rev: e.Rev})
		case errors.Is(getErr, fs.ErrNotExist):
			rev, err = r.store.Put(ctx, state.Entry{Key: key, Data: data})
		}
	}
	if err != nil {
		if errors.Is(err, state.ErrReplaced) {
			r.lose(err)
		}
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n, r.rev, r.last = n, rev, began
	if r.end == nil {
		r.epoch, r.end = context.WithCancelCause(context.Background())
	}
	if r.alarm != nil {
		r.alarm.Stop()
	}
	r.alarm = time.AfterFunc(beatTrusted-time.Since(began), r.expire)
	return nil
}

// Guard returns a context for one outside effect. It ends when the runner's
// own beat becomes too old to act. done must be called after the effect. since
// is what Lapses said before the record was last seen to be this runner's. The
// error wraps ErrNotOwner, also where the beat is fresh again after a lapse:
// the caller beats by Renew and reads its record anew before it goes on.
func (r *Runner) Guard(ctx context.Context, since int) (guarded context.Context, done func(), err error) {
	r.expire()
	r.mu.Lock()
	epoch, fresh := r.epoch, r.end != nil && r.lapses == since
	r.mu.Unlock()
	if !fresh {
		return nil, nil, ErrNotOwner
	}
	guarded, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(epoch, func() { cancel(context.Cause(epoch)) })
	return guarded, func() { release(); cancel(nil) }, nil
}

// Renew beats at once, after a Guard that failed.
func (r *Runner) Renew(ctx context.Context) error { return r.beat(ctx) }

// Alive reports whether the runner called id still works, and who it is. A
// runner is dead if its entry is gone, if its process is gone from this very
// boot of this host, or if this process has itself watched the same beat for
// a minute.
func (r *Runner) Alive(ctx context.Context, id string) (alive bool, who string, err error) {
	if id == "" {
		return false, "", nil
	}
	if id == r.id {
		return true, "this runner", nil
	}
	e, err := r.store.Get(ctx, state.Key(state.Runners, id))
	if errors.Is(err, fs.ErrNotExist) {
		return false, "", nil
	}
	if err != nil {
		return true, id, err
	}
	var b beat
	if err := json.Unmarshal(e.Data, &b); err != nil {
		return true, id, fmt.Errorf("runner %s: its entry is damaged: %w", id, err)
	}
	who = fmt.Sprintf("pid %d on %s", b.PID, b.Host)
	if b.Host == r.who.Host && b.Boot == r.who.Boot {
		exists := r.who.Alive
		if exists == nil {
			exists = processAlive
		}
		if !exists(b.PID) {
			return false, who, nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.seen[id]
	if !ok || w.beat != b.Beat {
		r.seen[id] = watched{b.Beat, time.Now()}
		return true, who, nil
	}
	return time.Since(w.since) < beatDead, who, nil
}

// Live lists the runners that beat and share the work; the own one always. The
// entries of dead ones are removed.
func (r *Runner) Live(ctx context.Context) ([]string, error) {
	ids := []string{r.id}
	for e, err := range r.store.List(ctx, state.Query{Prefix: state.Runners}) {
		if err != nil {
			return nil, err
		}
		var b beat
		if json.Unmarshal(e.Data, &b) != nil || b.ID == r.id {
			continue
		}
		alive, _, err := r.Alive(ctx, b.ID)
		switch {
		case err != nil:
		case !alive:
			r.bury(ctx, b.ID)
		case b.Shares:
			ids = append(ids, b.ID)
		}
	}
	return ids, nil
}

// bury removes the entry of a runner that was seen to be dead, so that nobody
// else has to watch it; one that wakes up after all writes another.
func (r *Runner) bury(ctx context.Context, id string) {
	_ = r.store.Delete(ctx, state.Key(state.Runners, id))
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, id)
}

// Stop ends the beat and removes the entry, so that nobody has to wait for it
// to go stale.
func (r *Runner) Stop(ctx context.Context) {
	r.stop()
	<-r.done
	r.mu.Lock()
	r.alarm.Stop()
	if r.end != nil {
		r.end(ErrNotOwner)
		r.end = nil
	}
	r.mu.Unlock()
	// A left entry only costs the next runner a minute of watching.
	_ = r.store.Delete(ctx, state.Key(state.Runners, r.id))
}

// Owners reads which runners are at work, for a plan that takes no part: the
// entries of processes known to be dead on this host are left out.
func Owners(ctx context.Context, store state.Store, who Identity) (map[string]string, error) {
	out := map[string]string{}
	for e, err := range store.List(ctx, state.Query{Prefix: state.Runners}) {
		if err != nil {
			return nil, err
		}
		var b beat
		if json.Unmarshal(e.Data, &b) != nil {
			continue
		}
		exists := who.Alive
		if exists == nil {
			exists = processAlive
		}
		if b.Host == who.Host && b.Boot == who.Boot && !exists(b.PID) {
			continue
		}
		out[b.ID] = fmt.Sprintf("pid %d on %s", b.PID, b.Host)
	}
	return out, nil
}
