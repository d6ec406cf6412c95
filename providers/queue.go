package providers

import (
	"context"
	"slices"
	"time"
)

// arrival restarts the patience; mu is held.
func (b *broker) arrival() {
	b.overdue = false
	if b.quiet != nil {
		b.quiet.Stop()
		b.quiet = nil
	}
}

// kick begins a call if one is due and none is under way; mu is held.
func (b *broker) kick() {
	busy := b.onWay > 0 || b.after > 0 || b.owed > 0 || len(b.adds)+len(b.dels) > 0
	if busy != b.busy {
		b.busy = busy
		b.pace.work(map[bool]int{true: 1, false: -1}[busy])
	}
	if b.running {
		return
	}
	if ops := b.take(); len(ops) > 0 {
		b.running = true
		b.wg.Go(func() { b.run(ops) })
		return
	}
	if b.quiet == nil && len(b.adds)+len(b.dels) > 0 && !b.overdue {
		var t *time.Timer
		t = time.AfterFunc(patience, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.quiet == t {
				b.quiet, b.overdue = nil, true
				for _, v := range b.values {
					b.owe(v, false) // they had their time
				}
				b.kick()
			}
		})
		b.quiet = t
	}
}

// take closes a batch if it is time to; mu is held.
func (b *broker) take() []*op {
	limit := b.limit()
	var batch []*op
	if len(b.adds) > 0 && (b.onWay == 0 || b.overdue || len(b.adds)+len(b.dels) >= limit) {
		batch = b.ready(limit)
	}
	if len(batch) > 0 || len(b.dels) >= limit || b.overdue || b.turns() || b.onWay == 0 && b.after == 0 && b.owed == 0 {
		room := min(limit-len(batch), len(b.dels))
		batch = append(batch, b.dels[:room]...)
	}
	if len(batch) == 0 {
		return nil
	}
	for _, o := range batch {
		v := b.values[o.key]
		v.queued, v.flying = nil, o
	}
	begun := func(o *op) bool { return b.values[o.key].flying == o }
	b.adds = slices.DeleteFunc(b.adds, begun)
	b.dels = slices.DeleteFunc(b.dels, begun)
	if len(b.adds)+len(b.dels) == 0 {
		b.arrival()
	}
	return batch
}

// ready is the adds that go in the next call, limit at most. Where a name takes
// only so many values an add waits until there is room.
func (b *broker) ready(limit int) []*op {
	at := b.held()
	var out []*op
	for _, o := range b.adds {
		if len(out) == limit {
			break
		}
		if b.full(at, o) {
			continue
		}
		at[o.name]++
		out = append(out, o)
	}
	return out
}

// held is how many of our values are at each name.
func (b *broker) held() map[string]int {
	at := map[string]int{}
	for k, v := range b.values {
		if v.shown || v.flying != nil && !v.flying.del {
			at[k.name]++
		}
	}
	return at
}

func (b *broker) full(at map[string]int, o *op) bool {
	return o.from.most > 0 && at[o.name] >= o.from.most && !b.values[o.key].shown
}

// turns reports whether somebody waits for a removal to have its turn at a name.
func (b *broker) turns() bool {
	if len(b.adds) == 0 || len(b.dels) == 0 || !slices.ContainsFunc(b.adds, func(o *op) bool { return o.from.most > 0 }) {
		return false
	}
	at := b.held()
	full := map[string]bool{}
	for _, o := range b.adds {
		full[o.name] = full[o.name] || b.full(at, o)
	}
	return slices.ContainsFunc(b.dels, func(o *op) bool { return full[o.name] })
}

// run makes calls until none is due. No call begins before all ops of the one
// before it are settled.
func (b *broker) run(ops []*op) {
	for len(ops) > 0 {
		ctx, cancel := context.WithCancel(context.Background())
		b.mu.Lock()
		b.calls++
		b.cancel = cancel
		b.watching = 0
		for _, o := range ops {
			b.watching += o.waiters
		}
		if b.watching == 0 {
			cancel()
		}
		b.mu.Unlock()
		b.carry(ctx, ops)
		cancel()
		b.mu.Lock()
		ops = b.take()
		if len(ops) == 0 {
			b.running = false
			b.kick()
		}
		b.mu.Unlock()
	}
}
