package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/miekg/dns"
)

// mostHops is how many CNAMEs are followed; public resolvers stop about there.
const mostHops = 10

// Find says where the challenge of name is answered, following CNAMEs. Answers
// are kept for the run. It opens a provider only when the zone is neither
// declared nor known. Errors say what would be right.
//
// A CNAME at the challenge name itself is followed, to wherever it ends. One
// that is there only because of a wildcard (*.example.com) is not, if the
// challenge name lies in a zone that is served: a TXT value written there ends
// the wildcard for that name (RFC 4592, section 2.2.1); otherwise it is
// followed like any other. Both are a warning.
func (z *Zones) Find(ctx context.Context, name cert.Name) (Found, error) {
	base := name.Base()
	f, err := z.finds.of(base).do(ctx, func(ctx context.Context) (Found, error) { return z.find(ctx, base) })
	f.Name = name
	// Each caller gets slices of its own.
	f.CNAMEs, f.Providers, f.Warnings = slices.Clone(f.CNAMEs), slices.Clone(f.Providers), slices.Clone(f.Warnings)
	return f, err
}

func (z *Zones) find(ctx context.Context, base string) (Found, error) {
	f := Found{Challenge: dns.CanonicalName("_acme-challenge." + base)}
	f.Target = f.Challenge
	if _, ok := dns.IsDomainName(f.Challenge); !ok || len(f.Challenge) > 254 {
		return f, world.Never(fmt.Errorf("%s is too long: with _acme-challenge before it no name of DNS", base))
	}
	cut, err := z.follow(ctx, &f)
	if err != nil {
		return f, err
	}
	s, warnings, err := z.match(ctx, f.Target, cut)
	f.Warnings = append(f.Warnings, warnings...)
	if err != nil {
		if len(f.CNAMEs) > 0 {
			err = fmt.Errorf("%s: %w", chain(append([]string{f.Challenge}, f.CNAMEs...)...), err)
		} else if errors.Is(err, errUnserved) {
			err = also{err, ErrNoZone}
		}
		return f, err
	}
	for _, p := range s.providers {
		h := z.hosts[p]
		if h == nil {
			return f, world.Never(fmt.Errorf("zone %s is to be served by %s, which does not exist", bare(s.zone), p))
		}
		switch {
		case h.Quirks.WholeZone:
			f.Warnings = append(f.Warnings, fmt.Sprintf(
				"%s can only write zone %s back as a whole, so what somebody else changes in it at the same moment is lost; delegate its _acme-challenge names by CNAMEs to a zone of its own",
				p, bare(s.zone)))
		case h.Quirks.OneValue:
			f.Warnings = append(f.Warnings, fmt.Sprintf(
				"%s holds one TXT value at a name of zone %s, and writing replaces it; an _acme-challenge name at which somebody else writes TXT values too should be delegated by a CNAME to a zone of its own",
				p, bare(s.zone)))
		case h.Quirks.Replaces || h.Quirks.DeletesByName:
			f.Warnings = append(f.Warnings, fmt.Sprintf(
				"%s can only replace all values at a name of zone %s; an _acme-challenge name at which somebody else writes TXT values too should be delegated by a CNAME to a zone of its own",
				p, bare(s.zone)))
		}
	}
	if s.asked {
		z.note(s)
	}
	if cut != "" && below(s.zone, cut) {
		f.Warnings = append(f.Warnings, fmt.Sprintf(
			"DNS knows no zone %s: to it %s is in zone %s; until a delegation leads to %[1]s nobody sees what is written there",
			bare(s.zone), bare(f.Target), bare(cut)))
	}
	f.Warnings = append(f.Warnings, z.faultsOnTheWay(ctx, f, s.zone)...)
	f.Zone, f.Providers, f.How = s.zone, s.providers, s.how
	return f, nil
}

// follow walks the CNAMEs and leaves the last name in f.Target. cut is the
// zone that DNS says it is in, or "".
func (z *Zones) follow(ctx context.Context, f *Found) (cut string, err error) {
	way := []string{f.Challenge}
	for {
		a, err := z.alias(ctx, f.Target)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if errors.Is(err, errTooLong) {
			return "", world.Never(fmt.Errorf("%s: %w", bare(f.Target), err))
		}
		if err != nil {
			// The zone may be declared; whether a CNAME leads elsewhere is then
			// all that is not known.
			f.Warnings = append(f.Warnings, fmt.Sprintf("whether a CNAME leads elsewhere could not be asked: %v", err))
			return "", nil
		}
		if a.target == "" {
			return a.zone, nil
		}
		if len(way) == 1 && !a.dname && z.wildcard(ctx, f.Challenge) {
			_, parent, _ := cutLabel(f.Challenge)
			if s, _, err := z.match(ctx, f.Challenge, z.cut(ctx, parent)); err == nil {
				f.Warnings = append(f.Warnings, fmt.Sprintf(
					"a wildcard CNAME (*.%s or above it, to %s) catches %s; it is not followed, since a value written there takes its place (in zone %s)",
					bare(parent), bare(a.target), bare(f.Challenge), bare(s.zone)))
				return "", nil
			}
			f.Warnings = append(f.Warnings, fmt.Sprintf(
				"%s exists only by a wildcard CNAME to %s, which is followed; a CNAME or a TXT record of its own there would end that",
				bare(f.Challenge), bare(a.target)))
		}
		looped := slices.Contains(way, a.target)
		way = append(way, a.target)
		if looped {
			return "", world.Never(errLoop(way))
		}
		if len(way) > mostHops+1 {
			return "", world.Never(fmt.Errorf("more than %d CNAMEs in a row: %s", mostHops, chain(way...)))
		}
		f.CNAMEs, f.Target = way[1:], a.target
	}
}

// faultsOnTheWay is what is wrong with the servers of the zones that a CA has to
// ask, as far as they are known; last is the one where the value goes.
func (z *Zones) faultsOnTheWay(ctx context.Context, f Found, last string) (out []string) {
	var zones []string
	for _, name := range append([]string{f.Challenge}, f.CNAMEs...) {
		zone := z.guess(name)
		if name == f.Target {
			zone = last
		}
		if zone != "" && !slices.Contains(zones, zone) {
			zones = append(zones, zone)
		}
	}
	for _, zone := range zones {
		if faults := z.faults(ctx, zone); faults != "" {
			out = append(out, faults)
		}
	}
	return out
}

// cut is the zone that the resolvers say name is in, or "".
func (z *Zones) cut(ctx context.Context, name string) string {
	r, err := z.ask.recursive(ctx, z.resolvers(ctx, z.guess(name)), name, dns.TypeSOA)
	if err != nil {
		return ""
	}
	for _, rr := range append(r.Answer, r.Ns...) {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), name) {
			return dns.CanonicalName(soa.Hdr.Name)
		}
	}
	return ""
}
