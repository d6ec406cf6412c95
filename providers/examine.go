package providers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/libdns/libdns"
)

// Health is what a look at one dns block told, without any change.
type Health struct {
	Address  string
	Declared bool     // its zones are declared
	Zones    []string // those that it lists, else those that are declared; without trailing dot
	Unlisted []string // declared zones that the host does not list for this credential
	Listed   bool     // the host was asked for its zones, and answered
	Took     time.Duration
	Err      error // it could not be opened or asked
}

// Blocks are the addresses of the dns blocks, sorted.
func (z *Zones) Blocks() []string {
	var out []string
	for a := range z.hosts {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// Examine opens a dns block and asks its host for its zones, where it lists
// any. It changes nothing and may be called concurrently.
func (z *Zones) Examine(ctx context.Context, address string) Health {
	h, began := z.hosts[address], time.Now()
	out := Health{Address: address, Declared: len(h.Zones) > 0, Zones: slices.Clone(h.Zones)}
	all, err := h.list(ctx)
	out.Took, out.Err, out.Listed = time.Since(began), err, err == nil && all.lister
	if !out.Listed {
		return out
	}
	for _, zone := range h.Zones {
		if !all.zones[canonical(zone)] {
			out.Unlisted = append(out.Unlisted, zone)
		}
	}
	if !out.Declared {
		for zone := range all.zones {
			out.Zones = append(out.Zones, bare(zone))
		}
	}
	slices.Sort(out.Zones)
	return out
}

// Challenges reads the TXT values at _acme-challenge names of a zone: all of
// them where the host reads whole zones, else those at names. read is false
// where it reads nothing; what DNS shows at names is the answer then.
func (z *Zones) Challenges(ctx context.Context, address, zone string, names []string) (values []Value, read bool, err error) {
	zone = canonical(zone)
	h := z.hosts[address]
	p, err := h.provider(ctx)
	if err != nil {
		return nil, false, err
	}
	b := newBroker(zone, h.Quirks, h.pace, nil) // for its retries alone
	call := func(f func(context.Context) ([]libdns.RR, error)) ([]libdns.RR, error) {
		var got atomic.Pointer[[]libdns.RR]
		ctx, cancel := context.WithTimeout(ctx, callWait)
		defer cancel()
		err := b.attempt(ctx, &link{address: address, say: event.Discard}, plainTries, func(ctx context.Context) error {
			rrs, err := f(ctx)
			got.Store(&rrs)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: read zone %s: %w", address, bare(zone), err)
		}
		return *got.Load(), nil
	}
	var rrs []libdns.RR
	switch p := p.(type) {
	case libdns.RecordGetter:
		rrs, err = call(func(ctx context.Context) (out []libdns.RR, err error) {
			recs, err := p.GetRecords(ctx, zone)
			for _, r := range recs {
				out = append(out, r.RR())
			}
			return out, err
		})
	case Reader:
		relative := []string{"_acme-challenge"}
		for _, n := range names {
			if rel, ok := Relative(n, zone); ok && !slices.Contains(relative, rel) {
				relative = append(relative, rel)
			}
		}
		rrs, err = call(func(ctx context.Context) ([]libdns.RR, error) { return p.ReadTXT(ctx, zone, relative) })
	default:
		return z.shown(ctx, zone, names), false, nil
	}
	for _, rr := range rrs {
		name := Absolute(rr.Name, zone)
		if rr.Type == "TXT" && strings.HasPrefix(name, "_acme-challenge.") {
			values = append(values, Value{Zone: zone, Name: name, Text: rr.Data, Provider: address})
		}
	}
	return values, true, err
}

// shown is the TXT values that DNS shows at names.
func (z *Zones) shown(ctx context.Context, zone string, names []string) (out []Value) {
	servers, err := z.servers(ctx, zone)
	if err != nil {
		return nil
	}
	for _, name := range names {
		for _, s := range servers {
			texts, err := z.texts(ctx, s, name)
			if err != nil {
				continue
			}
			for _, text := range texts {
				out = append(out, Value{Zone: zone, Name: name, Text: text})
			}
			break
		}
	}
	return out
}

// Trial is how long a value took.
type Trial struct {
	Added, Seen time.Duration // at the host; at every server after that
	Servers     int           // addresses that were asked
}

// Try adds one value and waits until every server of its zone shows it, as
// Present does, and says what took how long. The caller removes it by Clean,
// also after an error.
func (z *Zones) Try(ctx context.Context, v Value) (t Trial, err error) {
	e := z.errands(ctx, []Value{v})[0]
	if e.err == nil {
		e.err = z.route(e)
	}
	if e.err != nil {
		return t, e.err
	}
	began := time.Now()
	errs := make([]error, len(e.lanes))
	batch := 0
	for i, l := range e.lanes {
		var each []error
		each, batch = l.add(ctx, l.link, nil, e.keys)
		errs[i] = distinct(each)
	}
	if t.Added = time.Since(began); distinct(errs) != nil {
		return t, distinct(errs)
	}
	began = time.Now()
	err = z.watch(e.zone, e.providers).see(ctx, strconv.Itoa(batch), e.keys)
	t.Seen = time.Since(began)
	servers, _ := z.servers(ctx, e.zone)
	t.Servers = len(servers)
	return t, err
}
