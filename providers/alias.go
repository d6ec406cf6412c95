package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// alias is what DNS says at a name before anything is written there.
type alias struct {
	target string // of a CNAME, or ""
	dname  bool   // the CNAME follows from a DNAME, not from a wildcard
	zone   string // the zone that the answer came from, "" if it did not say
}

// alias asks for a CNAME at name: the authoritative servers of the zone that
// the name seems to be in, since a resolver may remember that a CNAME made a
// minute ago does not exist; the resolvers if that zone's servers cannot be
// asked or no zone is known.
func (z *Zones) alias(ctx context.Context, name string) (alias, error) {
	zone := z.guess(name)
	if zone != "" {
		if servers, err := z.servers(ctx, zone); err == nil {
			a, err := z.fromServers(ctx, servers, name)
			if err == nil {
				return a, nil
			}
			if errors.Is(err, errTooLong) {
				return alias{}, err
			}
		}
		if ctx.Err() != nil {
			return alias{}, context.Cause(ctx)
		}
	}
	r, err := z.ask.recursive(ctx, z.resolvers(ctx, zone), name, dns.TypeCNAME)
	if err != nil {
		return alias{}, err
	}
	return read(r, name), nil
}

// errTooLong is YXDOMAIN (RFC 6672, section 2.2): nobody can look that name up.
var errTooLong = errors.New("a DNAME above it makes the name too long for DNS")

var errNotServed = errors.New("no authoritative server of the zone answers for it")

func (z *Zones) fromServers(ctx context.Context, servers []server, name string) (alias, error) {
	for _, s := range servers {
		// A dead server costs its wait once.
		if z.dead(s.addr) {
			continue
		}
		r, err := z.ask.exchange(ctx, s.addr, question(name, dns.TypeCNAME, false), time.Second, time.Second)
		if err != nil {
			if ctx.Err() != nil {
				return alias{}, context.Cause(ctx)
			}
			z.bury(s.addr)
			continue
		}
		switch {
		case r.Rcode == dns.RcodeYXDomain && r.Authoritative:
			return alias{}, errTooLong
		case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		case r.Authoritative, referred(r, name) != "":
			return read(r, name), nil
		}
	}
	return alias{}, errNotServed
}

// dead and bury keep in mind, for a while, who did not answer.
func (z *Zones) dead(addr string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return time.Now().Before(z.graves[addr])
}

func (z *Zones) bury(addr string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.graves[addr] = time.Now().Add(failedFor)
}

// read takes an answer apart.
func read(r *dns.Msg, name string) (a alias) {
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.DNAME:
			a.dname = true
		case *dns.CNAME:
			if dns.CanonicalName(rr.Hdr.Name) == name {
				a.target = dns.CanonicalName(rr.Target)
			}
		}
	}
	if a.target != "" {
		return a
	}
	for _, rr := range r.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), name) {
			a.zone = dns.CanonicalName(soa.Hdr.Name)
			return a
		}
	}
	a.zone = referred(r, name)
	return a
}

// referred is the zone that an answer refers to instead of answering.
func referred(r *dns.Msg, name string) string {
	if r.Authoritative || len(r.Answer) > 0 {
		return ""
	}
	for _, rr := range r.Ns {
		if ns, ok := rr.(*dns.NS); ok && dns.IsSubDomain(dns.CanonicalName(ns.Hdr.Name), name) && ns.Hdr.Name != "." {
			return dns.CanonicalName(ns.Hdr.Name)
		}
	}
	return ""
}

// wildcard reports whether the CNAME at a challenge name is there for every
// name: a sibling that nobody made has it too.
func (z *Zones) wildcard(ctx context.Context, challenge string) bool {
	_, base, _ := cutLabel(challenge)
	a, err := z.alias(ctx, "_certform-probe."+base)
	return err == nil && a.target != "" && !a.dname
}

func cutLabel(name string) (label, rest string, ok bool) {
	i, end := dns.NextLabel(name, 0)
	if end {
		return name, ".", false
	}
	return name[:i-1], name[i:], true
}

// chain is the way of CNAMEs for people.
func chain(names ...string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += " -> "
		}
		s += bare(n)
	}
	return s
}

// loopError and the like name the whole way.
func errLoop(names []string) error {
	return fmt.Errorf("the CNAMEs run in a loop: %s", chain(names...))
}
