package providers

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

// over is the deadline of the round (or nobody waits any more): who waits for
// a value hears which servers do not show it and what they said.
func (r *round) over() {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for k, sight := range r.sights {
		if sight.closed() {
			continue
		}
		hint := "a slow host needs a longer max_wait in a zone block; a dead server must leave the delegation, since the CA may ask it too"
		for srv := range sight.missing {
			if r.said[srv] == errIntercepted.Error() {
				hint = reachable
			}
		}
		sight.err = world.Hint(
			fmt.Errorf("zone %s: after %s TXT %s is not shown by every authoritative server: %s",
				bare(r.w.zone), r.w.wait, bare(k.name), r.laggards(sight.missing)), hint)
		close(sight.done)
	}
}

// reachable is the advice where somebody answers in the servers' place.
const reachable = "let this machine reach port 53 of the zone's servers directly, or name servers that it can reach in a zone block (nameservers)"

// laggards is the servers that do not show something, each with its last word;
// w.mu is held.
func (r *round) laggards(missing map[server]bool) string {
	var who []string
	for _, s := range r.servers {
		if missing[s] {
			who = append(who, s.String()+" "+cmp.Or(r.said[s], "has not answered yet"))
		}
	}
	return strings.Join(who, "; ")
}

// reported and seldom are the first and the longest time between two notes
// about laggards.
const (
	reported = 3 * time.Second
	seldom   = time.Minute
)

// report says who lags, ever more seldom, until the round ends.
func (r *round) report() {
	for pause := reported; ; pause = min(2*pause, seldom) {
		if sleep(r.ctx, pause) != nil {
			r.over()
			return
		}
		r.w.mu.Lock()
		late := map[server]bool{}
		n := 0
		for _, s := range r.sights {
			if len(s.missing) > 0 {
				n++
			}
			for srv := range s.missing {
				late[srv] = true
			}
		}
		who := r.laggards(late)
		r.w.mu.Unlock()
		if n == 0 || r.gone {
			continue
		}
		r.w.z.o.Say(event.Event{
			Kind: event.Propagating, Zone: bare(r.w.zone), N: n, Took: time.Since(r.began), Until: r.deadline,
			Note: who,
		})
	}
}

func (r *round) everybody() string {
	var out []string
	for _, s := range r.servers {
		out = append(out, s.String())
	}
	return strings.Join(out, ", ")
}

// propagated says so and keeps what was learnt.
func (z *Zones) propagated(r *round, took time.Duration) {
	z.o.Say(event.Event{Kind: event.Propagated, Zone: bare(r.w.zone), N: len(r.sights), Took: took})
	z.mu.Lock()
	defer z.mu.Unlock()
	l := z.learnt[bare(r.w.zone)]
	l.Delay = took
	l.Servers = nil
	for _, s := range r.servers {
		l.Servers = append(l.Servers, s.String())
	}
	z.learnt[bare(r.w.zone)] = l
}

// reportUnrouted says once that a family is left out.
func (z *Zones) reportUnrouted(s server, err error) {
	family := "IPv4"
	if strings.HasPrefix(s.addr, "[") {
		family = "IPv6"
	}
	z.mu.Lock()
	before := z.unrouted[family]
	z.unrouted[family] = true
	z.mu.Unlock()
	if !before {
		z.o.Say(event.Event{Kind: event.Warned, Err: err,
			Note: fmt.Sprintf("%s cannot be routed from here: name servers' addresses of that family, as %s, are not asked", family, s)})
	}
}
