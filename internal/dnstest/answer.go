package dnstest

import (
	"net/netip"
	"sort"
	"strings"

	"github.com/miekg/dns"
)

// reply is the content of an answer.
type reply struct {
	rcode             int
	aa, signed        bool
	answer, ns, extra []dns.RR
}

// maxChain is how many CNAMEs are followed, as common resolvers do.
const maxChain = 12

// authoritative answers from the zones that the server serves: data, a denial with the SOA, or a referral. With chase it
// follows a CNAME as far as the server's own zones go. It takes net.mu for reading.
func (s *Server) authoritative(q dns.Question, chase bool) reply {
	n := s.net
	n.mu.RLock()
	defer n.mu.RUnlock()
	name := dns.CanonicalName(q.Name)
	z := s.zoneFor(name, q.Qtype)
	if z == nil || q.Qclass != dns.ClassINET {
		return reply{rcode: dns.RcodeRefused}
	}
	r := reply{aa: true}
	owner := q.Name
	for range maxChain {
		v := s.view(z)
		r.signed = z.signed
		if cut := v.cut(name, q.Qtype); cut != "" {
			r.aa = r.aa && len(r.answer) > 0
			r.ns = v.delegation(cut)
			r.extra = n.glue(r.ns)
			return r
		}
		if d := v.dname(name); d != nil {
			// RFC 6672: the answer holds the DNAME and the CNAME that follows from it.
			r.answer = append(r.answer, d)
			target := strings.TrimSuffix(name, dns.CanonicalName(d.Hdr.Name)) + d.Target
			if _, ok := dns.IsDomainName(target); !ok || len(target) > 254 {
				r.rcode = dns.RcodeYXDomain
				return r
			}
			r.answer = append(r.answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME, d.Hdr.Ttl), Target: target})
			owner, name = target, dns.CanonicalName(target)
			if !chase || q.Qtype == dns.TypeCNAME {
				return r
			}
			if z = s.zoneFor(name, q.Qtype); z == nil {
				return r
			}
			continue
		}
		source, exists := v.source(name)
		if !exists {
			r.rcode = dns.RcodeNameError
			r.ns = []dns.RR{v.soa()}
			return r
		}
		data := v.collect(source, owner, q.Qtype)
		if len(data) > 0 {
			r.answer = append(r.answer, data...)
			return r
		}
		alias := v.collect(source, owner, dns.TypeCNAME)
		if len(alias) == 0 {
			r.ns = []dns.RR{v.soa()}
			return r
		}
		r.answer = append(r.answer, alias[0])
		owner = alias[0].(*dns.CNAME).Target
		name = dns.CanonicalName(owner)
		if !chase {
			return r
		}
		if z = s.zoneFor(name, q.Qtype); z == nil {
			return r
		}
	}
	return r
}

// dname returns the DNAME above name, nil when there is none.
func (v view) dname(name string) *dns.DNAME {
	for at := name; at != v.zone.name && at != "."; {
		at = parent(at)
		if rrs := v.stored(at, dns.TypeDNAME); len(rrs) > 0 {
			return dns.Copy(rrs[0]).(*dns.DNAME)
		}
	}
	return nil
}

// zoneFor returns the closest zone of this server around name; a DS question belongs to the zone above the cut.
func (s *Server) zoneFor(name string, typ uint16) *Zone {
	if typ == dns.TypeDS && name != "." {
		name = parent(name)
	}
	for {
		if z := s.zones[name]; z != nil {
			return z
		}
		if name == "." {
			return nil
		}
		name = parent(name)
	}
}

// cut returns the first zone cut on the way from the zone down to name, "" when the zone is the right one to ask.
func (v view) cut(name string, typ uint16) string {
	cut := ""
	for at := name; at != v.zone.name && at != "."; at = parent(at) {
		if at == name && typ == dns.TypeDS {
			continue
		}
		if v.zone.public() && len(v.zone.net.delegations[at]) > 0 || len(v.stored(at, dns.TypeNS)) > 0 {
			cut = at
		}
	}
	return cut
}

func (z *Zone) public() bool {
	for _, p := range z.net.zones[z.name] {
		if p == z {
			return true
		}
	}
	return false
}

// delegation returns the NS records of a cut: those that the zone holds, else those of the child's servers.
func (v view) delegation(cut string) []dns.RR {
	if rrs := v.stored(cut, dns.TypeNS); len(rrs) > 0 {
		return rrs
	}
	return nameServers(cut, v.zone.net.delegations[cut])
}

func nameServers(zone string, servers []*Server) []dns.RR {
	var rrs []dns.RR
	for _, s := range servers {
		rrs = append(rrs, &dns.NS{Hdr: header(zone, dns.TypeNS, 3600), Ns: s.name})
	}
	return rrs
}

