// Package powerdns changes zones through the HTTP API of PowerDNS.
//
// A batch is one PATCH, in one transaction of the server. From 4.9.12 and 5.0.2
// on the API adds and removes single values (EXTEND, PRUNE), so that what
// somebody else adds meanwhile stays. An older one replaces whole sets: those
// concerned, and only those, are read, written back, and read again to see that
// nobody overwrote ours; what somebody else adds between our reading and our
// writing is lost there.
package powerdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

const example = `dns "powerdns" "main" {
  server_url = "https://ns1.example.com:8081"
  api_token  = secret("env:POWERDNS_API_KEY")
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name: "powerdns",
		Doc: "PowerDNS Authoritative Server, by its HTTP API. From 4.9.12 and 5.0.2 on single values are added and removed. An older server can only replace all values at a name: " +
			"what another program adds there between certform's reading and its writing, some milliseconds, is lost. Where others write TXT values at the same names, take a newer server, dns \"rfc2136\", or a delegation.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks: providers.Quirks{Replaces: true, Batch: 500,
			Source: "doc.powerdns.com/authoritative/http-api/zone.html: changetype REPLACE (EXTEND and PRUNE from 4.9.12 and 5.0.2 on), one PATCH takes many sets"},
		Proven: []providers.Proof{{Level: providers.Real, By: []string{"PowerDNS"}}},
	}
}

// Spec is a block dns "powerdns".
type Spec struct {
	ServerURL string       `arg:"server_url,required" doc:"Where the API is: https://ns1.example.com:8081."`
	ServerID  string       `arg:"server_id" default:"localhost" doc:"The server's id in its API."`
	APIToken  block.Secret `arg:"api_token,required" doc:"The API key."`
	Debug     string       `arg:"debug" doc:"Not used: it would print the API key. Accepted for configurations that have it."`
	CAFile    string       `arg:"ca_file" doc:"A PEM file of the roots that vouch for the API, instead of the system's."`
}

// Rebase makes ca_file absolute.
func (s *Spec) Rebase(dir string) { s.CAFile = providers.Rebased(dir, s.CAFile) }

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if u, err := url.Parse(s.ServerURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		out = append(out, block.Problem{Argument: "server_url", Summary: "Not a URL",
			Detail: "The server_url of PowerDNS begins with https:// or http:// and names a host, as in https://ns1.example.com:8081."})
	} else if u.User != nil {
		out = append(out, block.Problem{Argument: "server_url", Summary: "Password in a URL",
			Detail: `A URL is shown in plans and errors. Give the key as api_token = secret("env:NAME").`})
	}
	return out
}

func (s *Spec) base() string {
	return strings.TrimSuffix(strings.TrimSuffix(s.ServerURL, "/"), "/api/v1")
}

// Account is the server.
func (s *Spec) Account() string { return s.base() + " " + s.ServerID }

// Open connects; nothing is asked yet.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	token, err := w.Resolve(ctx, s.APIToken.Ref())
	if err != nil {
		return nil, err
	}
	client, err := w.Client(world.HTTP{CAFile: s.CAFile, Timeout: 45 * time.Second})
	if err != nil {
		return nil, err
	}
	id := s.ServerID
	if id == "" {
		id = "localhost"
	}
	return &provider{c: &rest.Client{
		HTTP: client, Base: s.base() + "/api/v1/servers/" + url.PathEscape(id),
		Header: map[string]string{"X-API-Key": token}, Say: said,
	}}, nil
}

func said(body []byte) string {
	var e struct {
		Error  string   `json:"error"`
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &e) != nil {
		return ""
	}
	return strings.Join(append([]string{e.Error}, e.Errors...), "; ")
}

// do makes a request. The one credential of the API may do everything, so a
// refusal is about the key itself, or about who asks.
func (p *provider) do(ctx context.Context, method, path string, in, out any) error {
	err := p.c.Do(ctx, method, path, in, out)
	var s *rest.Status
	if errors.As(err, &s) && (s.Code == http.StatusUnauthorized || s.Code == http.StatusForbidden) {
		return world.Hint(err, "api_token is not the api-key of this server's configuration, or webserver-allow-from there does not let this machine in")
	}
	return err
}

type provider struct {
	c *rest.Client

	mu       sync.Mutex
	whole    bool // the server is too old to give single sets (before 4.8)
	replaces bool // it is too old to change single values (before 4.9.12 and 5.0.2)
}

type zone struct {
	Name   string `json:"name"`
	RRsets []set  `json:"rrsets"`
}

type set struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	TTL        int      `json:"ttl,omitempty"`
	ChangeType string   `json:"changetype,omitempty"`
	Records    []record `json:"records"`
}

type record struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

// fewNames is how many sets are read one by one, where the server can do that,
// before the whole zone is the lesser evil.
const fewNames = 20

// sets reads the TXT sets at names, which are canonical.
func (p *provider) sets(ctx context.Context, zoneName string, names []string) (map[string]set, error) {
	out := map[string]set{}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	path := "/zones/" + url.PathEscape(dns.CanonicalName(zoneName))
	read := func(query string) (only bool, err error) {
		var z zone
		if err := p.do(ctx, http.MethodGet, path+query, nil, &z); err != nil {
			return false, err
		}
		only = true
		for _, s := range z.RRsets {
			name := dns.CanonicalName(s.Name)
			if s.Type == "TXT" && wanted[name] {
				out[name] = s
			} else {
				only = false
			}
		}
		return only, nil
	}
	p.mu.Lock()
	whole := p.whole || len(names) > fewNames
	p.mu.Unlock()
	if whole {
		_, err := read("")
		return out, err
	}
	for _, name := range names {
		only, err := read("?" + url.Values{"rrset_name": {name}, "rrset_type": {"TXT"}}.Encode())
		if err != nil {
			return nil, err
		}
		if !only {
			// An old server takes no notice of the question and gives the zone.
			p.mu.Lock()
			p.whole = true
			p.mu.Unlock()
			break
		}
	}
	return out, nil
}

var errChanged = errors.New("somebody else changed the same records at the same time")

// Change makes all additions and removals in one PATCH.
func (p *provider) Change(ctx context.Context, zoneName string, add, del []libdns.RR) error {
	edits := providers.Edits(zoneName, add, del)
	names := providers.Names(edits)
	for try := 1; ; try++ {
		have, err := p.sets(ctx, zoneName, names)
		if err != nil {
			return err
		}
		p.mu.Lock()
		replaces := p.replaces
		p.mu.Unlock()
		var patch struct {
			RRsets []set `json:"rrsets"`
		}
		for _, e := range edits {
			patch.RRsets = append(patch.RRsets, changes(e, have[e.Name], replaces)...)
		}
		if len(patch.RRsets) == 0 {
			return nil
		}
		err = p.do(ctx, http.MethodPatch, "/zones/"+url.PathEscape(dns.CanonicalName(zoneName)), patch, nil)
		var s *rest.Status
		switch {
		case err == nil:
			return p.verify(ctx, zoneName, edits)
		case replaces || try == 4 || !errors.As(err, &s) || s.Code != http.StatusUnprocessableEntity:
			return err
		case strings.Contains(strings.ToLower(s.Said), "changetype"):
			// "Changetype not understood", "... is not a valid value".
			p.mu.Lock()
			p.replaces = true
			p.mu.Unlock()
		}
		// Else the set may have got another TTL meanwhile, which all of its
		// records must have.
	}
}

// verify reads again what was changed.
func (p *provider) verify(ctx context.Context, zoneName string, edits []providers.Edit) error {
	now, err := p.sets(ctx, zoneName, providers.Names(edits))
	if err != nil {
		return fmt.Errorf("see whether all is there: %w", err)
	}
	for _, e := range edits {
		if _, changed := merge(e, now[e.Name]); changed {
			return errChanged // the broker repeats the call
		}
	}
	return nil
}

// changes is what makes an edit of a set: its values one by one, or the whole
// set where the server can do no better. A set with disabled records is such a
// one: to change a value in it the server reads it without them, and so would
// not write them back (pdns/ws-auth.cc, applyPruneOrExtend).
func changes(e providers.Edit, s set, replaces bool) (out []set) {
	merged, changed := merge(e, s)
	if !changed {
		return nil
	}
	if replaces || slices.ContainsFunc(s.Records, func(r record) bool { return r.Disabled }) {
		return []set{merged}
	}
	single := func(how string, from, without []record) {
		for _, r := range from {
			if !slices.Contains(without, r) {
				out = append(out, set{Name: e.Name, Type: "TXT", TTL: merged.TTL, ChangeType: how, Records: []record{r}})
			}
		}
	}
	single("PRUNE", s.Records, merged.Records)
	single("EXTEND", merged.Records, s.Records)
	return out
}

// merge is a set with its additions and without its removals.
func merge(e providers.Edit, s set) (merged set, changed bool) {
	merged = set{Name: e.Name, Type: "TXT", TTL: s.TTL, Records: slices.Clone(s.Records)}
	at := func(text string) int {
		return slices.IndexFunc(merged.Records, func(r record) bool { return !r.Disabled && text == unquoted(r.Content) })
	}
	for _, rr := range e.Del {
		if i := at(rr.Data); i >= 0 {
			merged.Records, changed = slices.Delete(merged.Records, i, i+1), true
		}
	}
	for _, rr := range e.Add {
		if at(rr.Data) >= 0 {
			continue
		}
		merged.Records, changed = append(merged.Records, record{Content: quoted(rr.Data)}), true
		if merged.TTL == 0 {
			merged.TTL = int(rr.TTL / time.Second)
		}
	}
	merged.ChangeType = "REPLACE"
	if len(merged.Records) == 0 {
		merged.ChangeType, merged.Records = "DELETE", []record{}
	}
	return merged, changed
}

// quoted and unquoted are a value as it stands in a zone file, and back.
func quoted(text string) string {
	t := providers.TXT(".", 0, text)
	return strings.TrimPrefix(t.String(), t.Hdr.String())
}

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

// ReadTXT reads the values at names.
func (p *provider) ReadTXT(ctx context.Context, zoneName string, names []string) (out []libdns.RR, err error) {
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = providers.Absolute(n, zoneName)
	}
	have, err := p.sets(ctx, zoneName, full)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		s := have[full[i]]
		for _, r := range s.Records {
			if !r.Disabled {
				out = append(out, libdns.RR{Name: n, Type: "TXT", Data: unquoted(r.Content), TTL: time.Duration(s.TTL) * time.Second})
			}
		}
	}
	return out, nil
}

// ListZones lists the zones of the server.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	var zones []zone
	if err := p.do(ctx, http.MethodGet, "/zones", nil, &zones); err != nil {
		return nil, err
	}
	out := make([]libdns.Zone, len(zones))
	for i, z := range zones {
		out[i] = libdns.Zone{Name: dns.CanonicalName(z.Name)}
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
