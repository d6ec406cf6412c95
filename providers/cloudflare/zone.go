package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

type provider struct {
	records, zones *rest.Client

	mu    sync.Mutex
	held  map[string]held             // by zone
	known map[string]map[value]string // record id by zone id and value
}

// value is one TXT value, name without trailing dot.
type value struct{ name, text string }

// envelope is around every answer.
type envelope[T any] struct {
	trouble
	Result     T `json:"result"`
	ResultInfo struct {
		Page       int `json:"page"`
		PerPage    int `json:"per_page"`
		Count      int `json:"count"`
		TotalCount int `json:"total_count"`
		TotalPages int `json:"total_pages"`
	} `json:"result_info"`
}

// do makes a request and takes the envelope off. An answer that says success
// is false is an error whatever its status.
func do[T any](ctx context.Context, c *rest.Client, method, path string, in any) (envelope[T], error) {
	var out envelope[T]
	err := c.Do(ctx, method, path, in, &out)
	if err == nil && !out.Success {
		shown, _, _ := strings.Cut(path, "?")
		err = fmt.Errorf("%s %s: %w", method, shown, errors.Join(errors.New(out.trouble.String()), providers.ErrRefused))
	}
	if err != nil {
		t := troubleOf(err)
		switch {
		case t.has(codeForbidden) || out.has(codeForbidden):
			right, token := "Zone.DNS:Edit (permission group DNS Write)", "api_token"
			if strings.HasPrefix(path, "/zones?") {
				right, token = "Zone.Zone:Read (permission group Zone Read)", "api_token, or the zone_token,"
			}
			err = rest.Lacking(err, right, "give the "+token+" that right for this zone; a token that was rolled or removed is refused in the same way")
		case t.has(codesOfToken...) || out.has(codesOfToken...):
			err = world.Never(world.Hint(err, "the API token is wrong or has expired; it needs Zone.DNS:Edit and Zone.Zone:Read for this zone"))
		}
	}
	return out, err
}

// troubleOf is what the host said in an error.
func troubleOf(err error) (t trouble) {
	var s *rest.Status
	if errors.As(err, &s) {
		t, _ = decode(s.Body)
	}
	return t
}

// all reads every page of a list.
func all[T any](ctx context.Context, c *rest.Client, path string, query url.Values, size int) ([]T, error) {
	var out []T
	query.Set("per_page", strconv.Itoa(size))
	for page := 1; ; page++ {
		query.Set("page", strconv.Itoa(page))
		e, err := do[[]T](ctx, c, http.MethodGet, path+"?"+query.Encode(), nil)
		if err != nil {
			return nil, err
		}
		out = append(out, e.Result...)
		info := e.ResultInfo
		switch {
		case len(e.Result) == 0,
			info.TotalPages > 0 && page >= info.TotalPages,
			info.TotalPages == 0 && info.TotalCount > 0 && len(out) >= info.TotalCount,
			info.TotalPages == 0 && info.TotalCount == 0 && len(e.Result) < size:
			return out, nil
		}
	}
}

type zone struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Plan   struct {
		LegacyID string `json:"legacy_id"`
	} `json:"plan"`
}

// held is what is remembered of a zone.
type held struct {
	id   string
	most int // records in a batch
}

// How many records a batch takes (developers.cloudflare.com, "Batch record
// changes"): on the free plan, and on those that are paid for.
const (
	mostFree = 200
	mostPaid = 3500
)

// batch is how many records a batch takes; a plan that is not known is taken
// for the free one.
func (z zone) batch() int {
	switch z.Plan.LegacyID {
	case "pro", "business", "enterprise":
		return mostPaid
	}
	return mostFree
}

// zone finds a zone once. Of several with the name (a second account that waits
// to take it over) it is the active one.
func (p *provider) zone(ctx context.Context, name string) (held, error) {
	name = strings.TrimSuffix(dns.CanonicalName(name), ".")
	p.mu.Lock()
	h, ok := p.held[name]
	p.mu.Unlock()
	if ok {
		return h, nil
	}
	found, err := all[zone](ctx, p.zones, "/zones", url.Values{"name": {name}}, 50)
	if err != nil {
		return h, fmt.Errorf("find zone %s: %w", name, err)
	}
	for _, z := range found {
		if !strings.EqualFold(z.Name, name) {
			continue
		}
		if h.id == "" || z.Status == "active" {
			h = held{z.ID, z.batch()}
		}
		if z.Status == "active" {
			break
		}
	}
	if h.id == "" {
		return h, world.Never(world.Hint(fmt.Errorf("this token sees no zone %s", name),
			"the token needs Zone.Zone:Read for the zone, or give a zone_token that has it"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[name] = h
	return h, nil
}

// forget has a zone found again: who removes it and adds it anew gives it
// another id.
func (p *provider) forget(name string) {
	name = strings.TrimSuffix(dns.CanonicalName(name), ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, p.held[name].id)
	delete(p.held, name)
}

// ListZones lists all zones that the token sees.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	found, err := all[zone](ctx, p.zones, "/zones", url.Values{}, 50)
	if err != nil {
		return nil, err
	}
	var out []libdns.Zone
	for _, z := range found {
		if z.Name != "" {
			out = append(out, libdns.Zone{Name: dns.CanonicalName(z.Name)})
		}
	}
	return out, nil
}
