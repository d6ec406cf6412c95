package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// Expect announces that values for found will come. Call it before the order.
func (z *Zones) Expect(found []Found) *Ticket {
	t := &Ticket{}
	for _, f := range found {
		for _, p := range f.Providers {
			if l, err := z.lane(p, f.Zone); err == nil {
				t.join(l.broker, true)
			}
		}
	}
	return t
}

// errand is what one caller wants of one zone.
type errand struct {
	zone      string
	providers []string
	keys      []key
	values    []Value // as they were given
	ofValue   []key   // the key of each of them
	lanes     []*lane
	known     bool  // who serves it is remembered from an earlier run
	err       error // nobody serves the zone
}

// errands sorts values by zone and finds out who serves each zone now.
func (z *Zones) errands(ctx context.Context, values []Value) []*errand {
	byZone := map[string]*errand{}
	var out []*errand
	for _, given := range values {
		v := given
		v.Zone, v.Name = canonical(v.Zone), canonical(v.Name)
		e := byZone[v.Zone]
		if e == nil {
			e = &errand{zone: v.Zone}
			byZone[v.Zone] = e
			out = append(out, e)
			var s served
			world.Aside(func() { s, e.err = z.serving(ctx, v) })
			e.zone, e.providers, e.known = s.zone, s.providers, s.known
		}
		k := key{v.Name, v.Text}
		if !slices.Contains(e.keys, k) {
			e.keys = append(e.keys, k)
		}
		e.values, e.ofValue = append(e.values, given), append(e.ofValue, k)
	}
	return out
}

// serving says who serves the zone of a value now: as its zone is matched
// today, and if nobody is found, the block that it was given to, if that is
// still there.
func (z *Zones) serving(ctx context.Context, v Value) (served, error) {
	if _, ok := Relative(v.Name, v.Zone); !ok {
		return served{zone: v.Zone}, never("%s is not in zone %s", bare(v.Name), bare(v.Zone))
	}
	s, _, err := z.match(ctx, v.Name, v.Zone)
	if err == nil && len(s.providers) > 0 {
		return s, nil
	}
	if h := z.hosts[v.Provider]; h != nil && (len(h.Zones) == 0 || slices.ContainsFunc(h.Zones, func(zone string) bool { return canonical(zone) == v.Zone })) {
		return served{zone: v.Zone, providers: []string{v.Provider}, how: "as before"}, nil
	}
	return served{zone: v.Zone}, err
}

// Present puts values where they belong, in as few calls as can be, and
// returns when every authoritative server of their zones shows them at every
// address. It ends the ticket's way; until the ticket is Done or the values
// are cleaned they are protected from others. It may be repeated: what is
// there is not written again. The error joins one for each zone that failed.
func (z *Zones) Present(ctx context.Context, t *Ticket, values []Value) error {
	defer t.arrived()
	errands := z.errands(ctx, values)
	going := map[*broker]bool{}
	for _, e := range errands {
		if e.err == nil {
			e.err = z.route(e)
		}
		for _, l := range e.lanes {
			going[l.broker] = e.err == nil
		}
	}
	// Who waits for us where we do not come must not wait for our other zones.
	t.each(func(b *broker) {
		if !going[b] {
			b.arrive(t)
		}
	})
	errs := make([]error, len(errands))
	each(errands, func(i int, e *errand) {
		if errs[i] = e.err; e.err == nil {
			errs[i] = z.present(ctx, t, e)
		}
	})
	return errors.Join(errs...)
}

// Turns sorts values into those that may be in DNS at the same time: where a
// host or its zone block allows so many values at a name, an order that needs
// more is proven one name after the other. It does not wait for room; Present
// does.
func (z *Zones) Turns(ctx context.Context, values []Value) (turns [][]Value) {
	for _, e := range z.errands(ctx, values) {
		most := 0
		for _, p := range e.providers {
			if l, err := z.lane(p, e.zone); err == nil && l.link.most > 0 && (most == 0 || l.link.most < most) {
				most = l.link.most
			}
		}
		turn, at := map[key]int{}, map[string]int{}
		for _, k := range e.keys {
			if most > 0 {
				turn[k] = at[k.name] / most
				at[k.name]++
			}
		}
		for i, v := range e.values {
			n := turn[e.ofValue[i]]
			for len(turns) <= n {
				turns = append(turns, nil)
			}
			turns[n] = append(turns[n], v)
		}
	}
	return turns
}

// route finds the lanes of an errand.
func (z *Zones) route(e *errand) error {
	for _, p := range e.providers {
		l, err := z.lane(p, e.zone)
		if err != nil {
			return err
		}
		e.lanes = append(e.lanes, l)
		if err := room(e, p, l.link.most); err != nil {
			return err
		}
	}
	return nil
}

