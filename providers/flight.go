package providers

import (
	"context"
	"sync"
	"time"
)

const (
	keptFor   = 10 * time.Minute // how long an answer is believed; a run is shorter, a daemon is not
	failedFor = time.Minute      // how long a failure is repeated to who asks again
)

// flight does something once for all who ask, and keeps the answer for a
// while, a failure for a shorter one. A caller's own end is nobody else's.
type flight[T any] struct {
	mu    sync.Mutex
	busy  chan struct{}
	until time.Time
	value T
	err   error
}

func (f *flight[T]) do(ctx context.Context, work func(context.Context) (T, error)) (T, error) {
	var none T
	for {
		f.mu.Lock()
		if f.busy == nil && time.Now().Before(f.until) {
			defer f.mu.Unlock()
			return f.value, f.err
		}
		if f.busy == nil {
			f.busy = make(chan struct{})
			f.mu.Unlock()
			break
		}
		busy := f.busy
		f.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
	v, err := work(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.busy)
	f.busy = nil
	switch {
	case err == nil:
		f.value, f.err, f.until = v, nil, time.Now().Add(keptFor)
	case ctx.Err() == nil:
		f.value, f.err, f.until = none, err, time.Now().Add(failedFor)
	}
	return v, err
}

// got is the answer that is there already.
func (f *flight[T]) got() (value T, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.value, f.busy == nil && f.err == nil && !f.until.IsZero()
}

// flights is one flight a key.
type flights[T any] struct {
	mu  sync.Mutex
	all map[string]*flight[T]
}

func (f *flights[T]) of(key string) *flight[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[string]*flight[T]{}
	}
	one := f.all[key]
	if one == nil {
		one = &flight[T]{}
		f.all[key] = one
	}
	return one
}

// clear forgets all answers; who waits for one gets it all the same.
func (f *flights[T]) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.all)
}
