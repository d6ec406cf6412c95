package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	shortest = 50 * time.Millisecond  // between two looks at a server
	longest  = 600 * time.Millisecond // the same, as long as that is more than a 200th of the wait
	again    = 25 * time.Millisecond  // until what was seen once is looked at again
	scouts   = 2                      // names of a batch that are asked until one shows
	asking   = 32                     // questions at a time to one server
)

// follow looks at one server until it shows every value that is waited for.
func (w *watcher) follow(s server, wake <-chan struct{}) {
	for {
		p := w.next(s)
		switch {
		case p == nil:
			return
		case len(p.names) == 0:
			t := time.NewTimer(time.Until(p.at))
			select {
			case <-t.C:
			case <-wake: // somebody new waits
			case <-p.ctx.Done():
			}
			t.Stop()
		default:
			w.poll(s, p)
		}
	}
}

// poll is one look at a server: each name is asked at most once, for everybody
// who waits for a value there.
type poll struct {
	ctx    context.Context
	at     time.Time // the earliest next one, if no name is to be asked now
	names  map[string]bool
	rounds map[*round]bool
}

// next is what is to be asked of s now; nil ends the follower. A server takes a
// batch over as a whole, so as long as nothing of it has shown, two of its
// names are asked, other ones each time, and not two thousand.
func (w *watcher) next(s server) *poll {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &poll{ctx: w.ctx, names: map[string]bool{}, rounds: map[*round]bool{}}
	var others []*round
	live := false
	for _, r := range w.rounds {
		names, seen := r.pending(s)
		if len(names) == 0 {
			continue
		}
		live = true
		at := r.due[s]
		if time.Now().Before(at) {
			if p.at.IsZero() || at.Before(p.at) {
				p.at = at
			}
			others = append(others, r)
			continue
		}
		if !seen {
			from := r.turn[s] % len(names)
			r.turn[s] += scouts
			names = slices.Concat(names[from:], names[:from])
			names = names[:min(scouts, len(names))]
		}
		p.rounds[r] = true
		for _, name := range names {
			p.names[name] = true
		}
	}
	if !live {
		delete(w.busy, s)
		return nil
	}
	// Whose names are asked anyway has had its look with that.
	for _, r := range others {
		names, _ := r.pending(s)
		if !slices.ContainsFunc(names, func(name string) bool { return !p.names[name] }) {
			p.rounds[r] = true
		}
	}
	return p
}

// pending is the names of which s does not show all values for certain, in a
// fixed order; seen if it showed one of those values once. w.mu is held.
func (r *round) pending(s server) (names []string, seen bool) {
	if !time.Now().Before(r.deadline) {
		return nil, false
	}
	for _, name := range r.order {
		missing := false
		for _, k := range r.names[name] {
			missing = missing || r.sights[k].missing[s]
			seen = seen || r.sights[k].once[s]
		}
		if missing {
			names = append(names, name)
		}
	}
	return names, seen
}

