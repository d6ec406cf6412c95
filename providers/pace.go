package providers

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// rank is whose turn comes first where several wait for one account's pace:
// what a certificate waits for, then removals, then a second look at them, for
// which nobody waits but the end of the run.
type rank int

const (
	adding rank = iota
	removing
	looking
	ranks
)

// pacer is the pace of one account: every zone and every dns block of the
// account waits at the same one.
type pacer struct {
	limit *rate.Limiter

	mu      sync.Mutex
	until   time.Time  // the host asked for quiet until then
	moved   time.Time  // when it last took a call
	taken   int        // how many it took in a row
	usual   rate.Limit // as its quirks say, as is burst
	burst   int
	waiting [ranks][]chan struct{}
	busy    int // zones of the account to which something is on its way: nobody looks meanwhile
	serving bool
	empty   chan struct{} // holds one: nobody waits any more
}

func newPacer(q Quirks) *pacer {
	p := &pacer{limit: rate.NewLimiter(rate.Inf, 1), empty: make(chan struct{}, 1)}
	if q.PerSecond > 0 {
		p.limit = rate.NewLimiter(rate.Limit(q.PerSecond), max(1, cmp.Or(q.Burst, int(math.Ceil(q.PerSecond)))))
	}
	p.usual, p.burst = p.limit.Limit(), p.limit.Burst()
	return p
}

// hold keeps everybody of the account quiet until t, and slower after it: the
// host takes less than was thought. Calls that were under way together are
// refused together, which is one refusal.
func (p *pacer) hold(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Until(p.until) <= 0 {
		now := p.limit.Limit()
		if now == rate.Inf {
			now = unknownPace
		}
		p.limit.SetBurst(1)
		p.limit.SetLimit(max(now*2/3, slowest))
		p.taken = 0
	}
	if t.After(p.until) {
		p.until = t
	}
}

const (
	unknownPace = rate.Limit(6)      // of a host whose pace is not known, until it refuses a call
	slowest     = rate.Limit(1) / 10 // a host that wants less says so by its Retry-After
	trust       = 30                 // calls in a row that it takes until it is asked more often again
)

// wait returns when one call may be made.
func (p *pacer) wait(ctx context.Context, r rank) error {
	if ctx.Err() != nil {
		return fmt.Errorf("wait for the account's pace: %w", context.Cause(ctx))
	}
	mine := make(chan struct{})
	p.mu.Lock()
	if p.limit.Limit() == rate.Inf && time.Until(p.until) <= 0 {
		p.mu.Unlock()
		return nil
	}
	p.waiting[r] = append(p.waiting[r], mine)
	p.wake()
	p.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[r] = slices.DeleteFunc(p.waiting[r], func(c chan struct{}) bool { return c == mine })
	if p.next() < 0 && p.serving {
		select {
		case p.empty <- struct{}{}:
		default:
		}
	}
	if time.Until(p.until) > 0 {
		return fmt.Errorf("wait for the host's Retry-After: %w", context.Cause(ctx))
	}
	return fmt.Errorf("wait for the account's pace: %w", context.Cause(ctx))
}

func (p *pacer) moves() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = time.Now()
	if p.taken++; p.taken%trust == 0 && p.limit.Limit() < p.usual {
		p.limit.SetLimit(min(p.limit.Limit()*5/4, p.usual))
		if p.limit.Limit() == p.usual {
			p.limit.SetBurst(p.burst)
		}
	}
}

// work counts the zones to which something is on its way.
func (p *pacer) work(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy += by; p.busy == 0 {
		p.wake()
	}
}

// wake sees that somebody gives turns; mu is held.
func (p *pacer) wake() {
	if !p.serving && p.next() >= 0 {
		p.serving = true
		go p.serve()
	}
}

// next is the rank whose turn it is, -1 if nobody waits; mu is held.
func (p *pacer) next() rank {
	for r := range ranks {
		if len(p.waiting[r]) > 0 && (r != looking || p.busy == 0) {
			return r
		}
	}
	return -1
}

// serve gives turns until nobody waits. Whose turn it is, is decided when it
// comes.
func (p *pacer) serve() {
	for {
		p.mu.Lock()
		r, pause := p.next(), time.Until(p.until)
		if r < 0 {
			p.serving = false
			select {
			case <-p.empty:
			default:
			}
			p.mu.Unlock()
			return
		}
		var turn *rate.Reservation
		if pause <= 0 {
			turn = p.limit.Reserve()
			pause = turn.Delay()
		}
		if turn != nil && pause <= 0 {
			p.give(r)
			p.mu.Unlock()
			continue
		}
		p.mu.Unlock()
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-p.empty:
		}
		t.Stop()
		if turn == nil {
			continue
		}
		p.mu.Lock()
		if r := p.next(); r >= 0 && time.Until(p.until) <= 0 {
			p.give(r)
		} else {
			turn.Cancel()
		}
		p.mu.Unlock()
	}
}

// give gives the turn to one who waits; mu is held. The first, but of looks the
// last: DNS is about to tell of what was removed first.
func (p *pacer) give(r rank) {
	i := 0
	if r == looking {
		i = len(p.waiting[r]) - 1
	}
	close(p.waiting[r][i])
	p.waiting[r] = slices.Delete(p.waiting[r], i, i+1)
}

type turnKey struct{}

// turn is the pace as one call sees it.
type turn struct {
	pace *pacer
	rank rank
	paid atomic.Bool // the next call was waited for already
}

// ranked returns a context whose calls wait for the account's pace as r.
func (p *pacer) ranked(ctx context.Context, r rank) (context.Context, *turn) {
	t := &turn{pace: p, rank: r}
	return context.WithValue(ctx, turnKey{}, t), t
}

// pay waits until a call may be made, if it was not waited for before.
func (t *turn) pay(ctx context.Context) error {
	if t.paid.Load() {
		return nil
	}
	err := t.pace.wait(ctx, t.rank)
	t.paid.Store(err == nil)
	return err
}

// Pace waits until the account may make one more call. A Provider that makes
// several calls to its host in one method calls it before each of them, the
// first too. Outside the broker it returns at once.
func Pace(ctx context.Context) error {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok || t.paid.Swap(false) {
		return nil
	}
	return t.pace.wait(ctx, t.rank)
}

// sleep waits d, or less with the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
