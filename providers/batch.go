package providers

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/libdns/libdns"
)

// Reader is a Provider that can read the TXT values of some names without
// listing the zone. Names are relative to zone. It is found by type assertion
// and used to see that a value is gone.
type Reader interface {
	ReadTXT(ctx context.Context, zone string, names []string) ([]libdns.RR, error)
}

// carry makes the changes of a closed batch and settles each of its ops.
func (b *broker) carry(ctx context.Context, ops []*op) {
	for len(ops) > 0 {
		// All of one batch came by one link but after a reload, when an old and
		// a new configuration meet at the zone.
		l := ops[0].from
		var mine, rest []*op
		for _, o := range ops {
			if o.from == l {
				mine = append(mine, o)
			} else {
				rest = append(rest, o)
			}
		}
		b.make(ctx, l, mine)
		ops = rest
	}
}

func (b *broker) make(ctx context.Context, l *link, ops []*op) {
	var adds, dels []*op
	for _, o := range ops {
		if o.del {
			dels = append(dels, o)
		} else {
			adds = append(adds, o)
		}
	}
	// The wait for a turn is no fault of the host's: its time begins after it.
	ctx, turn := b.pace.ranked(ctx, adding)
	var err error
	if len(adds) > 0 || !b.patient(ctx) {
		err = turn.pay(ctx)
	} else {
		turn.paid.Store(true)
	}
	turn.rank = removing // of what is tried again
	if len(adds) > 0 {
		turn.rank = adding
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	c := &calling{b: b, l: l, failed: map[*op]error{}}
	release := func() {}
	if err == nil {
		release, err = c.prepare(ctx)
	}
	if err != nil {
		c.fail(ops, err)
	} else {
		c.change(ctx, ops)
		release()
	}
	if added := c.settle(adds); added > 0 {
		l.say(event.Event{Kind: event.Presented, Provider: l.address, Zone: bare(b.zone), N: added, Took: time.Since(began)})
	}
	if b.quirks.Rolls {
		if gone := c.settle(dels); gone > 0 {
			l.say(event.Event{Kind: event.Cleaned, Provider: l.address, Zone: bare(b.zone), N: gone, Took: time.Since(began)})
		}
		return
	}
	taken := slices.DeleteFunc(slices.Clone(dels), func(o *op) bool { return c.failed[o] != nil })
	c.settle(slices.DeleteFunc(dels, func(o *op) bool { return c.failed[o] == nil }))
	b.look(l, taken)
}

// patient waits behind the account's additions for a turn to remove. False if
// something is to be added to this zone by now, which would wait behind it.
func (b *broker) patient(ctx context.Context) bool {
	b.mu.Lock()
	if len(b.adds) > 0 {
		b.mu.Unlock()
		return false
	}
	ctx, b.hurry = context.WithCancel(ctx)
	b.mu.Unlock()
	err := b.pace.wait(ctx, removing)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurry()
	b.hurry = nil
	return err == nil
}

// calling is one batch on its way to the host.
type calling struct {
	b        *broker
	l        *link
	p        Provider
	failed   map[*op]error
	good     bool // a call went through
	failures int  // calls that were refused
}

// prepare opens the provider, and takes the lock across machines where the
// host can only replace sets or the zone.
func (c *calling) prepare(ctx context.Context) (release func(), err error) {
	c.p, err = c.l.open(ctx)
	if err != nil {
		return nil, err
	}
	q := c.b.quirks
	if c.b.exclusive == nil || !q.Replaces && !q.DeletesByName && !q.WholeZone {
		return func() {}, nil
	}
	release, err = c.b.exclusive(ctx, "dns/"+bare(c.b.zone))
	if err != nil {
		return nil, fmt.Errorf("lock zone %s: %w", bare(c.b.zone), err)
	}
	return release, nil
}

func (c *calling) change(ctx context.Context, ops []*op) {
	switch p := c.p.(type) {
	case Changer:
		c.together(ctx, p, ops)
	default:
		c.plain(ctx, ops)
	}
}

// together makes changes in one call; a batch that is refused is halved, so
// that one fault costs one thing. If nothing goes through on the way down to a
// single change it is not the content that is wrong, and all is given up.
func (c *calling) together(ctx context.Context, p Changer, ops []*op) {
	var add, del []libdns.RR
	for _, o := range ops {
		if o.del {
			del = append(del, c.b.record(o.key))
		} else {
			add = append(add, c.b.record(o.key))
		}
	}
	err := c.b.attempt(ctx, c.l, 0, func(ctx context.Context) error { return p.Change(ctx, c.b.zone, add, del) })
	if err == nil {
		c.good = true
		return
	}
	c.failures++
	hopeless := !c.good && c.failures > bits.Len(uint(c.b.limit()))+2
	if len(ops) == 1 || !errors.Is(err, ErrRefused) || hopeless {
		c.fail(ops, err)
		return
	}
	c.together(ctx, p, ops[:len(ops)/2])
	c.together(ctx, p, ops[len(ops)/2:])
}

func (c *calling) fail(ops []*op, err error) {
	for _, o := range ops {
		c.failed[o] = err
	}
}

// settle tells who waits, and returns how many ops succeeded.
func (c *calling) settle(ops []*op) (n int) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for _, o := range ops {
		err := c.failed[o]
		if err == nil {
			n++
		}
		c.b.settle(o, c.b.named(o, err))
	}
	return n
}

