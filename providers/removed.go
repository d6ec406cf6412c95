package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"golang.org/x/sync/errgroup"
)

var (
	errStays  = errors.New("the host accepted the removal, but the value is still there")
	errUnseen = errors.New("it was not seen to be gone in time")
)

// An accepted removal is not a removal: a value is gone when it is seen to be.
// Two look for it, and who is first counts: the zone's servers, asked like for
// a value that is waited for, which costs the account nothing; and the host
// itself, which knows at once, by one call for all that was removed meanwhile
// and only when nobody of the account has something to change.

// look begins to see whether removals are done, while the zone's writer goes on.
func (b *broker) look(l *link, ops []*op) {
	if len(ops) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	shown := true
	for _, o := range ops {
		// What was never seen in DNS may be on its way there: that it is not
		// shown says nothing.
		shown = shown && b.values[o.key].seen
	}
	for _, o := range ops {
		o.looked, o.shown, o.taken = true, shown, time.Now()
		b.watching -= o.waiters
		b.removed = append(b.removed, o)
	}
	if b.reading == nil {
		ctx, cancel := context.WithCancel(context.Background())
		b.reading = cancel
		b.wg.Go(func() { b.readAll(ctx) })
	}
	if shown {
		name := fmt.Sprintf("without %s %d", l.address, b.calls)
		b.wg.Go(func() {
			n, began := 0, time.Now()
			l.vanish(b.zone, name, ops, func(o *op) { n += b.gone([]*op{o}) })
			b.cleaned(l, n, began)
		})
	}
	for _, o := range ops {
		if o.waiters == 0 {
			b.seen(o, errUnseen)
		}
	}
}

func (b *broker) cleaned(l *link, n int, began time.Time) {
	if n > 0 {
		l.say(event.Event{Kind: event.Cleaned, Provider: l.address, Zone: bare(b.zone), N: n, Took: time.Since(began)})
	}
}

// gone ends removals that are done, and counts those that were not ended yet.
func (b *broker) gone(ops []*op) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range ops {
		if b.seen(o, nil) {
			n++
		}
	}
	return n
}

// seen ends a removal; mu is held. False if it was ended before.
func (b *broker) seen(o *op, err error) bool {
	i := slices.Index(b.removed, o)
	if i < 0 {
		return false
	}
	b.removed = slices.Delete(b.removed, i, i+1)
	b.settle(o, b.named(o, err))
	if len(b.removed) == 0 && b.reading != nil {
		b.reading()
	}
	b.kick()
	return true
}

// readAll asks the host until nothing is left to be seen; ctx ends then.
func (b *broker) readAll(ctx context.Context) {
	for {
		b.mu.Lock()
		if len(b.removed) == 0 {
			b.reading()
			b.reading = nil
			b.mu.Unlock()
			return
		}
		if ctx.Err() != nil { // nothing was left for a moment
			ctx, b.reading = context.WithCancel(context.Background())
		}
		l, first, last := b.removed[0].from, b.removed[0], b.removed[len(b.removed)-1]
		free := b.limit() == 1 && !slices.ContainsFunc(b.removed, func(o *op) bool { return !o.shown })
		b.mu.Unlock()
		if free {
			// Where each change is a call, DNS is given the time to show it that
			// it needed before.
			pause := time.Until(last.taken.Add(l.delay(b.zone)*3/2 + time.Second))
			if pause = min(pause, time.Until(first.taken.Add(l.wait/2))); pause > 0 {
				_ = sleep(ctx, pause) // either way it begins anew
				continue
			}
		}
		if b.turnToRead(ctx) {
			b.readOnce(ctx, l)
		}
	}
}

// unread is how long a second look waits at most for an account that is busy.
const unread = 15 * time.Second

// turnToRead waits until a look may be made; false if ctx ended.
func (b *broker) turnToRead(ctx context.Context) bool {
	idle, cancel := context.WithTimeout(ctx, unread)
	defer cancel()
	return b.pace.wait(idle, looking) == nil || b.pace.wait(ctx, removing) == nil
}

// readOnce is one look at the host, at all that it has taken until now.
func (b *broker) readOnce(ctx context.Context, l *link) {
	began := time.Now()
	ctx, turn := b.pace.ranked(ctx, removing)
	turn.paid.Store(true)
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	b.mu.Lock()
	var ops []*op
	for _, o := range b.removed {
		if o.from == l {
			ops = append(ops, o)
		}
	}
	b.mu.Unlock()
	c := &calling{b: b, l: l, failed: map[*op]error{}}
	var have map[key]bool
	ok := false
	var err error
	if c.p, err = l.open(ctx); err == nil {
		have, ok, err = c.read(ctx, ops)
	}
	if !ok || err != nil {
		// Some cannot read, or not because of one record in the zone that is not
		// ours; DNS knows as well.
		b.cleaned(l, b.ask(ctx, l, ops), began)
		return
	}
	there := func(o *op) bool { return have[o.key] }
	b.cleaned(l, b.gone(slices.DeleteFunc(slices.Clone(ops), there)), began)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range ops {
		if !there(o) || !slices.Contains(b.removed, o) {
			continue
		}
		if o.again {
			b.seen(o, errStays)
			continue
		}
		b.removed = slices.DeleteFunc(b.removed, func(other *op) bool { return other == o })
		o.again, o.looked = true, false
		v := b.values[o.key]
		v.flying, v.queued = nil, o
		b.dels = append(b.dels, o)
	}
	b.kick()
}

// ask sees in DNS whether values are gone, and counts those that are.
func (b *broker) ask(ctx context.Context, l *link, ops []*op) (n int) {
	errs := make([]error, len(ops))
	var g errgroup.Group
	g.SetLimit(asking)
	for i, o := range ops {
		g.Go(func() error {
			errs[i] = l.gone(ctx, b.zone, o.key)
			return nil
		})
	}
	_ = g.Wait() // each has its own
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range ops {
		if errs[i] == nil || ctx.Err() == nil || context.Cause(ctx) == context.DeadlineExceeded {
			if b.seen(o, errs[i]) && errs[i] == nil {
				n++
			}
		}
	}
	return n
}
