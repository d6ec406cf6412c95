package dnstest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Outcome is how a Host ends a call.
type Outcome int

const (
	Done      Outcome = iota
	Refuse            // nothing is changed, the answer is a 500
	Fail              // the change is made, the answer is a 500
	LoseReply         // the change is made, the connection breaks before the answer
	NoAnswer          // nothing is changed and the call hangs until its context ends
	Forbid            // nothing is changed, the answer is a 403
)

// Call is one call of a Host's API.
type Call struct {
	Kind     string // "zones", "records", "append", "delete" or "change"
	Zone     string // with a dot at the end
	Add, Del []libdns.RR
}

// HostConfig is what a Host is like. The zero value is quick, patient and faultless.
type HostConfig struct {
	Token       string        // bearer token that the webhook asks for; "" asks for none
	Latency     time.Duration // of each call
	Rate        float64       // calls per second; 0 = no limit. Over it calls are refused with 429
	Burst       int           // how many calls the pace forgives at once; at least 1
	RetryAfter  time.Duration // what a 429 asks for; 0 = as long as the pace needs, in whole seconds
	MaxChanges  int           // records added and removed in one call; 0 = no limit
	Propagation time.Duration // from accepting a change until the servers have it; each server's lag comes on top
	Fault       func(Call) Outcome
}

// Host is the API of a DNS host over zones of the world, as Go methods with libdns's meaning and as a webhook (Handler).
// All methods may be called concurrently; every call is atomic.
type Host struct {
	net   *Net
	zones []*Zone

	mu      sync.Mutex
	config  HostConfig
	next    []Outcome
	calls   map[string]int
	changes int
	largest int
	refused int
	full    time.Time // when the pace has forgotten everything (GCRA)
}

// HostError is a refusal as an HTTP API would give it.
type HostError struct {
	Status     int
	Message    string
	RetryAfter time.Duration // 0 = not said
}

func (e *HostError) Error() string {
	s := fmt.Sprintf("HTTP %d: %s", e.Status, e.Message)
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(" (retry after %s)", e.RetryAfter)
	}
	return s
}

// NewHost returns the API of a host that holds these zones.
func (n *Net) NewHost(c HostConfig, zones ...*Zone) *Host {
	return &Host{net: n, zones: zones, config: c, calls: map[string]int{}}
}

// Configure changes what the host is like.
func (h *Host) Configure(change func(*HostConfig)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.config)
}

// FailNext gives the next calls these outcomes, one each, before HostConfig.Fault is asked again.
func (h *Host) FailNext(outcomes ...Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = append(h.next, outcomes...)
}

// HostStats counts calls, those that were refused and failed too.
type HostStats struct {
	Calls   map[string]int // by kind
	Total   int
	Changes int // records that were asked to be added or removed by calls that were carried out
	Largest int // the most changes in one call that was carried out
	Paced   int // calls refused with 429
}

// Stats returns what has been counted so far.
func (h *Host) Stats() HostStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HostStats{Calls: map[string]int{}, Changes: h.changes, Largest: h.largest, Paced: h.refused}
	for k, v := range h.calls {
		s.Calls[k] = v
		s.Total += v
	}
	return s
}

