package providers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/miekg/dns"
)

// server is one address of one authoritative server.
type server struct {
	name string // as NS records or the zone block name it, without trailing dot
	addr string // host:port
}

func (s server) String() string {
	if host, _, err := net.SplitHostPort(s.addr); err != nil || host == s.name || s.addr == s.name {
		return s.addr
	}
	return fmt.Sprintf("%s (%s)", s.name, s.addr)
}

// resolvers is whom to ask about names in zone: those of its block, else the
// machine's.
func (z *Zones) resolvers(ctx context.Context, zone string) []string {
	if b := z.blocks[zone]; b != nil && len(b.Resolvers) > 0 {
		var out []string
		for _, s := range b.Resolvers {
			if doh(s) {
				out = append(out, s)
				continue
			}
			host, stream := strings.CutPrefix(s, "tcp://")
			for _, one := range z.dialled(ctx, strings.TrimPrefix(host, "udp://")) {
				if stream {
					one.addr = "tcp://" + one.addr
				}
				out = append(out, one.addr)
			}
		}
		return out
	}
	z.machine.Do(func() { z.machineResolvers = z.w.ResolverAddrs() })
	return z.machineResolvers
}

// dialled is a host or host:port of the configuration as addresses.
func (z *Zones) dialled(ctx context.Context, s string) []server {
	host, port, err := net.SplitHostPort(withPort(s))
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(s, ".")
	addrs, err := z.w.LookupHost(ctx, strings.TrimSuffix(host, "."))
	if err != nil {
		// Dialled by its name: the error then says what is wrong with it.
		return []server{{name, net.JoinHostPort(host, port)}}
	}
	var out []server
	for _, a := range addrs {
		out = append(out, server{name, net.JoinHostPort(a.String(), port)})
	}
	return out
}

// knownThere is dialled by the resolvers of the zone's block: where names look
// different inside, so may those of the servers.
func (z *Zones) knownThere(ctx context.Context, zone, s string) (out []server) {
	host, port, err := net.SplitHostPort(withPort(s))
	if _, is := netip.ParseAddr(host); err != nil || is == nil || len(z.blocks[zone].Resolvers) == 0 {
		return nil
	}
	for _, a := range z.addresses(ctx, z.resolvers(ctx, zone), dns.CanonicalName(host), nil) {
		out = append(out, server{strings.TrimSuffix(s, "."), net.JoinHostPort(a.String(), port)})
	}
	return out
}

var errNoServers = errors.New("its authoritative servers cannot be found")

// servers is every address of every authoritative server of zone: those of the
// zone block, else those that the parent delegates to and those that the zone
// itself names.
func (z *Zones) servers(ctx context.Context, zone string) ([]server, error) {
	return z.authorities.of(zone).do(ctx, func(ctx context.Context) ([]server, error) {
		if b := z.blocks[zone]; b != nil && len(b.Nameservers) > 0 {
			var out []server
			for _, s := range b.Nameservers {
				found := z.knownThere(ctx, zone, s)
				if len(found) == 0 {
					found = z.dialled(ctx, s)
				}
				out = append(out, found...)
			}
			return out, nil
		}
		found, err := z.delegated(ctx, zone)
		if err == nil && len(found) == 0 {
			err = errNoServers
		}
		if err != nil {
			return nil, world.Hint(fmt.Errorf("zone %s: %w", bare(zone), err),
				fmt.Sprintf("a block zone %q { nameservers = [...] } says whom to ask", bare(zone)))
		}
		return found, nil
	})
}

