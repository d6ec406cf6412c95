package providers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

// Found is where the challenge of a name is answered.
type Found struct {
	Name      cert.Name
	Challenge string   // _acme-challenge.example.com.
	Target    string   // where the value goes: Challenge, or where its CNAMEs end
	CNAMEs    []string // the names that were followed, Challenge not among them
	Zone      string   // the zone Target is in, with trailing dot
	Providers []string // addresses of the dns blocks that serve it
	How       string   // for people: "zone.internal", "declared by dns.x.y", "listed by dns.x.y", "known"
	Warnings  []string // for people: a wildcard CNAME that would catch the challenge, say
}

// Learnt is what is remembered of a zone between runs (zones/ZONE).
type Learnt struct {
	Provider string        `json:"provider,omitempty"` // the dns block that listed it
	Servers  []string      `json:"servers,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"` // how long propagation took last time
}

// Options is what NewZones needs.
type Options struct {
	DNS   []DNS
	Zones []Zone
	// Known is what an earlier run learnt of a zone (without trailing dot);
	// nil: nothing.
	Known func(zone string) (Learnt, bool)
	// Exclusive gets a lock across machines; it is held around calls to hosts
	// that can only replace whole sets. nil: one writer per process.
	Exclusive func(ctx context.Context, key string) (release func(), err error)
	Say       event.Listener
}

// Zones knows which provider serves which zone, and carries values there. One
// a run; all methods may be called concurrently.
type Zones struct {
	w *world.World
	o Options

	hosts      map[string]*host    // by address of the dns block
	undeclared []*host             // those without declared zones
	declared   map[string][]string // zone: addresses of the dns blocks that declare it
	blocks     map[string]*Zone    // zone blocks by zone

	ask              *asker
	machine          sync.Once
	machineResolvers []string
	finds            flights[Found]
	authorities      flights[[]server]
	parents          flights[[]server]
	faulty           flights[string]      // what is wrong with a zone's servers
	levels           flights[[]CAARecord] // by name and resolvers
	validations      flights[struct{}]

	mu       sync.Mutex
	graves   map[string]time.Time // who did not answer, and until when that is believed
	lanes    map[string]*lane
	watchers map[string]*watcher
	learnt   map[string]Learnt
	doubted  map[string]bool // zones whose known provider failed
	unrouted map[string]bool // families that were reported
	releases []func()
	wg       sync.WaitGroup
}

// NewZones opens nothing.
func NewZones(w *world.World, o Options) *Zones {
	if o.Say == nil {
		o.Say = event.Discard
	}
	z := &Zones{
		w: w, o: o, ask: newAsker(w),
		hosts: map[string]*host{}, declared: map[string][]string{}, blocks: map[string]*Zone{},
		graves: map[string]time.Time{}, lanes: map[string]*lane{}, watchers: map[string]*watcher{},
		learnt: map[string]Learnt{}, doubted: map[string]bool{}, unrouted: map[string]bool{},
	}
	for _, d := range o.DNS {
		if s, ok := d.Spec.(Batcher); ok {
			d.Quirks.Batch = s.Batch()
		}
		h := &host{DNS: d, w: w, pace: z.pacer(d)}
		z.hosts[d.Address] = h
		if len(d.Zones) == 0 {
			z.undeclared = append(z.undeclared, h)
		}
		for _, zone := range d.Zones {
			if by := z.declared[canonical(zone)]; !slices.Contains(by, d.Address) {
				z.declared[canonical(zone)] = append(by, d.Address)
			}
		}
	}
	slices.SortFunc(z.undeclared, func(a, b *host) int { return strings.Compare(a.Address, b.Address) })
	for i := range o.Zones {
		z.blocks[canonical(o.Zones[i].Name)] = &o.Zones[i]
		for _, r := range o.Zones[i].Resolvers {
			if o.Zones[i].ResolversCA != "" {
				z.ask.roots[r] = o.Zones[i].ResolversCA
			}
		}
	}
	return z
}

// pacer is the pace of a dns block's account, one per process.
func (z *Zones) pacer(d DNS) *pacer {
	p, release, err := world.Shared(context.Background(), z.w, "dns pace "+d.Kind+" "+d.Spec.Account(),
		func(context.Context) (*pacer, error) { return newPacer(d.Quirks), nil })
	if err != nil {
		return newPacer(d.Quirks) // cannot happen: nothing in it fails
	}
	z.releases = append(z.releases, release)
	return p
}

// lane is the way to one zone at one dns block: the zone's writer, and what
// this run's calls are made with.
type lane struct {
	*broker
	link *link
}

