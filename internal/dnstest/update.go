package dnstest

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// update carries out a dynamic update (RFC 2136): all of it or nothing.
func (s *Server) update(m *dns.Msg, sign *signing) int {
	if len(m.Question) != 1 || m.Question[0].Qtype != dns.TypeSOA {
		return dns.RcodeFormatError
	}
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	z := s.zones[dns.CanonicalName(m.Question[0].Name)]
	if z == nil {
		return dns.RcodeNotAuth
	}
	if !z.permits(sign, z.allow.UnsignedUpdate) {
		return dns.RcodeRefused
	}
	if rcode := z.prerequisites(m.Answer); rcode != dns.RcodeSuccess {
		return rcode
	}
	var changes []change
	for _, rr := range m.Ns {
		h := rr.Header()
		if !dns.IsSubDomain(z.name, dns.CanonicalName(h.Name)) {
			return dns.RcodeNotZone
		}
		if h.Rrtype == dns.TypeSOA || h.Rrtype == dns.TypeNS && dns.CanonicalName(h.Name) == z.name {
			continue // the apex is the world's own
		}
		switch h.Class {
		case dns.ClassINET:
			if h.Rrtype == dns.TypeANY || h.Rrtype == dns.TypeAXFR || h.Rrtype == dns.TypeIXFR {
				return dns.RcodeFormatError
			}
			changes = append(changes, change{add, rr})
		case dns.ClassANY:
			if h.Ttl != 0 || h.Rdlength != 0 {
				return dns.RcodeFormatError
			}
			verb := removeSet
			if h.Rrtype == dns.TypeANY {
				verb = removeName
			}
			changes = append(changes, change{verb, rr})
		case dns.ClassNONE:
			if h.Ttl != 0 || h.Rrtype == dns.TypeANY {
				return dns.RcodeFormatError
			}
			changes = append(changes, change{remove, rr})
		default:
			return dns.RcodeFormatError
		}
	}
	z.stats.Updates++
	z.applyLocked(changes, time.Now())
	return dns.RcodeSuccess
}

// permits tells whether a request with this signature may change or transfer the zone.
func (z *Zone) permits(sign *signing, unsigned bool) bool {
	if sign == nil {
		return unsigned
	}
	return len(z.allow.Keys) == 0 || slices.ContainsFunc(z.allow.Keys, func(k string) bool {
		return dns.CanonicalName(k) == dns.CanonicalName(sign.name)
	})
}

// prerequisites checks RFC 2136 section 3.2 against what the primary holds.
func (z *Zone) prerequisites(rrs []dns.RR) int {
	type set struct {
		name string
		typ  uint16
	}
	exact := map[set][]dns.RR{}
	for _, rr := range rrs {
		h := rr.Header()
		name := dns.CanonicalName(h.Name)
		if h.Ttl != 0 {
			return dns.RcodeFormatError
		}
		if !dns.IsSubDomain(z.name, name) {
			return dns.RcodeNotZone
		}
		have := len(z.live(name, h.Rrtype)) > 0
		if name == z.name && (h.Rrtype == dns.TypeANY || h.Rrtype == dns.TypeSOA || h.Rrtype == dns.TypeNS) {
			have = true
		}
		whole := h.Rrtype == dns.TypeANY
		switch {
		case h.Class == dns.ClassANY && h.Rdlength == 0 && !have && whole:
			return dns.RcodeNameError
		case h.Class == dns.ClassANY && h.Rdlength == 0 && !have:
			return dns.RcodeNXRrset
		case h.Class == dns.ClassNONE && h.Rdlength == 0 && have && whole:
			return dns.RcodeYXDomain
		case h.Class == dns.ClassNONE && h.Rdlength == 0 && have:
			return dns.RcodeYXRrset
		case h.Class == dns.ClassINET:
			exact[set{name, h.Rrtype}] = append(exact[set{name, h.Rrtype}], rr)
		case h.Class != dns.ClassANY && h.Class != dns.ClassNONE || h.Rdlength != 0:
			return dns.RcodeFormatError
		}
	}
	for k, want := range exact {
		have := z.live(k.name, k.typ)
		if len(have) != len(want) {
			return dns.RcodeNXRrset
		}
		for _, w := range want {
			if !slices.ContainsFunc(have, func(rr dns.RR) bool { return same(rr, w) }) {
				return dns.RcodeNXRrset
			}
		}
	}
	return dns.RcodeSuccess
}

// live returns what the primary holds of a name and type; net.mu is held.
func (z *Zone) live(name string, typ uint16) []dns.RR {
	var out []dns.RR
	if nd := z.nodes[name]; nd != nil {
		for _, r := range nd.records {
			if !r.gone && (typ == dns.TypeANY || r.rr.Header().Rrtype == typ) {
				out = append(out, r.rr)
			}
		}
	}
	return out
}

// transfer sends the zone as the primary holds it (RFC 5936), in messages of 100 records.
func (s *Server) transfer(network string, m, out *dns.Msg, sign *signing, send func([]byte) error) {
	n := s.net
	n.mu.RLock()
	z := s.zones[dns.CanonicalName(m.Question[0].Name)]
	allowed := z != nil && z.permits(sign, z.allow.UnsignedTransfer)
	var all []dns.RR
	if allowed && network == "tcp" {
		v := view{z, time.Now()}
		soa := v.soa()
		all = append(all, soa)
		if len(z.live(z.name, dns.TypeNS)) == 0 {
			all = append(all, v.apexServers()...)
		}
		for name := range z.nodes {
			for _, rr := range z.live(name, dns.TypeANY) {
				all = append(all, dns.Copy(rr))
			}
		}
		all = append(all, soa)
	}
	n.mu.RUnlock()
	if len(all) == 0 {
		out.Rcode = dns.RcodeRefused
		if z == nil {
			out.Rcode = dns.RcodeNotAuth
		}
		s.send(out, network, m, sign, send)
		return
	}
	out.Authoritative = true
	later := false
	for part := range slices.Chunk(all, 100) {
		msg := out.Copy()
		msg.Answer = part
		var b []byte
		var err error
		if sign != nil {
			msg.SetTsig(sign.name, sign.alg, 300, time.Now().Unix())
			b, sign.mac, err = dns.TsigGenerate(msg, sign.secret, sign.mac, later)
			later = true
		} else {
			b, err = msg.Pack()
		}
		if err != nil || send(b) != nil {
			return
		}
	}
}
