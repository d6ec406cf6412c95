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
func (p *provider) read(ctx context.Context, id string, names []string) (map[value]string, error) {
	path := "/zones/" + url.PathEscape(id) + "/dns_records"
	queries := []url.Values{{"type": {"TXT"}}}
	if len(names) <= fewNames {
		queries = nil
		for _, name := range names {
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
			if v := r.value(); r.Type == "TXT" && slices.Contains(names, v.name) {
				out[v] = r.ID
			}
		}
	}
	return out, nil
}

func values(rrs []libdns.RR, zone string) (out []value) {
	for _, rr := range rrs {
		v := value{strings.TrimSuffix(providers.Absolute(rr.Name, zone), "."), rr.Data}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Change makes additions and removals in one batch. Ids that are not known are
// looked up first; if the host then says that something is there already, or is
// not there any more, the names are read and what is left to do is done.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	id, err := p.zoneID(ctx, zone)
	if err != nil {
		return err
	}
	adds, dels := values(add, zone), values(del, zone)
	var names []string
	for _, v := range slices.Concat(adds, dels) {
		if !slices.Contains(names, v.name) {
			names = append(names, v.name)
		}
	}
	var have map[value]string // nil: not read
	if slices.ContainsFunc(dels, func(v value) bool { return p.id(id, v) == "" }) {
		if have, err = p.read(ctx, id, names); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		var b batch
		for _, v := range dels {
			ref := p.id(id, v)
			if have != nil {
				ref = have[v]
			}
			if ref != "" {
				b.Deletes = append(b.Deletes, reference{ref})
			}
		}
		for _, v := range adds {
			if have[v] == "" {
				b.Posts = append(b.Posts, record{Type: "TXT", Name: v.name, Content: quoted(v.text), TTL: ttl(add)})
			}
		}
		if len(b.Deletes)+len(b.Posts) == 0 {
			return nil
		}
		done, err := do[batchResult](ctx, p.records, http.MethodPost, "/zones/"+url.PathEscape(id)+"/dns_records/batch", b)
		if err == nil {
			p.learn(id, done.Result.Posts, dels)
			return nil
		}
		p.learn(id, nil, dels) // whatever is known of them may be wrong
		said := troubleOf(err)
		switch {
		case said.has(codeExists, codeIdentical) && len(b.Posts) == 1 && len(b.Deletes) == 0:
			return nil // it is there: that is what was asked for
		case !said.has(codeExists, codeIdentical, codeGone) || try == 2:
			return err
		}
		if have, err = p.read(ctx, id, names); err != nil {
			return err
		}
	}
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
	id, err := p.zoneID(ctx, zone)
	if err != nil {
		return nil, err
	}
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = strings.TrimSuffix(providers.Absolute(n, zone), ".")
	}
	found, err := p.read(ctx, id, full)
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
