package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// follow looks at one server until it shows every value of the round.
func (r *round) follow(s server) {
	for {
		pending := r.pending(s)
		if len(pending) == 0 {
			return
		}
		r.look(s, pending)
		if sleep(r.ctx, r.pause()) != nil {
			r.over(s)
			return
		}
	}
}

// pause is the time to the next look: short at first and growing with the time
// that has passed, so that it costs at most a fifth of the wait. What was
// learnt before keeps it from looking often long before it can be there.
func (r *round) pause() time.Duration {
	passed := time.Since(r.began)
	if passed > time.Minute {
		return slow
	}
	p := min(max(passed/5, shortest), longest)
	if early := r.expected*4/5 - passed; early > p {
		p = min(early, longest)
	}
	return min(p, max(time.Until(r.deadline)-shortest, shortest))
}

// pending is the values that s does not show yet, by name, in a fixed order;
// none ends the follower.
func (r *round) pending(s server) []key {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	var out []key
	for k, sight := range r.sights {
		if sight.missing[s] {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		delete(r.busy, s)
	}
	slices.SortFunc(out, func(a, b key) int { return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.text, b.text)) })
	return out
}

// look asks a server for two of the pending names, other ones each time, and
// for all of them once it shows one: a server takes a batch over as a whole,
// so polling costs two questions, not two a name.
func (r *round) look(s server, pending []key) {
	names := make([]string, 0, len(pending))
	wanted := map[string][]key{}
	for _, k := range pending {
		if wanted[k.name] == nil {
			names = append(names, k.name)
		}
		wanted[k.name] = append(wanted[k.name], k)
	}
	r.w.mu.Lock()
	from := r.turn[s] % len(names)
	r.turn[s] += 2
	r.w.mu.Unlock()
	names = slices.Concat(names[from:], names[:from])
	scouts := names[:min(2, len(names))]
	hit := false
	for _, name := range scouts {
		hit = r.one(s, name, wanted[name]) || hit
	}
	if !hit {
		return
	}
	rest := names[len(scouts):]
	var wg sync.WaitGroup
	for part := range slices.Chunk(rest, max(1, (len(rest)+15)/16)) {
		wg.Go(func() {
			for _, name := range part {
				if r.ctx.Err() != nil {
					return
				}
				r.one(s, name, wanted[name])
			}
		})
	}
	wg.Wait()
}

// one asks s for one name and notes what it shows; true if that was something
// new.
func (r *round) one(s server, name string, keys []key) bool {
	texts, err := r.w.z.texts(r.ctx, s, name)
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if err != nil {
		if unroutable(err) {
			r.skip(s, err)
		} else if time.Now().Before(r.deadline) {
			r.said[s] = err.Error()
		}
		return false
	}
	hit, all := false, true
	for _, k := range keys {
		if !slices.Contains(texts, k.text) {
			all = false
			continue
		}
		hit = true
		sight := r.sights[k]
		delete(sight.missing, s)
		r.check(k, sight)
	}
	if !all {
		r.said[s] = "does not show " + bare(name) + " yet"
		if len(texts) > 0 {
			r.said[s] = fmt.Sprintf("shows other values at %s", bare(name))
		}
	}
	return hit
}

// texts is the TXT values that a server shows at name, over UDP and, if that
// brings nothing, over TCP. Only an authoritative answer counts: another one
// comes from somebody in between, or from a server that does not know the zone.
func (z *Zones) texts(ctx context.Context, s server, name string) ([]string, error) {
	r, err := z.ask.exchange(ctx, s.addr, question(name, dns.TypeTXT, false), 1500*time.Millisecond)
	switch {
	case err != nil:
		return nil, fmt.Errorf("does not answer: %w", err)
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("answers %s", dns.RcodeToString[r.Rcode])
	case !r.Authoritative && len(r.Answer) > 0:
		return nil, errors.New("answers without authority: port 53 is intercepted on the way, or it is no server of the zone")
	case !r.Authoritative:
		return nil, errors.New("answers without authority: it does not serve the zone")
	}
	var out []string
	for _, rr := range r.Answer {
		if t, ok := rr.(*dns.TXT); ok && dns.CanonicalName(t.Hdr.Name) == name {
			out = append(out, Text(t))
		}
	}
	return out, nil
}

// gone asks DNS whether a value is gone, for providers that cannot read. It
// waits as long as it would wait for one to appear.
func (z *Zones) gone(ctx context.Context, zone string, k key) error {
	servers, err := z.servers(ctx, zone)
	if err != nil {
		return err
	}
	var last error
	for pause := shortest; ; pause = min(2*pause, slow) {
		last = nil
		for _, s := range servers {
			texts, err := z.texts(ctx, s, k.name)
			if err != nil && !unroutable(err) {
				last = fmt.Errorf("%s %w", s, err)
			} else if slices.Contains(texts, k.text) {
				last = fmt.Errorf("%s still shows it", s)
			}
			if last != nil {
				break
			}
		}
		if last == nil {
			return nil
		}
		if d, ok := ctx.Deadline(); ok && time.Until(d) < pause || sleep(ctx, pause) != nil {
			return last
		}
	}
}
