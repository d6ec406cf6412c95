// Package house puts the whole of certform into memory for tests: a DNS world,
// an ACME CA, a DNS host, places and a state, all fit for a testing/synctest
// bubble, and any number of processes that apply to them, each of which may
// die at any door.
package house

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
	"github.com/certform/certform/orchestrator/survey"
	"github.com/certform/certform/orchestrator/verify"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/sinktest"
)

// House is the world that certform's processes work on.
type House struct {
	quirks providers.Quirks // of the host
	plain  bool             // it has libdns's own methods alone
	Net    *dnstest.Net
	CA     *acmetest.CA
	Host   *dnstest.Host
	Sink   *sinktest.Memory
	Store  state.Store
	Seal   seal.Seal
	Wants  []plan.Want

	// Spare is a second CA, behind issuer.acme.spare.
	Spare *acmetest.CA

	t         testing.TB
	directory string
	spare     string
	pids      atomic.Int64
	mu        sync.Mutex
	living    map[int]bool
	processes map[string]*doom.Doom // by user agent
	down      map[string]bool       // hosts of endpoints
}

// Options of a house; the zero value has a quick and patient world.
type Options struct {
	CA     func(*acmetest.Config)
	Spare  func(*acmetest.Config) // not nil: there is a second CA
	Host   dnstest.HostConfig
	Zones  []string         // "example.com" if none
	Quirks providers.Quirks // of the host; Batch is what Host says
	Plain  bool             // the host has libdns's own methods alone, with the habits of Quirks
}

// New builds a house. It must be closed inside the bubble.
func New(t testing.TB, o Options) *House {
	t.Helper()
	o.Quirks.Batch = cmp.Or(o.Host.MaxChanges, 500)
	h := &House{t: t, quirks: o.Quirks, plain: o.Plain, Net: dnstest.New(), Sink: sinktest.NewMemory(), Store: memory.New(), living: map[int]bool{}, processes: map[string]*doom.Doom{}, down: map[string]bool{}}
	servers := []*dnstest.Server{h.Net.AddServer("ns1.dns.test", "192.0.2.1"), h.Net.AddServer("ns2.dns.test", "192.0.2.2")}
	if len(o.Zones) == 0 {
		o.Zones = []string{"example.com"}
	}
	var zones []*dnstest.Zone
	for _, z := range o.Zones {
		zones = append(zones, h.Net.AddZone(z, servers...))
	}
	h.Net.AddResolver("192.0.2.53")
	h.Host = h.Net.NewHost(o.Host, zones...)
	h.CA, h.directory = h.authority("ca.test", o.CA)
	if o.Spare != nil {
		h.Spare, h.spare = h.authority("spare.test", o.Spare)
	}
	h.Sink.Fault = func(ctx context.Context, op sinktest.Op, target string) error {
		d, ok := ctx.Value(inside{}).(*doom.Doom)
		if !ok {
			return nil
		}
		switch op {
		case sinktest.Begin, sinktest.Commit, sinktest.Activate:
			return d.Pass(fmt.Sprintf("%s of %s", op, target))
		}
		return nil
	}
	h.Seal = plain{}
	return h
}

// authority makes a CA that answers at host.
func (h *House) authority(host string, edit func(*acmetest.Config)) (*acmetest.CA, string) {
	c := acmetest.Config{Lookup: h.Net.LookupTXT, AuthzReuse: -1}
	if edit != nil {
		edit(&c)
	}
	ca := acmetest.New(c)
	ca.ServeTLSHandler(h.Net.Listen(host+":443"), doom.Handler(ca, func(r *http.Request) *doom.Doom {
		agent, _, _ := strings.Cut(r.UserAgent(), " ") // the libraries add theirs
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.processes[agent]
	}))
	return ca, ca.DirectoryURL("https://" + host)
}

// inside is the key of a process's doors in its context.
type inside struct{}

// Close ends the CA and the DNS world.
func (h *House) Close() {
	h.CA.Close()
	if h.Spare != nil {
		h.Spare.Close()
	}
	h.Net.Close()
}

// Want adds a certificate with one place in memory.
func (h *House) Want(name string, names ...string) *plan.Want {
	w := plan.Want{Address: "certificate." + name, Name: name, KeyType: cert.ECDSAP256,
		Issuers: []plan.Issuer{{Address: "issuer.acme.test", Account: h.directory}}, Places: []sinks.Place{h.Sink.Place(name)}}
	if h.Spare != nil {
		w.Issuers = append(w.Issuers, plan.Issuer{Address: "issuer.acme.spare", Account: h.spare})
	}
	for _, s := range names {
		n, err := cert.ParseDNS(s)
		if err != nil {
			h.t.Fatal(err)
		}
		w.Names = append(w.Names, n)
	}
	h.Wants = append(h.Wants, w)
	return &h.Wants[len(h.Wants)-1]
}