func (z *Zones) delegated(ctx context.Context, zone string) ([]server, error) {
	resolvers := z.resolvers(ctx, zone)
	r, err := z.ask.recursive(ctx, resolvers, zone, dns.TypeNS)
	var names []string
	if err == nil {
		names = nsNames(r.Answer, zone)
	}
	glue := map[string][]netip.Addr{}
	for _, name := range z.parentSays(ctx, resolvers, zone, glue) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, err
	}
	found := make([][]server, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			for _, a := range z.addresses(ctx, resolvers, name, glue[name]) {
				found[i] = append(found[i], server{bare(name), netip.AddrPortFrom(a, 53).String()})
			}
		})
	}
	wg.Wait()
	var out []server
	for i, name := range names {
		if len(found[i]) == 0 {
			// Named all the same: a server without an address is a fault of the
			// zone that the CA may meet as well.
			out = append(out, server{bare(name), net.JoinHostPort(bare(name), "53")})
		}
		for _, s := range found[i] {
			if !slices.ContainsFunc(out, func(o server) bool { return o.addr == s.addr }) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// parentSays is the servers that the zone above delegates to: they are what
// the world is led to, and need not be what the zone itself names. A parent
// that cannot be asked changes nothing.
func (z *Zones) parentSays(ctx context.Context, resolvers []string, zone string, glue map[string][]netip.Addr) []string {
	if zone == "." {
		return nil
	}
	for up := range suffixes(zone) {
		if up == zone {
			continue
		}
		parents, _ := z.parents.of(up).do(ctx, func(ctx context.Context) ([]server, error) {
			return z.someServers(ctx, resolvers, up), nil
		})
		if len(parents) > 0 {
			return z.referral(ctx, parents, zone, glue)
		}
	}
	root, _ := z.parents.of(".").do(ctx, func(ctx context.Context) ([]server, error) {
		return z.someServers(ctx, resolvers, "."), nil
	})
	return z.referral(ctx, root, zone, glue)
}

// someServers is a few addresses of a zone's servers, none if it is no zone.
func (z *Zones) someServers(ctx context.Context, resolvers []string, zone string) []server {
	r, err := z.ask.recursive(ctx, resolvers, zone, dns.TypeNS)
	if err != nil {
		return nil
	}
	var out []server
	for _, name := range nsNames(r.Answer, zone) {
		for _, a := range z.addresses(ctx, resolvers, name, nil) {
			out = append(out, server{bare(name), netip.AddrPortFrom(a, 53).String()})
		}
		if len(out) >= 4 {
			break
		}
	}
	return out
}

func (z *Zones) referral(ctx context.Context, parents []server, zone string, glue map[string][]netip.Addr) []string {
	for i, p := range parents {
		if i == 3 {
			break
		}
		r, err := z.ask.exchange(ctx, p.addr, question(zone, dns.TypeNS, false), time.Second)
		if err != nil || r.Rcode != dns.RcodeSuccess {
			continue
		}
		for _, rr := range r.Extra {
			switch rr := rr.(type) {
			case *dns.A:
				glue[dns.CanonicalName(rr.Hdr.Name)] = append(glue[dns.CanonicalName(rr.Hdr.Name)], addr(rr.A))
			case *dns.AAAA:
				glue[dns.CanonicalName(rr.Hdr.Name)] = append(glue[dns.CanonicalName(rr.Hdr.Name)], addr(rr.AAAA))
			}
		}
		return nsNames(append(r.Ns, r.Answer...), zone)
	}
	return nil
}

func nsNames(rrs []dns.RR, zone string) (names []string) {
	for _, rr := range rrs {
		if ns, ok := rr.(*dns.NS); ok && dns.CanonicalName(ns.Hdr.Name) == zone {
			if name := dns.CanonicalName(ns.Ns); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// addresses is every A and AAAA of a server's name, and its glue if it has
// none.
func (z *Zones) addresses(ctx context.Context, resolvers []string, name string, glue []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA} {
		r, err := z.ask.recursive(ctx, resolvers, name, typ)
		if err != nil {
			continue
		}
		for _, rr := range r.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				out = append(out, addr(rr.A))
			case *dns.AAAA:
				out = append(out, addr(rr.AAAA))
			}
		}
	}
	if len(out) == 0 {
		return glue
	}
	return out
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
