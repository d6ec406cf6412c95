package providers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/event"
)

// patience is how long a batch whose members stopped arriving waits for who is
// still on the way. It is no gathering time: a batch normally closes when
// nobody is on the way any more. It bounds what one stuck certificate (a CA
// that hangs) can cost its neighbours.
const patience = 5 * time.Second

// key is one TXT value: name is canonical, text exact.
type key struct{ name, text string }

// broker is the one writer of a zone at one account. Certificates meet at it:
// what is on its way together travels in one call.
type broker struct {
	zone      string
	quirks    Quirks
	pace      *pacer
	exclusive func(ctx context.Context, key string) (release func(), err error)

	mu         sync.Mutex
	values     map[key]*value
	adds, dels []*op
	tickets    map[*Ticket]*passage
	onWay      int // tickets with no value here yet, those that pause not counted
	after      int // open tickets whose values here are not cleaned yet, those that pause not counted
	owed       int // values whose ticket is done and that are not cleaned yet
	overdue    bool
	running    bool
	busy       bool        // as the account's pace knows it
	quiet      *time.Timer // runs out when nothing arrived for a while
	watching   int         // how many wait for the call under way
	cancel     context.CancelFunc
	removed    []*op              // the host took them, and they are not seen to be gone yet
	reading    context.CancelFunc // ends the second look at them; nil when there is none
	hurry      context.CancelFunc // ends the wait of a removal for its turn; nil if none waits
	calls      int                // numbers the batches
	wg         sync.WaitGroup
}

// value is what the broker knows of one TXT value.
type value struct {
	wants          map[*Ticket]struct{} // open tickets that present it
	presenting     int                  // Present calls that have not returned
	shown          bool                 // the host took it and nobody removed it since
	seen           bool                 // and every server showed it
	owed           bool                 // its ticket is done; a Clean should come soon
	batch          int                  // the batch it went with
	queued, flying *op
}

// op is one change of one value, waited for by one or more callers.
type op struct {
	key
	del     bool
	from    *link
	again   bool      // it is removed for the second time
	looked  bool      // the call is over: it is one of removed
	shown   bool      // DNS showed it, so that DNS tells when it is gone
	taken   time.Time // when the host took the removal
	waiters int
	done    chan struct{}
	err     error
}

// link is the way from a run to the host: what a call is made with.
type link struct {
	address string // of the dns block
	open    func(context.Context) (Provider, error)
	gone    func(ctx context.Context, zone string, k key) error // asks DNS; nil when the value is gone
	vanish  func(zone, batch string, ops []*op, tell func(*op)) // tells of each whose value DNS shows no more
	delay   func(zone string) time.Duration                     // how long a change took to be shown
	say     event.Listener
	wait    time.Duration // how long changes may take with all retries
	most    int           // how many of our values may be at one name at a time; 0: no limit
}

// newBroker makes the writer of one zone. exclusive, if not nil, gets a lock
// across machines; it is taken around calls to hosts that can only replace
// whole sets.
func newBroker(zone string, q Quirks, pace *pacer, exclusive func(context.Context, string) (func(), error)) *broker {
	b := &broker{
		zone: zone, quirks: q, pace: pace, exclusive: exclusive,
		values: map[key]*value{}, tickets: map[*Ticket]*passage{},
	}
	return b
}

// Close waits for the call under way.
func (b *broker) Close() error {
	b.wg.Wait()
	return nil
}

// limit is how many changes one call takes.
func (b *broker) limit() int { return max(1, b.quirks.Batch) }

func (b *broker) value(k key) *value {
	v := b.values[k]
	if v == nil {
		v = &value{wants: map[*Ticket]struct{}{}}
		b.values[k] = v
	}
	return v
}

// forget drops a value that nobody asks about any more.
func (b *broker) forget(k key, v *value) {
	if len(v.wants) == 0 && v.presenting == 0 && !v.shown && v.queued == nil && v.flying == nil {
		delete(b.values, k)
	}
}