// poll asks, and asks for the rest of a batch once something of it has shown.
func (w *watcher) poll(s server, p *poll) {
	hit := w.ask(p.ctx, s, slices.Sorted(maps.Keys(p.names)))
	w.mu.Lock()
	rest := map[string]bool{}
	for r := range hit {
		p.rounds[r] = true
		names, _ := r.pending(s)
		for _, name := range names {
			if !p.names[name] {
				rest[name] = true
			}
		}
	}
	w.mu.Unlock()
	if len(rest) > 0 {
		w.ask(p.ctx, s, slices.Sorted(maps.Keys(rest)))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range p.rounds {
		pause := r.pause()
		if _, seen := r.pending(s); seen {
			pause = again
		}
		r.due[s] = time.Now().Add(pause)
	}
}

// pause is the time to the next look: short at first and growing with the time
// that has passed, so that it is little beside the wait. What was learnt
// before keeps it from looking often long before a value can be there, and has
// it look closely when it should come.
func (r *round) pause() time.Duration {
	passed := time.Since(r.began)
	p := max(min(passed/32, longest), passed/200, shortest)
	switch early := r.expected*9/10 - passed; {
	case early > p:
		p = min(early, longest)
	case passed < r.expected*11/10:
		p = min(p, max(r.expected/100, shortest))
	}
	return min(p, max(time.Until(r.deadline)-shortest, shortest))
}

// ask asks s for some names, and notes what it shows in every round that waits
// for one of them. hit is the rounds that saw something new.
func (w *watcher) ask(ctx context.Context, s server, names []string) (hit map[*round]bool) {
	hit = map[*round]bool{}
	var wg sync.WaitGroup
	for part := range slices.Chunk(names, max(1, (len(names)+asking-1)/asking)) {
		wg.Go(func() {
			for _, name := range part {
				texts, err := w.z.texts(ctx, s, name)
				if ctx.Err() != nil {
					return
				}
				w.mu.Lock()
				for _, r := range w.rounds {
					if r.note(s, name, texts, err) {
						hit[r] = true
					}
				}
				w.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return hit
}

// note takes in what s said of a name; true if that is a value which it did not
// show before. w.mu is held.
func (r *round) note(s server, name string, texts []string, err error) (hit bool) {
	keys := r.names[name]
	if len(keys) == 0 || r.skipped[s] || !time.Now().Before(r.deadline) {
		return false
	}
	if err != nil && unroutable(err) {
		r.skip(s, err)
		return false
	}
	absent, fickle, waits := false, false, false
	for _, k := range keys {
		sight := r.sights[k]
		switch {
		case !sight.missing[s]:
			continue
		case err != nil || slices.Contains(texts, k.text) == r.gone:
			absent = true
			fickle = fickle || sight.once[s]
			delete(sight.once, s)
		case !sight.once[s]:
			sight.once[s] = true
			hit = true
		default:
			delete(sight.missing, s)
			delete(sight.once, s)
			r.check(k, sight)
			continue
		}
		waits = true
	}
	switch {
	case !waits:
	case err != nil:
		r.said[s] = err.Error()
	case fickle:
		r.said[s] = fmt.Sprintf("shows %s one time and not the next, as several machines behind one address do", bare(name))
	case absent && len(texts) > 0:
		r.said[s] = fmt.Sprintf("shows other values at %s", bare(name))
	case absent:
		r.said[s] = "does not show " + bare(name) + " yet"
	}
	return hit
}

// errIntercepted is an answer that no authoritative server gives.
var errIntercepted = errors.New("answers as a resolver does, without authority: port 53 is intercepted on the way, or it does not serve the zone")

// texts is the TXT values that a server shows at name, over UDP and, if that
// brings nothing, over TCP. Only an authoritative answer counts: another one
// comes from somebody in between, or from a server that does not know the zone.
func (z *Zones) texts(ctx context.Context, s server, name string) ([]string, error) {
	r, err := z.ask.exchange(ctx, s.addr, question(name, dns.TypeTXT, false), 1500*time.Millisecond)
	switch {
	case err != nil:
		return nil, fmt.Errorf("does not answer: %w", err)
	case intercepted(r):
		return nil, errIntercepted
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("answers %s", dns.RcodeToString[r.Rcode])
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

// intercepted reports whether an answer to a question without recursion reads
// as a resolver's: it offers recursion or has data, and no authority (RFC 1035,
// section 4.1.1).
func intercepted(r *dns.Msg) bool {
	return !r.Authoritative && (r.RecursionAvailable || len(r.Answer) > 0) &&
		(r.Rcode == dns.RcodeSuccess || r.Rcode == dns.RcodeNameError)
}

// gone asks DNS whether a value is gone, for providers that cannot read. It
// waits as long as it would wait for one to appear.
func (z *Zones) gone(ctx context.Context, zone string, k key) error {
	servers, err := z.servers(ctx, zone)
	if err != nil {
		return err
	}
	var last error
	for pause := shortest; ; pause = min(2*pause, 2*time.Second) {
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
