package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/miekg/dns"
)

// CAARecord is one CAA record (RFC 8659) as it stands in DNS. Owner has a
// trailing dot; it is not the name that was asked for where a CNAME led to it.
type CAARecord struct {
	Owner      string
	Flag       uint8
	Tag, Value string
}

// ErrBroken is in the chain of an error that a CA will meet as well when it
// asks: its zone's DNSSEC is broken, or its servers do not answer.
var ErrBroken = errors.New("a CA cannot look there either")

// CAA is the records that say who may issue for name: those of the closest
// level, from the name up, that has any (RFC 8659, section 3). None mean that
// everybody may. CNAME and DNAME are followed at each level, as resolvers do;
// what is above is asked of the name, not of where they lead. A wildcard has
// the records of the name below its asterisk.
//
// Each level is asked once a run, however many names are below it. It may be
// called concurrently. An error that is no ErrBroken says that this machine
// could not look; a CA perhaps can.
func (z *Zones) CAA(ctx context.Context, name cert.Name) ([]CAARecord, error) {
	base := dns.CanonicalName(name.Base())
	zone := z.guess(base)
	resolvers := z.resolvers(ctx, zone)
	horizon := " " + strings.Join(resolvers, " ")
	for level := range suffixes(base) {
		set, err := z.levels.of(level+horizon).do(ctx, func(ctx context.Context) ([]CAARecord, error) {
			return z.caaAt(ctx, resolvers, level)
		})
		switch {
		case err == nil && len(set) > 0:
			return slices.Clone(set), nil
		case err == nil:
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case zone != "" && below(zone, level) && !errors.As(err, new(*bogusError)):
			// Resolvers of a split horizon need not know what is above it; nor
			// has anything above a zone of ours a record as a rule.
			return nil, nil
		default:
			return nil, fmt.Errorf("CAA of %s: %w", bare(level), err)
		}
	}
	return nil, nil
}

// caaAt is the CAA records at one level, or where its CNAMEs lead.
func (z *Zones) caaAt(ctx context.Context, resolvers []string, level string) ([]CAARecord, error) {
	way := []string{level}
	for {
		at := way[len(way)-1]
		r, err := z.validated(ctx, resolvers, at, dns.TypeCAA)
		if err != nil {
			var bogus *bogusError
			if ctx.Err() != nil || errors.As(err, &bogus) {
				return nil, err
			}
			if r = z.authority(ctx, at, dns.TypeCAA); r == nil {
				return nil, err
			}
		}
		var set []CAARecord
		for _, rr := range r.Answer {
			if c, ok := rr.(*dns.CAA); ok {
				set = append(set, CAARecord{dns.CanonicalName(c.Hdr.Name), c.Flag, c.Tag, c.Value})
			}
		}
		next := end(r, at)
		if len(set) > 0 || next == at || denied(r, next) {
			return set, nil
		}
		// Who answered knows no more than the CNAME.
		looped := slices.Contains(way, next)
		if way = append(way, next); looped {
			return nil, fmt.Errorf("%w: %w", errLoop(way), ErrBroken)
		}
		if len(way) > mostHops+1 {
			return nil, fmt.Errorf("more than %d CNAMEs in a row: %s: %w", mostHops, chain(way...), ErrBroken)
		}
	}
}

// end is the name where the CNAMEs of an answer lead from name.
func end(r *dns.Msg, name string) string {
	for range len(r.Answer) {
		i := slices.IndexFunc(r.Answer, func(rr dns.RR) bool {
			c, ok := rr.(*dns.CNAME)
			return ok && dns.CanonicalName(c.Hdr.Name) == name
		})
		if i < 0 {
			break
		}
		name = dns.CanonicalName(r.Answer[i].(*dns.CNAME).Target)
	}
	return name
}

// denied reports whether an answer denies what was asked for at name.
func denied(r *dns.Msg, name string) bool {
	return r.Rcode == dns.RcodeNameError || slices.ContainsFunc(r.Ns, func(rr dns.RR) bool {
		soa, ok := rr.(*dns.SOA)
		return ok && dns.IsSubDomain(dns.CanonicalName(soa.Hdr.Name), name)
	})
}

// authority asks the servers of the zone that name seems to be in, for when no
// resolver has an answer; nil if they have none either.
func (z *Zones) authority(ctx context.Context, name string, typ uint16) *dns.Msg {
	zone := z.guess(name)
	if zone == "" {
		return nil
	}
	servers, err := z.servers(ctx, zone)
	if err != nil {
		return nil
	}
	for _, s := range servers {
		if z.dead(s.addr) {
			continue
		}
		r, err := z.ask.exchange(ctx, s.addr, question(name, typ, false), time.Second, time.Second)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			z.bury(s.addr)
			continue
		}
		if r.Authoritative && (r.Rcode == dns.RcodeSuccess || r.Rcode == dns.RcodeNameError) {
			return r
		}
	}
	return nil
}
