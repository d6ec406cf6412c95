package providers

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// pacer is the pace of one account: every zone and every dns block of the
// account waits at the same one.
type pacer struct {
	limit *rate.Limiter

	mu    sync.Mutex
	until time.Time // the host asked for quiet until then
}

func newPacer(q Quirks) *pacer {
	p := &pacer{limit: rate.NewLimiter(rate.Inf, 1)}
	if q.PerSecond > 0 {
		p.limit = rate.NewLimiter(rate.Limit(q.PerSecond), max(1, cmp.Or(q.Burst, int(math.Ceil(q.PerSecond)))))
	}
	return p
}

// hold keeps everybody of the account quiet until t.
func (p *pacer) hold(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.After(p.until) {
		p.until = t
	}
}

// wait returns when one call may be made.
func (p *pacer) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		until := p.until
		p.mu.Unlock()
		pause := time.Until(until)
		if pause <= 0 {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait for the host's Retry-After: %w", err)
		}
	}
	if err := p.limit.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the account's pace: %w", err)
	}
	return nil
}

type turnKey struct{}

// turn is the pace as a provider sees it: the first call is paid for already.
type turn struct {
	pace *pacer
	paid atomic.Bool
}

// paced waits for the account's pace and returns a context in which Pace
// knows it.
func (p *pacer) paced(ctx context.Context) (context.Context, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	t := &turn{pace: p}
	t.paid.Store(true)
	return context.WithValue(ctx, turnKey{}, t), nil
}

// Pace waits until the account may make one more call. A Provider that makes
// several calls to its host in one method calls it before each of them, the
// first too. Outside the broker it returns at once.
func Pace(ctx context.Context) error {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok || t.paid.Swap(false) {
		return nil
	}
	return t.pace.wait(ctx)
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
