package cloudflare

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

	"github.com/certform/certform/providers"
)

type record struct {
	ID      string `json:"id,omitempty"`
	Type    string `json:"type"`
	Name    string `json:"name"`
	Content string `json:"content"`
	TTL     int    `json:"ttl"`
}

func (r record) value() value {
	return value{strings.TrimSuffix(dns.CanonicalName(r.Name), "."), unquoted(r.Content)}
}

type reference struct {
	ID string `json:"id"`
}

type batch struct {
	Deletes []reference `json:"deletes,omitempty"`
	Posts   []record    `json:"posts,omitempty"`
}

// fewNames is how many names are looked up one by one before all TXT records of
// the zone are the lesser evil.
const fewNames = 4

// read is the ids of the TXT records at names (without trailing dot).
func (p *provider) read(ctx context.Context, id string, names map[string]bool) (map[value]string, error) {
	path := "/zones/" + url.PathEscape(id) + "/dns_records"
	queries := []url.Values{{"type": {"TXT"}}}
	if len(names) <= fewNames {
		queries = nil
		for name := range names {
			queries = append(queries, url.Values{"type": {"TXT"}, "name.exact": {name}})
		}
	}
	out := map[value]string{}
	for _, q := range queries {
		found, err := all[record](ctx, p.records, path, q, 500)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		for _, r := range found {
			if v := r.value(); r.Type == "TXT" && names[v.name] {
				out[v] = r.ID
			}
		}
	}
	return out, nil
}

func values(rrs []libdns.RR, zone string) (out []value) {
	seen := map[value]bool{}
	for _, rr := range rrs {
		v := value{strings.TrimSuffix(providers.Absolute(rr.Name, zone), "."), rr.Data}
		if !seen[v] {
			out = append(out, v)
		}
		seen[v] = true
	}
	return out
}

// Change makes additions and removals in as few batches as the zone's plan
// allows, each of which is made as a whole or not at all.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	adds, dels := values(add, zone), values(del, zone)
	for try := 1; ; try++ {
		h, err := p.zone(ctx, zone)
		if err != nil {
			return err
		}
		err = p.change(ctx, h, adds, dels, ttl(add))
		if !troubleOf(err).has(codeNoZone) || try == 2 {
			return err
		}
		p.forget(zone)
	}
}

// change looks up the ids that are not known first. If the host says that
// something is there already, or is not there any more, the names are read and
// what is left to do is done.
func (p *provider) change(ctx context.Context, h held, adds, dels []value, ttl int) (err error) {
	names := map[string]bool{}
	for _, v := range slices.Concat(adds, dels) {
		names[v.name] = true
	}
	var have map[value]string // nil: not read
	if slices.ContainsFunc(dels, func(v value) bool { return p.id(h.id, v) == "" }) {
		if have, err = p.read(ctx, h.id, names); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		var b batch
		for _, v := range dels {
			ref := p.id(h.id, v)
			if have != nil {
				ref = have[v]
			}
			if ref != "" {
				b.Deletes = append(b.Deletes, reference{ref})
			}
		}
		for _, v := range adds {
			if have[v] == "" {
				b.Posts = append(b.Posts, record{Type: "TXT", Name: v.name, Content: quoted(v.text), TTL: ttl})
			}
		}
		err := p.send(ctx, h, b)
		p.learn(h.id, nil, dels) // they are gone, or whatever is known of them may be wrong
		if err == nil {
			return nil
		}
		said := troubleOf(err)
		switch {
		case said.has(codeExists, codeIdentical) && len(b.Posts) == 1 && len(b.Deletes) == 0:
			return nil // it is there: that is what was asked for
		case !said.has(codeExists, codeIdentical, codeGone) || try == 2:
			return err
		}
		if have, err = p.read(ctx, h.id, names); err != nil {
			return err
		}
	}
}

// send makes a batch, in parts where it is larger than the plan allows. What
// was made before a part failed stays, and is found when the change is repeated.
func (p *provider) send(ctx context.Context, h held, b batch) error {
	for len(b.Deletes)+len(b.Posts) > 0 {
		var part batch
		n := min(h.most, len(b.Deletes))
		part.Deletes, b.Deletes = b.Deletes[:n], b.Deletes[n:]
		n = min(h.most-n, len(b.Posts))
		part.Posts, b.Posts = b.Posts[:n], b.Posts[n:]
		done, err := do[batchResult](ctx, p.records, http.MethodPost, "/zones/"+url.PathEscape(h.id)+"/dns_records/batch", part)
		if err != nil {
			return err
		}
		p.learn(h.id, done.Result.Posts, nil)
	}
	return nil
}

type batchResult struct {
	Posts []record `json:"posts"`
}

func ttl(rrs []libdns.RR) int {
	least := time.Hour
	for _, rr := range rrs {
		least = min(least, rr.TTL)
	}
	return max(60, int(least/time.Second))
}

// id is the record id of a value, if it is known.
func (p *provider) id(zone string, v value) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[zone][v]
}

// learn keeps the ids of new records and forgets those of removed ones.
func (p *provider) learn(zone string, posts []record, gone []value) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[zone] == nil {
		p.known[zone] = map[value]string{}
	}
	for _, v := range gone {
		delete(p.known[zone], v)
	}
	for _, r := range posts {
		if r.ID != "" {
			p.known[zone][r.value()] = r.ID
		}
	}
}

// ReadTXT reads the values at names.
func (p *provider) ReadTXT(ctx context.Context, zone string, names []string) (out []libdns.RR, err error) {
	h, err := p.zone(ctx, zone)
	if err != nil {
		return nil, err
	}
	full := map[string]bool{}
	for _, n := range names {
		full[strings.TrimSuffix(providers.Absolute(n, zone), ".")] = true
	}
	found, err := p.read(ctx, h.id, full)
	if troubleOf(err).has(codeNoZone) {
		p.forget(zone)
	}
	if err != nil {
		return nil, err
	}
	for v := range found {
		rel, _ := providers.Relative(v.name, zone)
		out = append(out, libdns.RR{Name: rel, Type: "TXT", Data: v.text})
	}
	return out, nil
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}

func decode(body []byte) (t trouble, err error) {
	err = json.Unmarshal(body, &t)
	return t, err
}

// quoted is a TXT value as Cloudflare wants it: quoted strings of 255 octets.
func quoted(text string) string {
	t := providers.TXT(".", 0, text)
	return strings.TrimPrefix(t.String(), t.Hdr.String())
}

// unquoted is the value of what Cloudflare returns; what was once given without
// quotes comes back without.
func unquoted(content string) string {
	if !strings.HasPrefix(content, `"`) {
		return content
	}
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
