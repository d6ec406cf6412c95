// Package doom lets a process die, in a test, at its k-th passage through a
// door to the outside: before the effect, or after it with the answer lost. Or
// it lets the process stand still there for a while, as SIGSTOP does.
//
// A dead process does nothing any more: all its doors fail, so that what its
// goroutines still do while they unwind has no effect.
package doom

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
)

// ErrDead is what every door of a dead process answers.
var ErrDead = errors.New("this process is dead")

// Doom counts the passages of one process. The zero value never dies.
type Doom struct {
	// At is the passage at which the process dies, counted from 1; 0: never.
	At int
	// When, if not nil, makes it the first passage that it says yes to instead.
	When func(door string) bool
	// Kill is called once, at death: it cancels the process's context.
	Kill func()
	// Still, if not zero, is how long the process stands still at its At-th
	// passage instead of dying. What it wakes up with is an old beat; the door
	// itself opens Late after that, as the call behind it may take its time.
	Still, Late time.Duration

	mu    sync.Mutex
	n     int
	dead  bool
	where string
	wakes time.Time
}

// Passed is how many passages there were, and where the process died.
func (d *Doom) Passed() (n int, where string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n, d.where
}

// Dead reports whether the process died.
func (d *Doom) Dead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// Die kills the process now.
func (d *Doom) Die() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead = true; d.Kill != nil {
		d.Kill()
	}
}

// Stopped reports whether the process has stood still, or still does.
func (d *Doom) Stopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.wakes.IsZero()
}

// Wait returns when the process does not stand still, and late has passed
// since it woke.
func (d *Doom) Wait(late time.Duration) {
	d.mu.Lock()
	wakes := d.wakes
	d.mu.Unlock()
	if !wakes.IsZero() {
		time.Sleep(time.Until(wakes.Add(late)))
	}
}

// Pass is one passage. door says where, for the test's message.
func (d *Doom) Pass(door string) error {
	defer d.Wait(d.Late)
	return d.pass(door)
}

func (d *Doom) pass(door string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return ErrDead
	}
	d.n++
	if d.When != nil && d.where == "" && d.When(door) {
		d.At = d.n
	}
	if d.n != d.At {
		return nil
	}
	d.where = door
	if d.Still > 0 {
		d.wakes = time.Now().Add(d.Still)
		return nil
	}
	d.dead = true
	if d.Kill != nil {
		d.Kill()
	}
	return ErrDead
}

// Around does an effect between two passages.
func (d *Doom) Around(door string, effect func() error) error {
	if err := d.Pass("before " + door); err != nil {
		return err
	}
	err := effect()
	if dead := d.Pass("after " + door); dead != nil {
		return dead
	}
	return err
}

// Store is a store through doors. Reading has no effect but is no gift to
// the dead either.
type Store struct {
	state.Store
	Doom *Doom
}

// Get reads through the door.
func (s Store) Get(ctx context.Context, key string) (state.Entry, error) {
	s.Doom.Wait(0)
	if s.Doom.Dead() {
		return state.Entry{}, ErrDead
	}
	return s.Store.Get(ctx, key)
}

// List lists through the door.
func (s Store) List(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
	s.Doom.Wait(0)
	if s.Doom.Dead() {
		return func(yield func(state.Entry, error) bool) { yield(state.Entry{}, ErrDead) }
	}
	return s.Store.List(ctx, q)
}

// Put writes through the door. Beats of runners are no effect.
func (s Store) Put(ctx context.Context, e state.Entry) (rev state.Revision, err error) {
	if strings.HasPrefix(e.Key, state.Runners) {
		s.Doom.Wait(0)
		if s.Doom.Dead() {
			return "", ErrDead
		}
		return s.Store.Put(context.WithoutCancel(ctx), e)
	}
	err = s.Doom.Around("put "+e.Key, func() error {
		rev, err = s.Store.Put(context.WithoutCancel(ctx), e)
		return err
	})
	return rev, err
}

// Delete deletes through the door.
func (s Store) Delete(ctx context.Context, key string) error {
	s.Doom.Wait(0)
	if s.Doom.Dead() {
		return ErrDead
	}
	return s.Store.Delete(ctx, key)
}

// Host is what Provider wraps: a DNS host that takes many changes at once.
type Host interface {
	providers.Provider
	providers.Changer
	libdns.RecordGetter
	libdns.ZoneLister
}

// Provider is a DNS host through doors.
type Provider struct {
	Host
	Doom *Doom
}

// Change makes changes through the door. One that was on its way when its
// process was stopped arrives shortly before that wakes.
func (p Provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	door := fmt.Sprintf("change of %s (+%d -%d)", zone, len(add), len(del))
	stood := p.Doom.Stopped()
	if err := p.Doom.pass("before " + door); err != nil {
		return err
	}
	if stood {
		p.Doom.Wait(p.Doom.Late)
	} else {
		p.Doom.Wait(-time.Second)
	}
	err := p.Host.Change(context.WithoutCancel(ctx), zone, add, del)
	if dead := p.Doom.Pass("after " + door); dead != nil {
		return dead
	}
	return err
}

// GetRecords reads through the door.
func (p Provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	p.Doom.Wait(0)
	if p.Doom.Dead() {
		return nil, ErrDead
	}
	return p.Host.GetRecords(ctx, zone)
}

// Handler is a CA behind the doors of the process that a request comes from;
// nil for none.
func Handler(ca http.Handler, from func(*http.Request) *Doom) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d := from(r)
		if d == nil {
			ca.ServeHTTP(w, r)
			return
		}
		if d.Pass("before "+r.Method+" "+r.URL.Path) != nil {
			panic(http.ErrAbortHandler)
		}
		kept := &reply{header: http.Header{}, code: http.StatusOK}
		ca.ServeHTTP(kept, r.WithContext(context.WithoutCancel(r.Context())))
		if d.Pass("after "+r.Method+" "+r.URL.Path) != nil {
			panic(http.ErrAbortHandler)
		}
		for k, v := range kept.header {
			w.Header()[k] = v
		}
		w.WriteHeader(kept.code)
		_, _ = w.Write(kept.body)
	})
}

// reply keeps an answer until it is known whether anybody lives to hear it.
type reply struct {
	header http.Header
	code   int
	body   []byte
}

func (r *reply) Header() http.Header { return r.header }
func (r *reply) WriteHeader(c int)   { r.code = c }
func (r *reply) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}