func (z *Zones) lane(address, zone string) (*lane, error) {
	h := z.hosts[address]
	if h == nil {
		return nil, never("zone %s: there is no %s", bare(zone), address)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	id := address + " " + zone
	if l := z.lanes[id]; l != nil {
		return l, nil
	}
	writer := "dns writer " + h.Kind + " " + h.Spec.Account() + " " + zone
	if v, ok := h.Spec.(Viewer); ok {
		writer += " " + v.View()
	}
	b, release, err := world.Shared(context.Background(), z.w, writer,
		func(context.Context) (*broker, error) { return newBroker(zone, h.Quirks, h.pace, z.o.Exclusive), nil })
	if err != nil {
		return nil, err
	}
	z.releases = append(z.releases, release)
	l := &lane{b, &link{
		address: address, open: h.provider, gone: z.gone, say: z.o.Say,
		vanish: func(zone, batch string, ops []*op, tell func(*op)) {
			z.watch(zone, []string{address}).vanish(batch, ops, tell)
		},
		delay: func(zone string) time.Duration { return z.watch(zone, []string{address}).usual() },
		wait:  z.patience(h, zone), most: z.most(h, zone),
	}}
	z.lanes[id] = l
	return l, nil
}

// patience is how long a change at a host may take with all its retries: never
// longer than the zone's max_wait, in which it must be seen.
func (z *Zones) patience(h *host, zone string) time.Duration {
	wait := cmp.Or(h.Quirks.Wait, defaultWait)
	if b := z.blocks[zone]; b != nil && b.MaxWait > 0 {
		wait = min(wait, b.MaxWait)
	}
	return wait
}

// most is how many TXT values a zone may have at one name at a time; 0 is any
// number.
func (z *Zones) most(h *host, zone string) int {
	switch b := z.blocks[zone]; {
	case h.Quirks.OneValue:
		return 1
	case b != nil:
		return b.MaxValues
	}
	return 0
}

// note remembers which dns block was found to serve a zone that none declares.
func (z *Zones) note(s served) {
	z.mu.Lock()
	defer z.mu.Unlock()
	l := z.learnt[bare(s.zone)]
	l.Provider = s.providers[0]
	z.learnt[bare(s.zone)] = l
}

// distrust forgets who was known to serve a zone, after that did not work: it
// may have moved, and is asked for again.
func (z *Zones) distrust(zone string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.doubted[zone] = true
	l := z.learnt[bare(zone)]
	l.Provider = ""
	z.learnt[bare(zone)] = l
	z.finds.clear()
}

// Learnt is what this run learnt, by zone (without trailing dot), to be kept
// for the next.
func (z *Zones) Learnt() map[string]Learnt {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := make(map[string]Learnt, len(z.learnt))
	for zone, l := range z.learnt {
		if z.o.Known != nil {
			if before, ok := z.o.Known(zone); ok {
				if !z.doubted[canonical(zone)] {
					l.Provider = cmp.Or(l.Provider, before.Provider)
				}
				l.Delay = cmp.Or(l.Delay, before.Delay)
				if l.Servers == nil {
					l.Servers = before.Servers
				}
			}
		}
		l.Servers = slices.Clone(l.Servers)
		out[zone] = l
	}
	return out
}

// Ready opens these dns blocks, so that a credential that is not there, or not
// in the form its host takes, is known before anything is begun. What is opened
// stays open for the run. The error joins one for each block that is not ready.
func (z *Zones) Ready(ctx context.Context, addresses []string) error {
	errs := make([]error, len(addresses))
	each(addresses, func(i int, address string) {
		if h := z.hosts[address]; h != nil {
			_, errs[i] = h.provider(ctx)
		}
	})
	return errors.Join(errs...)
}

// Close waits for what is under way and lets go of the providers.
func (z *Zones) Close() {
	z.mu.Lock()
	lanes := make([]*lane, 0, len(z.lanes))
	for _, l := range z.lanes {
		lanes = append(lanes, l)
	}
	releases := z.releases
	z.releases = nil
	z.mu.Unlock()
	for _, l := range lanes {
		l.broker.Close()
	}
	z.wg.Wait()
	for _, h := range z.hosts {
		h.close()
	}
	for _, release := range releases {
		release()
	}
}

// each does f for every element at once and waits.
func each[T any](list []T, f func(i int, v T)) {
	if len(list) == 1 {
		f(0, list[0])
		return
	}
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { f(i, v) })
	}
	wg.Wait()
}
