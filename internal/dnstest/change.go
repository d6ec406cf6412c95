package dnstest

import (
	"time"

	"github.com/miekg/dns"
)

type verb int

const (
	add        verb = iota
	remove          // the exact data, whatever its ttl
	removeSet       // all of one name and type
	removeName      // all of one name
)

type change struct {
	verb verb
	rr   dns.RR
}

// apply makes the changes at the primary and returns how many records came or went. Servers show them from publish on,
// each with its own lag.
func (z *Zone) apply(changes []change, publish time.Time) int {
	z.net.mu.Lock()
	defer z.net.mu.Unlock()
	return z.applyLocked(changes, publish)
}

func (z *Zone) applyLocked(changes []change, publish time.Time) int {
	z.forget()
	n := 0
	for _, c := range changes {
		name := dns.CanonicalName(c.rr.Header().Name)
		if !dns.IsSubDomain(z.name, name) {
			continue
		}
		if c.verb == add {
			n += z.add(name, c.rr, publish)
			continue
		}
		nd := z.nodes[name]
		if nd == nil {
			continue
		}
		for _, r := range nd.records {
			if !r.gone && c.hits(r.rr) {
				r.gone, r.until = true, publish
				z.dead = append(z.dead, dropped{nd, r})
				z.stats.Removed++
				n++
			}
		}
	}
	if n > 0 {
		z.serials = append(z.serials, publish)
	}
	return n
}

func (c change) hits(rr dns.RR) bool {
	switch c.verb {
	case remove:
		return same(c.rr, rr)
	case removeSet:
		return c.rr.Header().Rrtype == rr.Header().Rrtype
	default:
		return true
	}
}

func (z *Zone) add(name string, rr dns.RR, publish time.Time) int {
	nd := z.node(name)
	for _, r := range nd.records {
		if !r.gone && same(r.rr, rr) {
			if r.rr.Header().Ttl != rr.Header().Ttl {
				r.rr = dns.Copy(r.rr)
				r.rr.Header().Ttl = rr.Header().Ttl
			}
			return 0
		}
	}
	if nd.clashes(rr.Header().Rrtype) {
		z.prune(nd)
		return 0
	}
	rr = dns.Copy(rr)
	rr.Header().Name, rr.Header().Class = name, dns.ClassINET
	nd.records = append(nd.records, &record{rr: rr, from: publish})
	z.stats.Added++
	return 1
}

// clashes tells whether a record of this type may not join: a CNAME is alone at its name (RFC 2136 section 3.4.2.2 has
// such an addition ignored).
func (nd *node) clashes(typ uint16) bool {
	for _, r := range nd.records {
		if !r.gone && (typ == dns.TypeCNAME) != (r.rr.Header().Rrtype == dns.TypeCNAME) {
			return true
		}
	}
	return false
}

// node returns the node of a name in the zone and makes it and those above it.
func (z *Zone) node(name string) *node {
	if nd := z.nodes[name]; nd != nil {
		return nd
	}
	nd := &node{name: name}
	z.nodes[name] = nd
	up := z.node(parent(name))
	if up.children == nil {
		up.children = map[string]*node{}
	}
	up.children[name] = nd
	return nd
}

func (z *Zone) prune(nd *node) {
	for nd.name != z.name && len(nd.records) == 0 && len(nd.children) == 0 {
		delete(z.nodes, nd.name)
		up := z.nodes[parent(nd.name)]
		delete(up.children, nd.name)
		nd = up
	}
}

// forget drops the removed records that no server shows any more.
func (z *Zone) forget() {
	var lag time.Duration
	for _, s := range z.servers {
		lag = max(lag, s.longestLag())
	}
	old := time.Now().Add(-lag)
	k := 0
	for ; k < len(z.dead) && !z.dead[k].rec.until.After(old); k++ {
		nd := z.dead[k].node
		kept := nd.records[:0]
		for _, r := range nd.records {
			if r != z.dead[k].rec {
				kept = append(kept, r)
			}
		}
		clear(nd.records[len(kept):])
		nd.records = kept
		z.prune(nd)
	}
	clear(z.dead[:k])
	z.dead = z.dead[k:]
}

// same compares name and data and neither ttl nor class.
func same(a, b dns.RR) bool {
	if a.Header().Class != b.Header().Class {
		a, b = dns.Copy(a), dns.Copy(b)
		a.Header().Class, b.Header().Class = dns.ClassINET, dns.ClassINET
	}
	return dns.IsDuplicate(a, b)
}