// hostSpec is the house's dns block: its host, through the process's doors.
type hostSpec struct {
	house *House
	doom  *doom.Doom
}

func (s hostSpec) Check() []block.Problem { return nil }
func (s hostSpec) Account() string        { return "host" }
func (s hostSpec) Open(context.Context, *world.World) (providers.Provider, error) {
	if s.house.plain {
		return plainHost{s.house.Host, s.doom, s.house.quirks}, nil
	}
	return doom.Provider{Host: s.house.Host, Doom: s.doom}, nil
}

// Process is one run of certform on the house.
type Process struct {
	House  *House
	Doom   *doom.Doom
	World  *world.World
	Engine *apply.Engine
	Survey *survey.Survey
	Wants  []plan.Want // the house's at its start
	Events []event.Event

	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelCauseFunc
	pid    int
}

// Start begins a process that dies at its at-th door; 0: never.
func (h *House) Start(at int) (*Process, error) { return h.Begin(&doom.Doom{At: at}) }

// Begin begins a process with a fate of its own.
func (h *House) Begin(d *doom.Doom) (*Process, error) { return h.begin(d, false) }

// Keep begins a process that shares the work of a daemon with others.
func (h *House) Keep(d *doom.Doom) (*Process, error) { return h.begin(d, true) }

func (h *House) begin(d *doom.Doom, shares bool) (*Process, error) {
	p := &Process{House: h, Doom: d, Wants: slices.Clone(h.Wants), pid: int(h.pids.Add(1))}
	p.ctx, p.cancel = context.WithCancelCause(context.WithValue(context.Background(), inside{}, d))
	d.Kill = func() {
		h.mu.Lock()
		delete(h.living, p.pid)
		h.mu.Unlock()
		p.cancel(doom.ErrDead)
	}
	agent := fmt.Sprintf("certform/test-%d", p.pid)
	h.mu.Lock()
	h.living[p.pid] = true
	h.processes[agent] = d
	h.mu.Unlock()
	store := doom.Store{Store: h.Store, Doom: d}
	roots := h.CA.Roots()
	if h.Spare != nil {
		roots.AppendCertsFromPEM(h.Spare.RootPEM())
	}
	p.World = &world.World{Lookup: h.lookup, Roots: roots,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			d.Wait(0)
			return h.Net.Dial(ctx, network, address)
		},
		Resolvers: func() []string { return []string{"192.0.2.53:53"} }}
	say := event.Tee(func(e event.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.Events = append(p.Events, e)
	})
	var zones []string
	listed, _ := h.Host.ListZones(p.ctx)
	for _, z := range listed {
		zones = append(zones, trimDot(z.Name))
	}
	z := providers.NewZones(p.World, providers.Options{Say: say, DNS: []providers.DNS{{
		Address: "dns.host.main", Kind: "host", Zones: zones, Spec: hostSpec{h, p.Doom},
		Quirks: h.quirks,
	}}, Exclusive: func(ctx context.Context, key string) (func(), error) { return p.Engine.Runner.Exclusive(ctx, key) }})
	deps := issue.Deps{World: p.World, Store: store, Seal: h.Seal, Zones: z, UserAgent: agent}
	issuers := map[string]issue.Issuer{"issuer.acme.test": issue.NewACME(issue.ACME{Address: "issuer.acme.test", Directory: h.directory, CAA: []string{"ca.test"}}, deps)}
	if h.Spare != nil {
		issuers["issuer.acme.spare"] = issue.NewACME(issue.ACME{Address: "issuer.acme.spare", Directory: h.spare, CAA: []string{"spare.test"}}, deps)
	}
	if _, err := state.EnsureMeta(p.ctx, store, h.Seal.Public()); err != nil {
		return p, err
	}
	runner, err := apply.StartRunner(p.ctx, store, apply.Identity{Host: "h", Boot: "b", PID: p.pid, Shares: shares, Alive: h.alive})
	if err != nil {
		return p, err
	}
	p.Survey = &survey.Survey{World: p.World, Store: store, Zones: z}
	p.Engine = &apply.Engine{
		World: p.World, Store: store, Seal: h.Seal, Zones: z, Runner: runner, Say: say,
		Issuers: issuers,
		Look:    p.Survey.One,
		Verify: func(ctx context.Context, e cert.Endpoint, chain cert.Chain, say event.Listener) error {
			_, err := verify.Wait(ctx, p.World, e, verify.Expect{Chain: chain}, say)
			return err
		},
	}
	return p, nil
}