// add brings values to the host and returns when they are there, with one
// error a value, and the number of the batch each went with. The ticket's way
// to this zone ends.
func (b *broker) add(ctx context.Context, l *link, t *Ticket, keys []key) (errs []error, batch int) {
	t.join(b, false)
	ops := make([]*op, len(keys))
	errs = make([]error, len(keys))
	b.mu.Lock()
	for i, k := range keys {
		v := b.value(k)
		v.presenting++
		b.want(k, v, t)
		// An add and a delete of one value met: who wanted it gone has somebody
		// else who will see to it.
		if v.queued != nil && v.queued.del {
			b.settle(b.unqueue(v), nil)
		}
		if v.flying != nil && v.flying.looked {
			b.seen(v.flying, nil)
		}
		switch {
		case v.queued != nil:
			ops[i] = v.queued
		case v.flying != nil && !v.flying.del:
			ops[i] = v.flying
			b.watching++
		case v.flying == nil && v.shown:
		default:
			ops[i] = b.enqueue(v, k, l, false)
		}
		if ops[i] != nil {
			ops[i].waiters++
		}
	}
	b.update(t, func(p *passage) { p.onWay, p.paused = false, false })
	b.arrival()
	if b.hurry != nil && len(b.adds) > 0 {
		b.hurry()
	}
	b.kick()
	b.mu.Unlock()
	for i, o := range ops {
		errs[i] = b.wait(ctx, o)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, k := range keys {
		v := b.values[k]
		if v == nil {
			continue
		}
		v.presenting--
		if errs[i] != nil {
			b.unwant(k, v, t)
		}
		batch = max(batch, v.batch)
		b.forget(k, v)
	}
	return errs, batch
}

// saw notes that every server shows values.
func (b *broker) saw(keys []key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		if v := b.values[k]; v != nil && v.shown {
			v.seen = true
		}
	}
}

// doubt makes the next add of a value go to the host again, whatever the
// broker believes: it was not seen in DNS.
func (b *broker) doubt(k key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v := b.values[k]; v != nil {
		v.shown, v.seen = false, false
		b.owe(v, false)
		b.forget(k, v)
	}
}

// del removes values and returns when they are seen to be gone, with one error
// a value. A value that somebody still presents is kept, without an error.
func (b *broker) del(ctx context.Context, l *link, keys []key) []error {
	ops := make([]*op, len(keys))
	b.mu.Lock()
	for i, k := range keys {
		v := b.value(k)
		b.owe(v, false)
		for t := range v.wants {
			b.unwant(k, v, t)
			break // one: the caller's own
		}
		switch {
		case len(v.wants) > 0 || v.presenting > 0:
		case v.queued != nil && v.queued.del:
			ops[i] = v.queued
		case v.flying != nil && v.flying.del:
			ops[i] = v.flying
			if !v.flying.looked {
				b.watching++
			}
		default:
			ops[i] = b.enqueue(v, k, l, true)
		}
		if ops[i] != nil {
			ops[i].waiters++
		} else {
			b.forget(k, v)
		}
	}
	b.arrival()
	b.kick()
	b.mu.Unlock()
	errs := make([]error, len(keys))
	for i, o := range ops {
		errs[i] = b.wait(ctx, o)
	}
	return errs
}

func (b *broker) enqueue(v *value, k key, l *link, del bool) *op {
	o := &op{key: k, del: del, from: l, done: make(chan struct{})}
	v.queued = o
	if del {
		b.dels = append(b.dels, o)
	} else {
		b.adds = append(b.adds, o)
	}
	return o
}

// unqueue takes the queued op of v out of its queue.
func (b *broker) unqueue(v *value) *op {
	o := v.queued
	v.queued = nil
	queue := &b.adds
	if o.del {
		queue = &b.dels
	}
	*queue = slices.DeleteFunc(*queue, func(q *op) bool { return q == o })
	return o
}

// settle ends an op; mu is held.
func (b *broker) settle(o *op, err error) {
	o.err = err
	if v := b.values[o.key]; v != nil {
		if v.flying == o {
			v.flying = nil
			v.shown, v.seen = !o.del && err == nil, false
			v.batch = b.calls
			if !o.looked {
				b.watching -= o.waiters
			}
		}
		b.forget(o.key, v)
	}
	close(o.done)
}

// wait returns when o is settled or ctx ends. What nobody waits for any more
// is not begun, and a call nobody waits for is broken off.
func (b *broker) wait(ctx context.Context, o *op) error {
	if o == nil {
		return nil
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-o.done:
		return o.err
	default:
	}
	o.waiters--
	v := b.values[o.key]
	switch {
	case v != nil && v.queued == o && o.waiters == 0:
		b.settle(b.unqueue(v), context.Canceled) // nobody reads it; who looks for it ends
		b.kick()
	case v != nil && v.flying == o && o.looked:
		if o.waiters == 0 {
			b.seen(o, errUnseen)
		}
	case v != nil && v.flying == o:
		if b.watching--; b.watching == 0 {
			b.cancel()
		}
	}
	verb := "add"
	if o.del {
		verb = "remove"
	}
	return fmt.Errorf("%s TXT %s in zone %s: %w", verb, bare(o.name), bare(b.zone), context.Cause(ctx))
}
