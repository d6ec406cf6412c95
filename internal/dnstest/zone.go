package dnstest

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Zone is what one DNS host holds for one zone. Several Zones of one name are one public zone at several hosts.
// All methods may be called concurrently.
type Zone struct {
	net  *Net
	name string

	// The rest is guarded by net.mu.
	nodes   map[string]*node
	dead    []dropped   // records that were removed, oldest first, kept while a lagging server still shows them
	serials []time.Time // when each change was published: the serial of a server is how many of them it has seen
	servers []*Server
	allow   Allow
	signed  bool
	stats   ZoneStats
}

// Allow says who may change (RFC 2136) and transfer a zone over DNS. The zero value: any key that the world knows.
type Allow struct {
	Keys             []string // only these keys
	UnsignedUpdate   bool
	UnsignedTransfer bool
}

// ZoneStats counts what happened to a zone. Added and Removed count records, by whichever way they came.
type ZoneStats struct{ Updates, Added, Removed int }

type node struct {
	name     string
	records  []*record
	children map[string]*node
}

// record is shown by a server with lag l from "from"+l until "until"+l. A zero from has always been.
type record struct {
	rr    dns.RR
	from  time.Time
	gone  bool
	until time.Time
}

type dropped struct {
	node *node
	rec  *record
}

func (r *record) visible(at time.Time) bool {
	return !r.from.After(at) && (!r.gone || r.until.After(at))
}

// AddZone adds a public zone that the given servers serve; the zone above it delegates to them, with addresses. Without
// servers two of its own are made (ns1 and ns2 of the zone). Adding a name again makes another host's copy of the zone:
// its servers join the delegation and hold what that copy holds.
func (n *Net) AddZone(name string, servers ...*Server) *Zone {
	name = dns.CanonicalName(name)
	if len(servers) == 0 {
		k := n.made.Add(2)
		servers = append(servers,
			n.AddServer("ns1."+name, fmt.Sprintf("198.18.%d.%d", 1+k>>8, byte(k))),
			n.AddServer("ns2."+name, fmt.Sprintf("198.18.%d.%d", 1+k>>8, byte(k+1))))
	}
	z := n.newZone(name, servers)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.zones[name]) == 0 {
		n.known(name)
	}
	n.zones[name] = append(n.zones[name], z)
	n.delegations[name] = append(n.delegations[name], servers...)
	return z
}

// AddPrivateZone adds a zone that its servers answer for and that no delegation leads to: the inner side of a split
// horizon. A resolver among the servers answers from it instead of walking.
func (n *Net) AddPrivateZone(name string, servers ...*Server) *Zone {
	z := n.newZone(dns.CanonicalName(name), servers)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.private = append(n.private, z)
	return z
}

// Delegate makes the zone above name point to these servers whether they serve it or not: a lame delegation, or one
// that leaves out a server.
func (n *Net) Delegate(name string, servers ...*Server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.delegations[dns.CanonicalName(name)] = servers
}

func (n *Net) newZone(name string, servers []*Server) *Zone {
	z := &Zone{net: n, name: name, nodes: map[string]*node{}, servers: servers}
	z.nodes[name] = &node{name: name}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range servers {
		s.zones[name] = z
	}
	return z
}

// Name returns the zone's name with a dot at the end.
func (z *Zone) Name() string { return z.name }

// Servers returns the servers that serve this copy of the zone.
func (z *Zone) Servers() []*Server { return slices.Clone(z.servers) }

// Allow says who may change and transfer the zone over DNS.
func (z *Zone) Allow(a Allow) {
	z.net.mu.Lock()
	defer z.net.mu.Unlock()
	z.allow = a
}

// SetSigned makes resolvers set AD on answers from this zone, as if it were signed and valid.
func (z *Zone) SetSigned(signed bool) {
	z.net.mu.Lock()
	defer z.net.mu.Unlock()
	z.signed = signed
}

// Stats returns what has been counted so far.
func (z *Zone) Stats() ZoneStats {
	z.net.mu.RLock()
	defer z.net.mu.RUnlock()
	return z.stats
}

// Add adds records in zone file syntax, names relative to the zone: "www 60 IN A 192.0.2.80", "@ MX 10 mail". Every
// server shows them at once, whatever its lag.
func (z *Zone) Add(records ...string) {
	var changes []change
	for _, text := range records {
		for _, rr := range z.parse(text) {
			changes = append(changes, change{add, rr})
		}
	}
	z.apply(changes, time.Time{})
}

// Remove removes records given as for Add; every server that does not lag forgets them at once.
func (z *Zone) Remove(records ...string) {
	var changes []change
	for _, text := range records {
		for _, rr := range z.parse(text) {
			changes = append(changes, change{remove, rr})
		}
	}
	z.apply(changes, time.Now())
}

func (z *Zone) parse(text string) []dns.RR {
	p := dns.NewZoneParser(strings.NewReader(text+"\n"), z.name, "")
	p.SetDefaultTTL(60)
	var rrs []dns.RR
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		rrs = append(rrs, rr)
	}
	if err := p.Err(); err != nil || len(rrs) == 0 {
		panic(fmt.Sprintf("dnstest: record %q: %v", text, err))
	}
	return rrs
}

// Records returns what the primary holds at this moment in zone file syntax, sorted.
func (z *Zone) Records() []string {
	var out []string
	for _, rr := range z.held() {
		out = append(out, rr.String())
	}
	sort.Strings(out)
	return out
}

// held returns copies of what the primary holds.
func (z *Zone) held() []dns.RR {
	z.net.mu.RLock()
	defer z.net.mu.RUnlock()
	var out []dns.RR
	for _, nd := range z.nodes {
		for _, r := range nd.records {
			if !r.gone {
				out = append(out, dns.Copy(r.rr))
			}
		}
	}
	slices.SortFunc(out, func(a, b dns.RR) int { return strings.Compare(a.Header().Name, b.Header().Name) })
	return out
}

// TXT returns the values of all TXT records at name that any primary holds at this moment, each joined to one string.
// A test calls it to see that nothing is left.
func (n *Net) TXT(name string) []string {
	name = dns.CanonicalName(name)
	n.mu.RLock()
	defer n.mu.RUnlock()
	var out []string
	look := func(z *Zone) {
		if nd := z.nodes[name]; nd != nil {
			for _, r := range nd.records {
				if t, ok := r.rr.(*dns.TXT); ok && !r.gone {
					out = append(out, txtValue(t))
				}
			}
		}
	}
	for _, zs := range n.zones {
		for _, z := range zs {
			look(z)
		}
	}
	for _, z := range n.private {
		look(z)
	}
	sort.Strings(out)
	return out
}

// AllTXT returns the names that hold any TXT record in any primary at this moment, sorted: what a clean-up left.
func (n *Net) AllTXT() []string {
	n.mu.RLock()
	zones := slices.Clone(n.private)
	for _, zs := range n.zones {
		zones = append(zones, zs...)
	}
	n.mu.RUnlock()
	var out []string
	for _, z := range zones {
		for _, rr := range z.held() {
			if rr.Header().Rrtype == dns.TypeTXT {
				out = append(out, dns.CanonicalName(rr.Header().Name))
			}
		}
	}
	sort.Strings(out)
	return slices.Compact(out)
}

// Zone returns the first copy of a public zone, nil when there is none.
func (n *Net) Zone(name string) *Zone {
	n.mu.RLock()
	defer n.mu.RUnlock()
	zs := n.zones[dns.CanonicalName(name)]
	if len(zs) == 0 {
		return nil
	}
	return zs[0]
}