// ListZones lists the host's zones.
func (h *Host) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	var out []libdns.Zone
	err := h.do(ctx, Call{Kind: "zones"}, func(time.Time) error {
		for _, z := range h.zones {
			out = append(out, libdns.Zone{Name: z.name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// GetRecords lists all records of a zone.
func (h *Host) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	var out []libdns.Record
	err := h.do(ctx, Call{Kind: "records", Zone: dns.CanonicalName(zone)}, func(time.Time) error {
		z, err := h.zone(zone)
		if err != nil {
			return err
		}
		for _, rr := range z.held() {
			out = append(out, fromRR(rr, z.name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// AppendRecords adds records; one that is there already stays one, without an error. It returns what it was given.
func (h *Host) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := h.change(ctx, "append", zone, rrs(recs), nil); err != nil {
		return nil, err
	}
	return parsed(rrs(recs)), nil
}

// DeleteRecords deletes records by name, type, value and TTL, of which an empty one stands for any, and returns those
// that it deleted; what is not there is no error.
func (h *Host) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	deleted, err := h.change(ctx, "delete", zone, nil, rrs(recs))
	if err != nil {
		return nil, err
	}
	return deleted, nil
}

// Change adds and deletes in one call, all or nothing.
func (h *Host) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	_, err := h.change(ctx, "change", zone, add, del)
	return err
}

func (h *Host) change(ctx context.Context, kind, zone string, adds, dels []libdns.RR) (deleted []libdns.Record, err error) {
	err = h.do(ctx, Call{kind, dns.CanonicalName(zone), adds, dels}, func(publish time.Time) error {
		z, err := h.zone(zone)
		if err != nil {
			return err
		}
		z.net.mu.Lock()
		defer z.net.mu.Unlock()
		var changes []change
		for _, r := range dels {
			for _, rr := range z.matching(r) {
				changes = append(changes, change{remove, rr})
				deleted = append(deleted, fromRR(rr, z.name))
			}
		}
		for _, r := range adds {
			rr, err := toRR(r, z.name)
			if err != nil {
				return &HostError{Status: 400, Message: err.Error()}
			}
			name := dns.CanonicalName(rr.Header().Name)
			if nd := z.nodes[name]; nd != nil && nd.clashes(rr.Header().Rrtype) {
				return &HostError{Status: 400, Message: fmt.Sprintf("%s: a CNAME cannot have other records beside it", name)}
			}
			changes = append(changes, change{add, rr})
		}
		z.applyLocked(changes, publish)
		return nil
	})
	return deleted, err
}

// do counts, paces and delays a call, carries it out, and ends it as the faults say.
func (h *Host) do(ctx context.Context, call Call, work func(publish time.Time) error) error {
	h.mu.Lock()
	h.calls[call.Kind]++
	c := h.config
	wait := h.pace()
	if wait > 0 {
		h.refused++
	}
	outcome := Done
	fault := c.Fault
	if wait == 0 && len(h.next) > 0 {
		outcome, h.next, fault = h.next[0], h.next[1:], nil
	}
	h.mu.Unlock()
	if outcome == Done && fault != nil && wait == 0 {
		outcome = fault(call)
	}
	if !h.net.sleep(ctx, c.Latency) {
		return ended(ctx)
	}
	size := len(call.Add) + len(call.Del)
	switch {
	case wait > 0:
		return &HostError{Status: 429, Message: "too many requests", RetryAfter: wait}
	case outcome == NoAnswer:
		select {
		case <-ctx.Done():
		case <-h.net.done:
		}
		return ended(ctx)
	case outcome == Refuse:
		return &HostError{Status: 500, Message: "internal error"}
	case outcome == Forbid:
		return &HostError{Status: 403, Message: "not allowed"}
	case c.MaxChanges > 0 && size > c.MaxChanges:
		return &HostError{Status: 400, Message: fmt.Sprintf("%d changes in one call, at most %d are allowed", size, c.MaxChanges)}
	}
	if err := work(time.Now().Add(c.Propagation)); err != nil {
		return err
	}
	h.mu.Lock()
	h.changes += size
	h.largest = max(h.largest, size)
	h.mu.Unlock()
	switch outcome {
	case Fail:
		return &HostError{Status: 500, Message: "internal error"}
	case LoseReply:
		return fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF)
	}
	return nil
}

func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return io.ErrClosedPipe
}

// pace takes one call from the budget, or says how long to wait; mu is held.
func (h *Host) pace() time.Duration {
	c := h.config
	if c.Rate <= 0 {
		return 0
	}
	each := time.Duration(float64(time.Second) / c.Rate)
	now := time.Now()
	if h.full.Before(now) {
		h.full = now
	}
	over := h.full.Add(each).Sub(now) - each*time.Duration(max(1, c.Burst))
	if over <= 0 {
		h.full = h.full.Add(each)
		return 0
	}
	if c.RetryAfter > 0 {
		return c.RetryAfter
	}
	return (over + time.Second - 1).Truncate(time.Second)
}

func (h *Host) zone(name string) (*Zone, error) {
	name = dns.CanonicalName(name)
	for _, z := range h.zones {
		if z.name == name {
			return z, nil
		}
	}
	return nil, &HostError{Status: 404, Message: fmt.Sprintf("no zone %q", strings.TrimSuffix(name, "."))}
}

// matching returns what the primary holds that the record means; net.mu is held.
func (z *Zone) matching(r libdns.RR) []dns.RR {
	typ := dns.TypeANY
	if r.Type != "" {
		typ = dns.StringToType[strings.ToUpper(r.Type)]
	}
	var out []dns.RR
	for _, rr := range z.live(absolute(r.Name, z.name), typ) {
		have := fromRR(rr, z.name).RR()
		if r.TTL != 0 && r.TTL.Truncate(time.Second) != have.TTL {
			continue
		}
		if r.Data == "" || r.Data == have.Data {
			out = append(out, rr)
			continue
		}
		r.Type = have.Type
		if want, err := toRR(r, z.name); err == nil && same(want, rr) {
			out = append(out, rr)
		}
	}
	return out
}

func absolute(name, zone string) string {
	return dns.CanonicalName(libdns.AbsoluteName(name, dns.Fqdn(zone)))
}

func toRR(r libdns.RR, zone string) (dns.RR, error) {
	name := absolute(r.Name, zone)
	if !dns.IsSubDomain(zone, name) {
		return nil, fmt.Errorf("%s is not in zone %s", name, zone)
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, fmt.Errorf("%q is no domain name", name)
	}
	ttl := uint32(r.TTL / time.Second)
	if strings.EqualFold(r.Type, "TXT") {
		return txtRR(name, ttl, r.Data), nil
	}
	if r.Type == "" || r.Data == "" {
		return nil, fmt.Errorf("record at %s without type or value", name)
	}
	rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, ttl, strings.ToUpper(r.Type), r.Data))
	if err != nil {
		return nil, fmt.Errorf("record at %s: %w", name, err)
	}
	return rr, nil
}

// fromRR returns the record as libdns has it: relative to the zone, typed where libdns knows the type.
func fromRR(rr dns.RR, zone string) libdns.Record {
	h := rr.Header()
	out := libdns.RR{
		Name: libdns.RelativeName(h.Name, zone),
		TTL:  time.Duration(h.Ttl) * time.Second,
		Type: dns.TypeToString[h.Rrtype],
		Data: strings.TrimPrefix(rr.String(), h.String()),
	}
	if t, ok := rr.(*dns.TXT); ok {
		out.Data = txtValue(t)
	}
	if rec, err := out.Parse(); err == nil {
		return rec
	}
	return out
}

func rrs(recs []libdns.Record) []libdns.RR {
	out := make([]libdns.RR, len(recs))
	for i, r := range recs {
		out[i] = r.RR()
	}
	return out
}

func parsed(recs []libdns.RR) []libdns.Record {
	out := make([]libdns.Record, len(recs))
	for i, r := range recs {
		out[i] = r
		if p, err := r.Parse(); err == nil {
			out[i] = p
		}
	}
	return slices.Clip(out)
}