func (z *Zones) present(ctx context.Context, t *Ticket, e *errand) error {
	lanes := e.lanes
	errs := make([]error, len(lanes))
	batches := make([]string, len(lanes))
	each(lanes, func(i int, l *lane) {
		each, batch := l.add(ctx, l.link, t, e.keys)
		errs[i], batches[i] = distinct(each), strconv.Itoa(batch)
	})
	if err := errors.Join(errs...); err != nil {
		if e.known && ctx.Err() == nil {
			z.distrust(e.zone)
		}
		return err
	}
	err := z.watch(e.zone, e.providers).see(ctx, strings.Join(batches, " "), e.keys)
	for _, l := range lanes {
		switch {
		case err == nil:
			l.saw(e.keys)
		case ctx.Err() == nil:
			for _, k := range e.keys {
				l.doubt(k)
			}
		}
	}
	return err
}

// room refuses what can never be shown at once: more values of one errand at a
// name than may be there.
func room(e *errand, provider string, most int) error {
	if most == 0 {
		return nil
	}
	at := map[string]int{}
	for _, k := range e.keys {
		if at[k.name]++; at[k.name] <= most {
			continue
		}
		if most == 1 {
			return world.Never(world.Hint(
				fmt.Errorf("%s holds one TXT value a name, and %s needs two at once", provider, bare(k.name)),
				"order the wildcard and its base name as two certificates, or delegate the challenge by a CNAME to another host"))
		}
		return world.Never(world.Hint(
			fmt.Errorf("one certificate needs more than %d TXT values at %s at once, and max_values of zone %s allows no more", most, bare(k.name), bare(e.zone)),
			"raise max_values, or let the CNAMEs of its names end at different names"))
	}
	return nil
}

// distinct joins errors, those with the same words once.
func distinct(errs []error) error {
	var out []error
	seen := map[string]bool{}
	for _, err := range errs {
		if err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			out = append(out, err)
		}
	}
	return errors.Join(out...)
}

// Left is a value that could not be seen to be gone.
type Left struct {
	Value Value
	Err   error
}

// Clean removes exactly these values through whichever provider serves their
// zones now, and returns what is not seen to be gone. Values that somebody in
// this process still presents are kept in DNS and returned as gone for this
// caller: the other one owes them. It waits a little for neighbours, so that
// removals travel together; nobody should wait for it but the end of the run.
func (z *Zones) Clean(ctx context.Context, values []Value) []Left {
	errands := z.errands(ctx, values)
	lefts := make([][]Left, len(errands))
	each(errands, func(i int, e *errand) { lefts[i] = z.clean(ctx, e) })
	return slices.Concat(lefts...)
}

// Moved is when a host of one of these values last took a call: as long as it
// takes one after the other, who waits for his turn is not forgotten.
func (z *Zones) Moved(values []Value) (last time.Time) {
	for _, v := range values {
		h := z.hosts[v.Provider]
		if h == nil {
			continue
		}
		h.pace.mu.Lock()
		if h.pace.moved.After(last) {
			last = h.pace.moved
		}
		h.pace.mu.Unlock()
	}
	return last
}

func (z *Zones) clean(ctx context.Context, e *errand) (left []Left) {
	failed := map[key][]string{}
	cause := map[key]error{}
	fail := func(k key, err error) {
		failed[k] = append(failed[k], err.Error())
		cause[k] = err
	}
	if e.err != nil {
		for _, k := range e.keys {
			fail(k, fmt.Errorf("remove TXT %s: %w", bare(k.name), e.err))
		}
	} else {
		results := make([][]error, len(e.providers))
		each(e.providers, func(i int, p string) {
			l, err := z.lane(p, e.zone)
			if err != nil {
				results[i] = slices.Repeat([]error{err}, len(e.keys))
				return
			}
			results[i] = l.del(ctx, l.link, e.keys)
		})
		for _, errs := range results {
			for i, err := range errs {
				if err != nil {
					fail(e.keys[i], err)
					if e.known && ctx.Err() == nil {
						z.distrust(e.zone)
					}
				}
			}
		}
	}
	for i, v := range e.values {
		k := e.ofValue[i]
		if words := failed[k]; len(words) == 1 {
			left = append(left, Left{v, cause[k]})
		} else if len(words) > 1 {
			left = append(left, Left{v, fmt.Errorf("%s; %w", strings.Join(words[:len(words)-1], "; "), cause[k])})
		}
	}
	return left
}
