// Package webhook reaches DNS hosts that nobody supports, by a small protocol
// over HTTP that a user implements in front of them:
//
//	GET  URL/zones                 ["example.com", ...]
//	GET  URL/zones/ZONE/records    [{"name", "type", "value", "ttl"}, ...]
//	POST URL/zones/ZONE/changes    {"changes": [{"op": "add" or "delete", "name", "type", "value", "ttl"}, ...]}
//
// Names are fully qualified, values of TXT records plain text. 2xx means
// accepted, 429 and 503 with Retry-After that the same should be sent again
// later, another 4xx that it is refused. Adding what is there and deleting what
// is not are to be accepted.
package webhook

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/certform/certform/providers/wire"
	"github.com/libdns/libdns"
)

const example = `dns "webhook" "main" {
  url   = "https://dns-hook.example.com/v1"
  token = secret("env:DNS_HOOK_TOKEN")
}
`

// protocol is what a user has to write something for.
const protocol = "The hook of `webhook` answers `GET URL/zones` with `[\"example.com\", ...]`, `GET URL/zones/ZONE/records` with `[{\"name\", \"type\", \"value\", \"ttl\"}, " +
	"...]`, and takes `POST URL/zones/ZONE/changes` with `{\"changes\": [{\"op\": \"add\" or \"delete\", \"name\", \"type\", \"value\", \"ttl\"}, ...]}`. Names are fully " +
	"qualified, values plain text. 2xx means accepted, 429 and 503 with Retry-After that the same is to be sent again later."

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "webhook",
		Doc:     "Any DNS host, by a small HTTP protocol that you put in front of it.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		// What a hook stands before is not known. Many hosts take five calls a
		// second and count each of them, and a call too many costs a second or
		// more of Retry-After; batches make few calls, so less than five,
		// evenly, costs next to nothing.
		Quirks:  providers.Quirks{Batch: 500, PerSecond: 4.5, Burst: 1, Source: "the protocol is ours; max_changes says less"},
		Special: protocol,
		Proven:  []providers.Proof{{Level: providers.Scripted}},
	}
}

// Spec is a block dns "webhook".
type Spec struct {
	URL        string       `arg:"url,required" doc:"Where the hook is; /zones and so on are appended."`
	Token      block.Secret `arg:"token" doc:"Sent as a bearer token."`
	MaxChanges int          `arg:"max_changes" default:"500" doc:"The most changes in one call."`
	CAFile     string       `arg:"ca_file" doc:"A PEM file of the roots that vouch for the hook, instead of the system's."`
}

// Rebase makes ca_file absolute.
func (s *Spec) Rebase(dir string) { s.CAFile = providers.Rebased(dir, s.CAFile) }

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		out = append(out, block.Problem{Argument: "url", Summary: "Not a URL",
			Detail: "The url of a webhook begins with https:// or http:// and names a host."})
	} else if u.User != nil {
		out = append(out, block.Problem{Argument: "url", Summary: "Password in a URL",
			Detail: `A URL is shown in plans and errors. Give the credential as token = secret("env:NAME").`})
	} else if u.RawQuery != "" || u.Fragment != "" {
		out = append(out, block.Problem{Argument: "url", Summary: "Query in a URL",
			Detail: `The paths of the protocol are added to the url, so it has no ? and no #. Give a credential as token = secret("env:NAME").`})
	}
	if s.MaxChanges < 1 {
		out = append(out, block.Problem{Argument: "max_changes", Summary: "No change at all",
			Detail: "max_changes is at least 1; its default is 500."})
	}
	return out
}

// Account is the hook itself.
func (s *Spec) Account() string { return strings.TrimSuffix(s.URL, "/") + " " + s.Token.Ref() }

// Batch is max_changes: the user knows the hook.
func (s *Spec) Batch() int { return s.MaxChanges }

// Open connects; nothing is asked yet.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	client, err := w.Client(world.HTTP{CAFile: s.CAFile, Timeout: 45 * time.Second})
	if err != nil {
		return nil, err
	}
	p := &provider{c: &rest.Client{HTTP: client, Base: s.URL, Header: map[string]string{}}, most: max(1, s.MaxChanges)}
	if !s.Token.Zero() {
		token, err := w.Resolve(ctx, s.Token.Ref())
		if err != nil {
			return nil, err
		}
		p.c.Header["Authorization"] = "Bearer " + token
	}
	return p, nil
}

type provider struct {
	c    *rest.Client
	most int
}

func path(zone, what string) string {
	return "/zones/" + url.PathEscape(strings.TrimSuffix(zone, ".")) + "/" + what
}

// Change makes additions and removals in one call, or in as few as max_changes
// allows.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	for part := range slices.Chunk(wire.Changes(zone, add, del), p.most) {
		body := struct {
			Changes []wire.Change `json:"changes"`
		}{part}
		if err := p.c.Do(ctx, http.MethodPost, path(zone, "changes"), body, nil); err != nil {
			return err
		}
	}
	return nil
}

// GetRecords lists the zone.
func (p *provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	var all []wire.Record
	if err := p.c.Do(ctx, http.MethodGet, path(zone, "records"), nil, &all); err != nil {
		return nil, err
	}
	return wire.Records(zone, all), nil
}

// ListZones lists the zones that the hook serves.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	var names []string
	if err := p.c.Do(ctx, http.MethodGet, "/zones", nil, &names); err != nil {
		return nil, err
	}
	return wire.Zones(names), nil
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}
