package googleclouddns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
)

type provider struct {
	c       *rest.Client
	project string
	wanted  string // name of a managed zone; "" for the public one of a name

	mu    sync.Mutex
	zones map[string]string         // managed zone by DNS name
	known map[string]map[string]set // sets as they were last seen, by managed zone and name; only those that hold something
	pages map[string]int            // how many pages a managed zone has
}

// troubleOf is what the host said in an error; s is nil if it said nothing.
func troubleOf(err error) (s *rest.Status, t trouble) {
	if errors.As(err, &s) {
		t = decode(s.Body)
	}
	return s, t
}

// managed is a managed zone. One that forwards, peers or is made from other
// services holds no records of its own.
type managed struct {
	Name        string `json:"name"`
	DNSName     string `json:"dnsName"`
	Visibility  string `json:"visibility"`
	Forwarding  any    `json:"forwardingConfig"`
	Peering     any    `json:"peeringConfig"`
	Reverse     any    `json:"reverseLookupConfig"`
	FromService any    `json:"serviceDirectoryConfig"`
}

func (m managed) holds() bool {
	return m.Forwarding == nil && m.Peering == nil && m.Reverse == nil && m.FromService == nil
}

// list reads every page of the managed zones; name "" is all.
func (p *provider) list(ctx context.Context, name string) (out []managed, err error) {
	query := url.Values{}
	if name != "" {
		query.Set("dnsName", name)
	}
	for {
		var page struct {
			Zones []managed `json:"managedZones"`
			Next  string    `json:"nextPageToken"`
		}
		if err := p.do(ctx, "dns.managedZones.list", http.MethodGet, "/managedZones?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, z := range page.Zones {
			if z.holds() {
				out = append(out, z)
			}
		}
		if page.Next == "" {
			return out, nil
		}
		query.Set("pageToken", page.Next)
	}
}

// zone finds the managed zone of a name once: the one that the block names if
// it has that name, else the public one, since a private zone of the same name
// (split horizon) is not what a CA sees.
func (p *provider) zone(ctx context.Context, name string) (string, error) {
	name = dns.CanonicalName(name)
	p.mu.Lock()
	id := p.zones[name]
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	all, err := p.list(ctx, name)
	if err != nil {
		return "", fmt.Errorf("find managed zone %s: %w", name, err)
	}
	var named, public, private []string
	for _, z := range all {
		switch {
		case dns.CanonicalName(z.DNSName) != name:
		case z.Name == p.wanted:
			named = []string{z.Name}
		case z.Visibility == "private":
			private = append(private, z.Name)
		default:
			public = append(public, z.Name)
		}
	}
	found := named
	for _, more := range [][]string{public, private} {
		if len(found) == 0 {
			found = more
		}
	}
	bare := strings.TrimSuffix(name, ".")
	switch len(found) {
	case 0:
		return "", world.Never(fmt.Errorf("project %s has no managed zone %s", p.project, bare))
	case 1:
	default:
		return "", world.Never(world.Hint(
			fmt.Errorf("project %s has %d managed zones %s: %s", p.project, len(found), bare, strings.Join(found, ", ")),
			"managed_zone says which"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.zones[name] = found[0]
	return found[0], nil
}

// forget has a managed zone looked up again.
func (p *provider) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, have := range p.zones {
		if have == id {
			delete(p.zones, name)
		}
	}
	delete(p.known, id)
}

// ListZones lists the project's zones, each name once.
func (p *provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	all, err := p.list(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []libdns.Zone
	for _, z := range all {
		if one := (libdns.Zone{Name: dns.CanonicalName(z.DNSName)}); !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out, nil
}

// fewNames is how many names are looked up one by one before all sets of the
// zone are the lesser evil, unless they are known to be many.
const fewNames = 8

// mostInPage is how many sets are asked for at once.
const mostInPage = 1000

// read reads the TXT sets at names, which are canonical.
func (p *provider) read(ctx context.Context, id string, names []string) (map[string]set, error) {
	p.mu.Lock()
	pages := p.pages[id]
	p.mu.Unlock()
	out := map[string]set{}
	take := func(query url.Values) (next string, err error) {
		var page struct {
			Sets []record `json:"rrsets"`
			Next string   `json:"nextPageToken"`
		}
		path := "/managedZones/" + url.PathEscape(id) + "/rrsets?" + query.Encode()
		if err := p.do(ctx, "dns.resourceRecordSets.list", http.MethodGet, path, nil, &page); err != nil {
			return "", fmt.Errorf("read records: %w", p.gone(id, err))
		}
		for _, r := range page.Sets {
			name := dns.CanonicalName(r.Name)
			if r.Type != "TXT" || !slices.Contains(names, name) {
				continue
			}
			if r.Policy != nil {
				return "", world.Never(fmt.Errorf("%s has TXT records with a routing policy, which cannot be added to", name))
			}
			out[name] = set{ttl: r.TTL, values: r.Data}
		}
		return page.Next, nil
	}
	if len(names) > fewNames && pages < len(names) {
		query := url.Values{"maxResults": {fmt.Sprint(mostInPage)}}
		for n := 1; n <= len(names); n++ {
			next, err := take(query)
			if err != nil {
				return nil, err
			}
			p.mu.Lock()
			p.pages[id] = n
			p.mu.Unlock()
			if next == "" {
				p.keep(id, names, out)
				return out, nil
			}
			query.Set("pageToken", next)
		}
		p.mu.Lock()
		p.pages[id]++ // it has more than there are names
		p.mu.Unlock()
	}
	for _, name := range names {
		if _, err := take(url.Values{"name": {name}, "type": {"TXT"}}); err != nil {
			return nil, err
		}
	}
	p.keep(id, names, out)
	return out, nil
}

// keep remembers how names were seen.
func (p *provider) keep(id string, names []string, seen map[string]set) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[id] == nil {
		p.known[id] = map[string]set{}
	}
	for _, n := range names {
		if s, ok := seen[n]; ok && len(s.values) > 0 {
			p.known[id][n] = s
		} else {
			delete(p.known[id], n)
		}
	}
}

// gone has a managed zone looked up again that is not there any more.
func (p *provider) gone(id string, err error) error {
	if s, _ := troubleOf(err); s != nil && s.Code == http.StatusNotFound {
		p.forget(id)
	}
	return err
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
		s := found[full[i]]
		for _, v := range s.values {
			out = append(out, libdns.RR{Name: n, Type: "TXT", Data: unquoted(v), TTL: time.Duration(s.ttl) * time.Second})
		}
	}
	return out, nil
}