// glue returns the addresses of the servers that NS records name.
func (n *Net) glue(ns []dns.RR) []dns.RR {
	var rrs []dns.RR
	for _, rr := range ns {
		if t, ok := rr.(*dns.NS); ok {
			target := dns.CanonicalName(t.Ns)
			rrs = append(rrs, n.addresses(target, target, dns.TypeANY)...)
		}
	}
	return rrs
}

// addresses returns the A and AAAA records that a name has by being a server or a listener.
func (n *Net) addresses(name, owner string, typ uint16) []dns.RR {
	var ips []netip.Addr
	if s := n.byName[name]; s != nil {
		for _, ap := range s.addrs {
			ips = append(ips, ap.Addr())
		}
	} else if ip, ok := n.listening[name]; ok {
		ips = append(ips, ip)
	}
	var rrs []dns.RR
	for _, ip := range ips {
		if ip.Is4() && (typ == dns.TypeA || typ == dns.TypeANY) {
			rrs = append(rrs, &dns.A{Hdr: header(owner, dns.TypeA, 3600), A: ip.AsSlice()})
		}
		if ip.Is6() && (typ == dns.TypeAAAA || typ == dns.TypeANY) {
			rrs = append(rrs, &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, 3600), AAAA: ip.AsSlice()})
		}
	}
	return rrs
}

func header(name string, typ uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: ttl}
}

// source returns the name whose records answer for name: itself, or the wildcard that covers it (RFC 4592).
func (v view) source(name string) (string, bool) {
	if v.exists(name) {
		return name, true
	}
	for encloser := parent(name); ; encloser = parent(encloser) {
		if v.exists(encloser) {
			wild := "*." + encloser
			if encloser == "." {
				wild = "*."
			}
			return wild, v.exists(wild)
		}
		if encloser == v.zone.name || encloser == "." {
			return "", false
		}
	}
}

func (v view) exists(name string) bool {
	n := v.zone.net
	if name == v.zone.name || n.above[name] > 0 || n.byName[name] != nil {
		return true
	}
	if _, ok := n.listening[name]; ok {
		return true
	}
	nd := v.zone.nodes[name]
	return nd != nil && v.alive(nd)
}

func (v view) alive(nd *node) bool {
	for _, r := range nd.records {
		if r.visible(v.at) {
			return true
		}
	}
	for _, child := range nd.children {
		if v.alive(child) {
			return true
		}
	}
	return false
}

// stored returns the zone's own records of a type at a name.
func (v view) stored(name string, typ uint16) []dns.RR {
	nd := v.zone.nodes[name]
	if nd == nil {
		return nil
	}
	var rrs []dns.RR
next:
	for _, r := range nd.records {
		if !r.visible(v.at) || typ != dns.TypeANY && r.rr.Header().Rrtype != typ {
			continue
		}
		for _, have := range rrs { // removed and added again while the removal is still on its way
			if same(have, r.rr) {
				continue next
			}
		}
		rrs = append(rrs, r.rr)
	}
	return rrs
}

// collect returns the records of a type at a name, with what the world adds by itself, under the owner asked for.
func (v view) collect(name, owner string, typ uint16) []dns.RR {
	var rrs []dns.RR
	for _, rr := range v.stored(name, typ) {
		rr = dns.Copy(rr)
		rr.Header().Name = owner
		rrs = append(rrs, rr)
	}
	if name == v.zone.name {
		if typ == dns.TypeSOA || typ == dns.TypeANY {
			rrs = append(rrs, v.soa())
		}
		if (typ == dns.TypeNS || typ == dns.TypeANY) && len(v.stored(name, dns.TypeNS)) == 0 {
			rrs = append(rrs, v.apexServers()...)
		}
	}
	return append(rrs, v.zone.net.addresses(name, owner, typ)...)
}

// apexServers returns the NS set that the zone says of itself: for a public zone all that its delegation lists.
func (v view) apexServers() []dns.RR {
	if v.zone.public() {
		if servers := v.zone.net.delegations[v.zone.name]; len(servers) > 0 {
			return nameServers(v.zone.name, servers)
		}
	}
	return nameServers(v.zone.name, v.zone.servers)
}

func (v view) soa() dns.RR {
	z := v.zone
	primary := "."
	if len(z.servers) > 0 {
		primary = z.servers[0].name
	}
	return &dns.SOA{
		Hdr: header(z.name, dns.TypeSOA, 60), Ns: primary, Mbox: "hostmaster." + trimRoot(z.name),
		Serial: v.serial(), Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 60,
	}
}

func trimRoot(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// serial grows with each change that the server has seen.
func (v view) serial() uint32 {
	s := v.zone.serials
	return uint32(1 + sort.Search(len(s), func(i int) bool { return s[i].After(v.at) }))
}
