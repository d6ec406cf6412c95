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
func (r *round) over(s server) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	delete(r.busy, s)
	for k, sight := range r.sights {
		if sight.closed() {
			continue
		}
		var who []string
		for _, srv := range r.servers {
			if sight.missing[srv] {
				who = append(who, srv.String()+" "+cmp.Or(r.said[srv], "has not answered yet"))
			}
		}
		sight.err = world.Hint(
			fmt.Errorf("zone %s: after %s TXT %s is not shown by every authoritative server: %s",
				bare(r.w.zone), r.w.wait, bare(k.name), strings.Join(who, "; ")),
			"a slow host needs a longer max_wait in a zone block; a dead server must leave the delegation, since the CA may ask it too")
		close(sight.done)
	}
}

// report says who lags, every few seconds, until the round ends.
func (r *round) report() {
	for {
		if sleep(r.ctx, report) != nil {
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
		var who []string
		for _, srv := range r.servers {
			if late[srv] {
				who = append(who, srv.String()+" "+cmp.Or(r.said[srv], "has not answered yet"))
			}
		}
		r.w.mu.Unlock()
		if n == 0 {
			continue
		}
		r.w.z.o.Say(event.Event{
			Kind: event.Propagating, Zone: bare(r.w.zone), N: n, Took: time.Since(r.began), Until: r.deadline,
			Note: "waiting for " + strings.Join(who, "; "),
		})
	}
}

func (r *round) names(servers []server) string {
	var out []string
	for _, s := range servers {
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
