package googleclouddns

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// record is a resourceRecordSet.
type record struct {
	Name   string          `json:"name"`
	Type   string          `json:"type"`
	TTL    int64           `json:"ttl"`
	Data   []string        `json:"rrdatas,omitempty"`
	Policy json.RawMessage `json:"routingPolicy,omitempty"`
}

// set is the TXT records of a name; values are as the service has them, quoted.
type set struct {
	ttl    int64
	values []string
}

// What one change may hold (cloud.google.com/dns/quotas).
const (
	mostSets  = 1000 // of additions, and of deletions
	mostBytes = 90_000
)

// Change replaces each set as it was last seen. If the service then says that
// a set is not as it was seen, somebody else was there: the sets are read and
// the change is made on what they are now.
//
// What was not seen yet is taken for empty where something is added: most
// challenges are at names of their own, and the service says if this one is
// not. What would be left as it is has to be looked at.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	id, err := p.zone(ctx, zone)
	if err != nil {
		return err
	}
	edits := providers.Edits(zone, add, del)
	old, unsure := p.guess(id, edits)
	if len(unsure) > 0 {
		seen, err := p.read(ctx, id, unsure)
		if err != nil {
			return err
		}
		for _, n := range unsure {
			old[n] = seen[n]
		}
	}
	for try := 1; ; try++ {
		err := p.replace(ctx, id, edits, old)
		if err == nil || !changed(err) {
			return p.gone(id, err)
		}
		if try == 5 {
			return world.Hint(err, "somebody else changes the same records all the time")
		}
		if old, err = p.read(ctx, id, providers.Names(edits)); err != nil {
			return err
		}
	}
}

// guess is the sets as they most probably are, and the names at which that is
// not enough.
func (p *provider) guess(id string, edits []providers.Edit) (old map[string]set, unsure []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = map[string]set{}
	for _, e := range edits {
		s, ok := p.known[id][e.Name]
		old[e.Name] = s
		if next := merge(s, e); slices.Equal(next.values, s.values) || !ok && len(e.Del) > 0 {
			unsure = append(unsure, e.Name)
		}
	}
	return old, unsure
}

// changed reports whether the service refused a change because a set is not as
// we thought.
func changed(err error) bool {
	s, t := troubleOf(err)
	switch {
	case s == nil:
		return false
	case s.Code == http.StatusConflict || s.Code == http.StatusPreconditionFailed:
		return true
	}
	// A set to be deleted that is not there is "not found", as a zone is.
	return s.Code == http.StatusNotFound && strings.Contains(t.Error.Message, "entity.change.")
}

type change struct {
	Additions []record `json:"additions,omitempty"`
	Deletions []record `json:"deletions,omitempty"`
}

// replace makes the change in as few requests as the limits allow.
func (p *provider) replace(ctx context.Context, id string, edits []providers.Edit, old map[string]set) error {
	var now change
	var names []string
	next := map[string]set{}
	bytes := 0
	send := func() error {
		if len(names) == 0 {
			return nil
		}
		path := "/managedZones/" + url.PathEscape(id) + "/changes"
		err := p.do(ctx, "dns.changes.create", http.MethodPost, path, now, nil)
		if err != nil {
			return fmt.Errorf("change records: %w", err)
		}
		p.keep(id, names, next)
		now, names, bytes = change{}, nil, 0
		return nil
	}
	for _, e := range edits {
		was := old[e.Name]
		to := merge(was, e)
		if slices.Equal(was.values, to.values) {
			continue
		}
		size := len(strings.Join(was.values, "")) + len(strings.Join(to.values, ""))
		if len(names) > 0 && (bytes+size > mostBytes || len(names) == mostSets) {
			if err := send(); err != nil {
				return err
			}
		}
		if len(was.values) > 0 {
			now.Deletions = append(now.Deletions, was.record(e.Name))
		}
		if len(to.values) > 0 {
			now.Additions = append(now.Additions, to.record(e.Name))
		}
		names, bytes = append(names, e.Name), bytes+size
		next[e.Name] = to
	}
	return send()
}

// merge is a set with its additions and without its removals.
func merge(old set, e providers.Edit) set {
	next := set{ttl: old.ttl, values: slices.Clone(old.values)}
	for _, rr := range e.Del {
		next.values = slices.DeleteFunc(next.values, func(v string) bool { return unquoted(v) == rr.Data })
	}
	for _, rr := range e.Add {
		if slices.ContainsFunc(next.values, func(v string) bool { return unquoted(v) == rr.Data }) {
			continue
		}
		next.values = append(next.values, quoted(rr.Data))
		if next.ttl == 0 {
			next.ttl = int64(rr.TTL / time.Second)
		}
	}
	return next
}

func (s set) record(name string) record {
	return record{Name: name, Type: "TXT", TTL: s.ttl, Data: s.values}
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}

func decode(body []byte) (t trouble) {
	if json.Unmarshal(body, &t) != nil {
		return trouble{}
	}
	return t
}

// quoted is a TXT value as it stands in a zone file: quoted strings of 255
// octets.
func quoted(text string) string {
	t := providers.TXT(".", 0, text)
	return strings.TrimPrefix(t.String(), t.Hdr.String())
}

// unquoted is the value of what the service returns; a word without quotes is
// one string too.
func unquoted(content string) string {
	rr, err := dns.NewRR(". IN TXT " + content)
	if err != nil {
		return content
	}
	t, ok := rr.(*dns.TXT)
	if !ok {
		return content
	}
	return providers.Text(t)
}
