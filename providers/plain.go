package providers

import (
	"context"
	"fmt"
	"slices"

	"github.com/libdns/libdns"
)

// plain makes changes at a provider that has only libdns's own methods, as its
// quirks say. What came back is checked: some providers swallow errors.
func (c *calling) plain(ctx context.Context, ops []*op) {
	var adds, dels []*op
	for _, o := range ops {
		if o.del {
			dels = append(dels, o)
		} else {
			adds = append(adds, o)
		}
	}
	if c.b.quirks.Rolls {
		dels = nil
	}
	if c.b.quirks.OneValue {
		dels = slices.DeleteFunc(dels, c.overwritten)
	}
	// Removals first: a host with one value a name has no room otherwise.
	for part := range slices.Chunk(dels, c.b.limit()) {
		c.remove(ctx, part)
	}
	for part := range slices.Chunk(adds, c.b.limit()) {
		if c.b.quirks.Replaces {
			c.unite(ctx, part)
		} else {
			c.append(ctx, part)
		}
	}
}

// overwritten reports whether a removal is of a value in whose place a later one
// of ours is: a host with one value a name would take that one.
func (c *calling) overwritten(o *op) bool {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	for k, v := range c.b.values {
		if k.name == o.name && k.text != o.text && v.shown {
			return true
		}
	}
	return false
}

func (c *calling) records(ops []*op) []libdns.Record {
	recs := make([]libdns.Record, len(ops))
	for i, o := range ops {
		rr := c.b.record(o.key)
		recs[i] = libdns.TXT{Name: rr.Name, TTL: rr.TTL, Text: rr.Data}
		if o.del {
			// Without a TTL: a host may have raised the one we gave.
			recs[i] = libdns.TXT{Name: rr.Name, Text: rr.Data}
		}
	}
	return recs
}

func (c *calling) append(ctx context.Context, ops []*op) {
	todo := ops
	err := c.b.attempt(ctx, c.l, plainTries, func(ctx context.Context) error {
		out, err := c.p.AppendRecords(ctx, c.b.zone, c.records(todo))
		if err == nil && len(out) < len(todo) {
			err = fmt.Errorf("the provider added %d of %d records and gave no error", len(out), len(todo))
		}
		if err == nil {
			return nil
		}
		// The call may have been carried out in part, or what it adds may have
		// been there: what can be read counts.
		if p, ok := c.p.(libdns.RecordGetter); ok {
			if recs, readErr := p.GetRecords(ctx, c.b.zone); readErr == nil && ctx.Err() == nil {
				have := c.values(recs)
				todo = slices.DeleteFunc(slices.Clone(todo), func(o *op) bool { return have[o.key] })
				if len(todo) == 0 {
					return nil
				}
			}
		}
		return err
	})
	if err == nil {
		return
	}
	if len(todo) > 1 {
		for _, o := range todo {
			c.append(ctx, []*op{o})
		}
		return
	}
	c.fail(todo, err)
}

// values is the TXT values among records of the zone.
func (c *calling) values(recs []libdns.Record) map[key]bool {
	have := map[key]bool{}
	for _, r := range recs {
		if r == nil {
			continue
		}
		if rr := r.RR(); rr.Type == "TXT" {
			have[key{Absolute(rr.Name, c.b.zone), rr.Data}] = true
		}
	}
	return have
}

func (c *calling) remove(ctx context.Context, ops []*op) {
	if c.b.quirks.DeletesByName || c.b.quirks.Replaces {
		c.unite(ctx, ops)
		return
	}
	recs := c.records(ops)
	if c.b.quirks.NeedsID {
		have, err := c.returned(ctx, ops)
		if err != nil {
			c.fail(ops, err)
			return
		}
		if recs = have; len(recs) == 0 {
			return
		}
	}
	err := c.b.attempt(ctx, c.l, plainTries, func(ctx context.Context) error {
		_, err := c.p.DeleteRecords(ctx, c.b.zone, recs)
		if err == nil {
			return nil
		}
		// Some call the removal of what is not there an error, or have carried
		// out a part: what can be read counts.
		if p, ok := c.p.(libdns.RecordGetter); ok {
			if now, readErr := p.GetRecords(ctx, c.b.zone); readErr == nil && ctx.Err() == nil {
				have := c.values(now)
				recs = slices.DeleteFunc(slices.Clone(recs), func(r libdns.Record) bool {
					rr := r.RR()
					return !have[key{Absolute(rr.Name, c.b.zone), rr.Data}]
				})
				if len(recs) == 0 {
					return nil
				}
			}
		}
		return err
	})
	if err == nil {
		return
	}
	have, ok, readErr := c.read(ctx, ops)
	for _, o := range ops {
		if !ok || readErr != nil || have[o.key] {
			c.failed[o] = err
		}
	}
}

// returned is the records of ops as the provider itself returns them.
func (c *calling) returned(ctx context.Context, ops []*op) ([]libdns.Record, error) {
	p, ok := c.p.(libdns.RecordGetter)
	if !ok {
		return nil, never("the provider deletes only records that it returned, and returns none")
	}
	recs, err := c.list(ctx, p)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(recs, func(r libdns.Record) bool {
		rr := r.RR()
		k := key{Absolute(rr.Name, c.b.zone), rr.Data}
		return rr.Type != "TXT" || !slices.ContainsFunc(ops, func(o *op) bool { return o.key == k })
	}), nil
}

// unite reads the sets concerned and writes them back with what is added and
// without what is removed, so that siblings live at a host that can only
// replace or delete whole sets.
func (c *calling) unite(ctx context.Context, ops []*op) {
	getter, canGet := c.p.(libdns.RecordGetter)
	setter, canSet := c.p.(libdns.RecordSetter)
	if !canGet || !canSet {
		c.fail(ops, never("the provider handles only whole sets of records and can neither read nor set one"))
		return
	}
	recs, err := c.list(ctx, getter)
	if err != nil {
		c.fail(ops, err)
		return
	}
	byName := map[string][]*op{}
	var names []string
	for _, o := range ops {
		if byName[o.name] == nil {
			names = append(names, o.name)
		}
		byName[o.name] = append(byName[o.name], o)
	}
	for _, name := range names {
		var set []libdns.Record
		have := map[string]bool{}
		for _, r := range recs {
			rr := r.RR()
			if rr.Type == "TXT" && Absolute(rr.Name, c.b.zone) == name && !have[rr.Data] {
				have[rr.Data] = true
				set = append(set, r)
			}
		}
		changed := false
		for _, o := range byName[name] {
			switch {
			case o.del && have[o.text]:
				changed = true
				set = slices.DeleteFunc(set, func(r libdns.Record) bool { return r.RR().Data == o.text })
			case !o.del && !have[o.text]:
				changed = true
				set = append(set, c.records([]*op{o})...)
			}
		}
		if !changed {
			continue
		}
		err := c.b.attempt(ctx, c.l, plainTries, func(ctx context.Context) error {
			if len(set) == 0 {
				_, err := c.p.DeleteRecords(ctx, c.b.zone, c.records(byName[name]))
				return err
			}
			out, err := setter.SetRecords(ctx, c.b.zone, set)
			if err == nil && len(out) < len(set) {
				err = fmt.Errorf("the provider set %d of %d records and gave no error", len(out), len(set))
			}
			return err
		})
		if err != nil {
			c.fail(byName[name], err)
		}
	}
}
