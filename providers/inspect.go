package providers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// faults is which servers of a zone do not answer for it, for people; "" if all
// do. It is asked once a zone, every server at every address: who is dead, lame
// or intercepted now would be waited for in vain after the order.
func (z *Zones) faults(ctx context.Context, zone string) string {
	text, _ := z.faulty.of(zone).do(ctx, func(ctx context.Context) (string, error) {
		servers, err := z.servers(ctx, zone)
		if err != nil {
			return "", nil // the look for CNAMEs has said so
		}
		words := make([]string, len(servers))
		hint := "the CA may ask there too"
		each(servers, func(i int, s server) {
			if words[i] = z.fault(ctx, s, zone); words[i] != "" {
				words[i] = s.String() + " " + words[i]
			}
		})
		var out []string
		for _, w := range words {
			if w != "" {
				out = append(out, w)
			}
			if strings.HasSuffix(w, errIntercepted.Error()) {
				hint = reachable
			}
		}
		if len(out) == 0 || ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return fmt.Sprintf("zone %s: %s: %s", bare(zone), strings.Join(out, "; "), hint), nil
	})
	return text
}

// fault is what is wrong with one server of a zone, "" if nothing is.
func (z *Zones) fault(ctx context.Context, s server, zone string) string {
	if z.dead(s.addr) {
		return "does not answer"
	}
	r, err := z.ask.exchange(ctx, s.addr, question(zone, dns.TypeSOA, false), time.Second)
	switch {
	case err != nil && (unroutable(err) || ctx.Err() != nil):
		return ""
	case err != nil:
		z.bury(s.addr)
		return "does not answer"
	case intercepted(r):
		return errIntercepted.Error()
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return "answers " + dns.RcodeToString[r.Rcode]
	case !r.Authoritative:
		return "does not serve it"
	}
	return ""
}