// named says of an error what was being done.
func (b *broker) named(o *op, err error) error {
	if err == nil {
		return nil
	}
	verb := "add"
	if o.del {
		verb = "remove"
	}
	return fmt.Errorf("%s: zone %s: %s TXT %s: %w", o.from.address, bare(b.zone), verb, bare(o.name), err)
}

// read is the values at the names of ops; ok is false if the provider cannot
// read.
func (c *calling) read(ctx context.Context, ops []*op) (have map[key]bool, ok bool, err error) {
	have = map[key]bool{}
	switch p := c.p.(type) {
	case Reader:
		var names []string
		seen := map[string]bool{}
		for _, o := range ops {
			if !seen[o.name] {
				seen[o.name] = true
				names = append(names, c.b.record(o.key).Name)
			}
		}
		var got atomic.Pointer[[]libdns.RR]
		err = c.b.attempt(ctx, c.l, 0, func(ctx context.Context) error {
			rrs, err := p.ReadTXT(ctx, c.b.zone, names)
			got.Store(&rrs)
			return err
		})
		if err != nil {
			return nil, true, err
		}
		for _, rr := range *got.Load() {
			if rr.Type == "TXT" {
				have[key{Absolute(rr.Name, c.b.zone), rr.Data}] = true
			}
		}
	case libdns.RecordGetter:
		recs, err := c.list(ctx, p)
		return c.values(recs), true, err
	default:
		return nil, false, nil
	}
	return have, true, nil
}

// list is the whole zone. The result is handed over by a pointer of its own,
// since a provider that does not look at its context may come back late.
func (c *calling) list(ctx context.Context, p libdns.RecordGetter) ([]libdns.Record, error) {
	var got atomic.Pointer[[]libdns.Record]
	err := c.b.attempt(ctx, c.l, plainTries, func(ctx context.Context) error {
		recs, err := p.GetRecords(ctx, c.b.zone)
		if err == nil {
			err = ctx.Err() // some return what they had read until then
		}
		got.Store(&recs)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the zone: %w", err)
	}
	// Some return nil for a type of record that they do not know.
	return slices.DeleteFunc(*got.Load(), func(r libdns.Record) bool { return r == nil }), nil
}

// never marks the error of a provider that was used in a way it cannot serve.
func never(format string, args ...any) error { return world.Never(fmt.Errorf(format, args...)) }
