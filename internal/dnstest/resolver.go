package dnstest

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// order says in which order a resolver asks the servers of a zone.
type order func(servers []*Server) []*Server

// rotated begins with another server each time.
func (n *Net) rotated(servers []*Server) []*Server {
	return startAt(servers, int(n.turn.Add(1)))
}

func startAt(servers []*Server, i int) []*Server {
	if len(servers) == 0 {
		return nil
	}
	i %= len(servers)
	return append(slices.Clone(servers[i:]), servers[:i]...)
}

// resolve walks from the root, or from a private zone of the resolver, and follows CNAMEs. A server that is dead, fails,
// refuses or is lame is passed over; when none is left the answer is SERVFAIL, as it is for a loop of CNAMEs.
func (n *Net) resolve(q dns.Question, from *Server, ask order) reply {
	out := reply{signed: true}
	seen := map[string]bool{}
	for range maxChain {
		name := dns.CanonicalName(q.Name)
		if seen[name] {
			break
		}
		seen[name] = true
		r, ok := n.walk(q, from, ask, 0)
		if !ok {
			break
		}
		out.rcode, out.ns = r.rcode, r.ns
		out.signed = out.signed && r.signed
		out.answer = append(out.answer, r.answer...)
		if q.Qtype != dns.TypeCNAME && q.Qtype != dns.TypeANY && len(r.answer) > 0 {
			if alias, ok := r.answer[len(r.answer)-1].(*dns.CNAME); ok {
				q.Name = alias.Target
				continue
			}
		}
		return out
	}
	return reply{rcode: dns.RcodeServerFailure}
}

// walk asks for one name, CNAMEs not followed.
func (n *Net) walk(q dns.Question, from *Server, ask order, depth int) (reply, bool) {
	if from != nil {
		n.mu.RLock()
		private := from.zoneFor(dns.CanonicalName(q.Name), q.Qtype)
		n.mu.RUnlock()
		if private != nil {
			return from.authoritative(q, false), true
		}
	}
	n.mu.RLock()
	servers := slices.Clone(n.delegations["."])
	n.mu.RUnlock()
	at := "."
next:
	for range 32 {
		for _, s := range ask(servers) {
			if s.unusable(q) {
				continue
			}
			r := s.authoritative(q, false)
			switch {
			case r.rcode == dns.RcodeRefused || r.rcode == dns.RcodeServerFailure:
				continue
			case r.aa:
				return r, true
			case len(r.ns) == 0 || depth > 4:
				continue
			}
			cut := dns.CanonicalName(r.ns[0].Header().Name)
			if cut == at || !dns.IsSubDomain(at, cut) {
				continue // sends back up or to itself: lame
			}
			at, servers = cut, n.targets(r.ns, from, ask, depth+1)
			continue next
		}
		return reply{}, false
	}
	return reply{}, false
}

// targets returns the servers that NS records name.
func (n *Net) targets(ns []dns.RR, from *Server, ask order, depth int) []*Server {
	var out []*Server
	for _, rr := range ns {
		t, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		name := dns.CanonicalName(t.Ns)
		n.mu.RLock()
		s := n.byName[name]
		n.mu.RUnlock()
		if s != nil {
			out = append(out, s)
			continue
		}
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
			r, _ := n.walk(dns.Question{Name: name, Qtype: typ, Qclass: dns.ClassINET}, from, ask, depth)
			for _, ip := range ips(r.answer) {
				n.mu.RLock()
				if s := n.byAddr[netip.AddrPortFrom(ip, 53)]; s != nil {
					out = append(out, s)
				}
				n.mu.RUnlock()
			}
		}
	}
	return out
}

// unusable tells whether the server would not answer a resolver's question. Questions of resolvers are not counted.
func (s *Server) unusable(q dns.Question) bool {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	f := s.fault()
	if hook != nil {
		m := &dns.Msg{Question: []dns.Question{q}}
		if h := hook(Query{s, "udp", m}); h != None {
			f = h
		}
	}
	return f != None && f != Truncate
}

func ips(rrs []dns.RR) []netip.Addr {
	var out []netip.Addr
	for _, rr := range rrs {
		var b net.IP
		switch t := rr.(type) {
		case *dns.A:
			b = t.A
		case *dns.AAAA:
			b = t.AAAA
		default:
			continue
		}
		if ip, ok := netip.AddrFromSlice(b); ok {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

// LookupHost returns the addresses of a name, IPv4 first; an address is returned as it is. A name without any is a
// *net.DNSError with IsNotFound.
func (n *Net) LookupHost(ctx context.Context, name string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{ip}, nil
	}
	var out []netip.Addr
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := n.lookup(ctx, name, typ, n.rotated)
		if err != nil && !err.IsNotFound {
			return nil, err
		}
		out = append(out, ips(r.answer)...)
	}
	if len(out) == 0 {
		return nil, notFound(name)
	}
	return out, nil
}

// LookupTXT returns the values of the TXT records of a name, each joined, as a resolver would find them that begins
// with another server of the zone each time. None at all is a *net.DNSError with IsNotFound.
func (n *Net) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return n.lookupTXT(ctx, name, n.rotated)
}

// Perspective returns a LookupTXT that always begins with the i-th server of each zone: what a CA sees from one place
// of the world. It may be called concurrently.
func (n *Net) Perspective(i int) func(ctx context.Context, name string) ([]string, error) {
	return func(ctx context.Context, name string) ([]string, error) {
		return n.lookupTXT(ctx, name, func(servers []*Server) []*Server { return startAt(servers, i) })
	}
}

func (n *Net) lookupTXT(ctx context.Context, name string, ask order) ([]string, error) {
	r, err := n.lookup(ctx, name, dns.TypeTXT, ask)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, rr := range r.answer {
		if t, ok := rr.(*dns.TXT); ok {
			out = append(out, txtValue(t))
		}
	}
	if len(out) == 0 {
		return nil, notFound(name)
	}
	return out, nil
}

func (n *Net) lookup(ctx context.Context, name string, typ uint16, ask order) (reply, *net.DNSError) {
	if err := ctx.Err(); err != nil {
		return reply{}, &net.DNSError{Err: err.Error(), Name: name, UnwrapErr: err, IsTimeout: true}
	}
	r := n.resolve(dns.Question{Name: dns.Fqdn(name), Qtype: typ, Qclass: dns.ClassINET}, nil, ask)
	switch r.rcode {
	case dns.RcodeSuccess:
		return r, nil
	case dns.RcodeNameError:
		return r, notFound(name)
	default:
		return r, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
}

func notFound(name string) *net.DNSError {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}