func trimDot(s string) string {
	if len(s) > 0 && s[len(s)-1] == '.' {
		return s[:len(s)-1]
	}
	return s
}

func (h *House) alive(pid int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.living[pid]
}

func (h *House) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return h.Net.LookupHost(ctx, host)
}

// Plan surveys and decides, without changing anything.
func (p *Process) Plan(mode plan.Upkeep) (*plan.Plan, plan.Facts, error) {
	facts := plan.Facts{Now: time.Now(), Wants: p.Wants, Upkeep: mode}
	var err error
	if facts.Records, err = p.Survey.Records(p.ctx); err != nil {
		return nil, facts, err
	}
	facts.Seen = p.Survey.All(p.ctx, facts.Wants, facts.Records, nil)
	return plan.Make(facts), facts, nil
}

// Apply plans and applies once.
func (p *Process) Apply() (apply.Report, error) {
	made, facts, err := p.Plan(plan.Include)
	if err != nil {
		return apply.Report{}, err
	}
	return p.Engine.Run(p.ctx, Jobs(made, facts)), nil
}

// Jobs are what an apply of a plan would do.
func Jobs(made *plan.Plan, facts plan.Facts) []apply.Job {
	wants := map[string]plan.Want{}
	for _, w := range facts.Wants {
		wants[w.Address] = w
	}
	var jobs []apply.Job
	for _, it := range made.Items {
		w, ok := wants[it.Address]
		if !ok {
			w = plan.Want{Address: it.Address}
		}
		jobs = append(jobs, apply.Job{Want: w, Item: it, Seen: facts.Seen[it.Address]})
	}
	return jobs
}

// Context is the process's; it ends with its death.
func (p *Process) Context() context.Context { return p.ctx }

// End stops the process and lets go of everything. A dead one leaves its
// traces behind, as a killed process does.
func (p *Process) End() {
	if p.Engine != nil {
		if p.Engine.Runner != nil {
			p.Engine.Runner.Stop(context.Background())
		}
		p.Engine.Zones.Close()
	}
	p.cancel(nil)
	p.House.mu.Lock()
	delete(p.House.living, p.pid)
	p.House.mu.Unlock()
	p.World.CloseIdle()
}

// T is the test that the house stands in.
func (h *House) T() testing.TB { return h.t }

// Broken is a place that cannot be opened, as one behind a dead address.
func (h *House) Broken(id string) sinks.Place {
	p := h.Sink.Place(id)
	p.Open = func(context.Context, *world.World) (sinks.Sink, error) {
		return nil, errors.New("dial tcp 192.0.2.9:443: connection refused")
	}
	return p
}

// Serve lets host:443 serve what the memory place target has in use, from now
// on, and makes it an endpoint that proves the want's place with this ID alone,
// or shared ones with "".
func (h *House) Serve(w *plan.Want, place, host, target string) cert.Endpoint {
	e := cert.Endpoint{Address: host, Port: 443, ServerName: host, Family: "ecdsa", Within: 10 * time.Second}
	w.Endpoints = append(w.Endpoints, e)
	for i := range w.Places {
		switch p := &w.Places[i]; place {
		case p.ID:
			p.Endpoints = append(slices.Clone(p.Endpoints), e.ID())
		case "":
			p.Shared = append(slices.Clone(p.Shared), e.ID())
		}
	}
	l := h.Net.Listen(host + ":443")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go h.shake(c, host, target)
		}
	}()
	return e
}

// Down makes host answer nobody, or answer again.
func (h *House) Down(host string, down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down[host] = down
}

// shake is one handshake of a served host.
func (h *House) shake(c net.Conn, host, target string) {
	defer c.Close()
	h.mu.Lock()
	down := h.down[host]
	h.mu.Unlock()
	b := h.Sink.Uses(target)
	if down || b == nil {
		return
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	t := &tls.Certificate{PrivateKey: b.Key().Signer()}
	for _, x := range b.Chain {
		t.Certificate = append(t.Certificate, x.Raw)
	}
	s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*t}})
	if s.Handshake() == nil {
		_, _ = s.Read(make([]byte, 1))
	}
}
