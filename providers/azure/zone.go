package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

type provider struct {
	c            *rest.Client
	subscription string
	group        string // resource group; "" for all

	mu    sync.Mutex
	zones map[string]string         // path of a zone by its name
	known map[string]map[string]set // sets as they were last seen, by zone and name; only those that are there
	pages map[string]int            // how many pages of TXT sets a zone has
}

// resource is the path of a zone.
func (p *provider) resource(group, zone string) string {
	return "/subscriptions/" + url.PathEscape(p.subscription) + "/resourceGroups/" + url.PathEscape(group) +
		"/providers/Microsoft.Network/dnsZones/" + url.PathEscape(strings.TrimSuffix(zone, "."))
}

// path is that of the TXT set at a name, which is canonical.
func path(id, name string) string {
	zone := id[strings.LastIndex(id, "/")+1:]
	relative := strings.TrimSuffix(strings.TrimSuffix(name, zone+"."), ".")
	if relative == "" {
		relative = "@"
	}
	return id + "/TXT/" + url.PathEscape(relative)
}

// hosted is a zone of the subscription.
type hosted struct {
	name, group string
	public      bool
}

// list reads every page of the zones.
func (p *provider) list(ctx context.Context) (out []hosted, err error) {
	path := "/subscriptions/" + url.PathEscape(p.subscription)
	if p.group != "" {
		path += "/resourceGroups/" + url.PathEscape(p.group)
	}
	path += "/providers/Microsoft.Network/dnsZones"
	for path != "" {
		var page struct {
			Value []struct {
				ID         string `json:"id"`
				Name       string `json:"name"`
				Properties struct {
					ZoneType string `json:"zoneType"`
				} `json:"properties"`
			} `json:"value"`
			Next string `json:"nextLink"`
		}
		if err := p.do(ctx, "Microsoft.Network/dnsZones/read", http.MethodGet, path, nil, nil, &page); err != nil {
			return nil, err
		}
		for _, z := range page.Value {
			out = append(out, hosted{dns.CanonicalName(z.Name), groupOf(z.ID), !strings.EqualFold(z.Properties.ZoneType, "Private")})
		}
		if path, err = p.next(page.Next); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// next is the path of the next page, "" if there is none. Only the host that
// was asked is asked again: what it links to gets its token.
func (p *provider) next(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	path, ok := strings.CutPrefix(link, p.c.Base)
	if !ok || !strings.HasPrefix(path, "/") {
		return "", world.Never(errors.New("the next page is said to be at another host"))
	}
	return path, nil
}

// groupOf is the resource group in the ID of a resource.
func groupOf(id string) string {
	parts := strings.Split(id, "/")
	for i, part := range parts[:len(parts)-1] {
		if strings.EqualFold(part, "resourceGroups") {
			return parts[i+1]
		}
	}
	return ""
}

// zone is the path of a zone. Without resource_group_name it is looked for once,
// among the public ones: a private one of the same name (split horizon) is not
// what a CA sees.
func (p *provider) zone(ctx context.Context, name string) (string, error) {
	name = dns.CanonicalName(name)
	if p.group != "" {
		return p.resource(p.group, name), nil
	}
	p.mu.Lock()
	id := p.zones[name]
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	all, err := p.list(ctx)
	if err != nil {
		return "", fmt.Errorf("find zone %s: %w", name, err)
	}
	var groups []string
	for _, z := range all {
		if z.name == name && z.public {
			groups = append(groups, z.group)
		}
	}
	bare := strings.TrimSuffix(name, ".")
	switch len(groups) {
	case 0:
		return "", world.Never(world.Hint(
			fmt.Errorf("subscription %s shows no public zone %s", p.subscription, bare),
			"resource_group_name is needed for a private zone, and by a credential that may see one resource group only"))
	case 1:
	default:
		return "", world.Never(world.Hint(
			fmt.Errorf("subscription %s has %d public zones %s, in the resource groups %s", p.subscription, len(groups), bare, strings.Join(groups, ", ")),
			"resource_group_name says which"))
	}
	id = p.resource(groups[0], name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.zones[name] = id
	return id, nil
}

// ListZones lists the zones of the resource group or the public ones of the
// subscription, each name once.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	all, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	var out []libdns.Zone
	for _, z := range all {
		if one := (libdns.Zone{Name: z.name}); (z.public || p.group != "") && !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out, nil
}

// gone has a zone looked up again that is not there any more.
func (p *provider) gone(id string, err error) error {
	if s := statusOf(err); s == nil || s.Code != http.StatusNotFound {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, have := range p.zones {
		if have == id {
			delete(p.zones, name)
		}
	}
	delete(p.known, id)
	return err
}

const readAction = "Microsoft.Network/dnsZones/TXT/read"

// get reads the TXT set at one name; none is a set without an etag.
func (p *provider) get(ctx context.Context, id, name string) (set, error) {
	var r recordSet
	err := p.do(ctx, readAction, http.MethodGet, path(id, name), nil, nil, &r)
	if absent(err) {
		p.keep(id, []string{name}, nil)
		return set{}, nil
	}
	if err != nil {
		return set{}, fmt.Errorf("read %s: %w", name, err)
	}
	s, err := p.whole(name, r)
	if err == nil {
		p.keep(id, []string{name}, map[string]set{name: s})
	}
	return s, err
}

// absent reports whether it is the set that is not there, and not what it would
// be in: a wrong resource group must not pass for a clean zone.
func absent(err error) bool {
	s := statusOf(err)
	if s == nil || s.Code != http.StatusNotFound {
		return false
	}
	code, message := decode(s.Body)
	return code == "NotFound" || code == "ResourceNotFound" && strings.Contains(message, "/TXT/")
}

// whole is a set that was read.
func (p *provider) whole(name string, r recordSet) (set, error) {
	s, err := seen(r)
	if err == nil && s.etag == "" {
		err = errors.New("it has no etag")
	}
	if err != nil {
		return set{}, fmt.Errorf("read %s: the answer is not what was expected: %w", name, err)
	}
	return s, nil
}

// fewNames is how many names are looked up one by one before all TXT sets of
// the zone are the lesser evil, unless they are known to be many.
const fewNames = 8

// read reads the TXT sets at names, which are canonical.
func (p *provider) read(ctx context.Context, id string, names []string) (map[string]set, error) {
	p.mu.Lock()
	pages := p.pages[id]
	p.mu.Unlock()
	if len(names) > fewNames && pages < len(names) {
		found, n, err := p.browse(ctx, id, names)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.pages[id] = n
		p.mu.Unlock()
		if found != nil {
			return found, nil
		}
	}
	out := map[string]set{}
	for _, name := range names {
		s, err := p.get(ctx, id, name)
		if err != nil {
			return nil, p.gone(id, err)
		}
		out[name] = s
	}
	return out, nil
}

// browse reads all TXT sets of a zone and returns those at names, and how many
// pages there were. It gives up, with nil, when there are more than names.
func (p *provider) browse(ctx context.Context, id string, names []string) (out map[string]set, pages int, err error) {
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	zone := id[strings.LastIndex(id, "/")+1:]
	out = map[string]set{}
	for path := id + "/TXT"; path != ""; pages++ {
		if pages == len(names) {
			return nil, pages + 1, nil
		}
		var page struct {
			Value []recordSet `json:"value"`
			Next  string      `json:"nextLink"`
		}
		if err := p.do(ctx, readAction, http.MethodGet, path, nil, nil, &page); err != nil {
			return nil, 0, fmt.Errorf("read records: %w", p.gone(id, err))
		}
		for _, r := range page.Value {
			name := providers.Absolute(r.Name, zone)
			if !wanted[name] {
				continue
			}
			if out[name], err = p.whole(name, r); err != nil {
				return nil, 0, err
			}
		}
		if path, err = p.next(page.Next); err != nil {
			return nil, 0, err
		}
	}
	p.keep(id, names, out)
	return out, pages, nil
}

// keep remembers how names were seen.
func (p *provider) keep(id string, names []string, found map[string]set) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[id] == nil {
		p.known[id] = map[string]set{}
	}
	for _, n := range names {
		if s, ok := found[n]; ok && s.etag != "" {
			p.known[id][n] = s
		} else {
			delete(p.known[id], n)
		}
	}
}

// ReadTXT reads the values at names.
func (p *provider) ReadTXT(ctx context.Context, zone string, names []string) (out []libdns.RR, err error) {
	id, err := p.zone(ctx, zone)
	if err != nil {
		return nil, err
	}
	full := make([]string, len(names))
	for i, n := range names {
		full[i] = providers.Absolute(n, zone)
	}
	found, err := p.read(ctx, id, full)
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		for _, r := range found[full[i]].records {
			out = append(out, libdns.RR{Name: n, Type: "TXT", Data: r.text})
		}
	}
	return out, nil
}
