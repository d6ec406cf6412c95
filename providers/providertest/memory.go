package providertest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
)

// Memory is a dns block over the API of a DNS host in memory, without HTTP in
// between, so that it works in a synctest bubble. Zones may be nil: then the
// host is asked. account is what shares a pace.
func Memory(address, account string, h *dnstest.Host, zones ...string) providers.DNS {
	return providers.DNS{
		Address: address, Kind: "memory", Zones: zones, Spec: spec{account, memory{h}},
		Quirks: providers.Quirks{Batch: 500},
	}
}

// World is the doors of a world in memory: connections, and a resolver that
// was added to it (host:port).
func World(n *dnstest.Net, resolvers ...string) *world.World {
	return &world.World{Dial: n.Dial, Lookup: n.LookupHost, Resolvers: func() []string { return resolvers }}
}

// Spec is a dns block that opens p.
func Spec(account string, p providers.Provider) providers.Spec { return spec{account, p} }

type spec struct {
	account string
	p       providers.Provider
}

func (s spec) Check() []block.Problem { return nil }
func (s spec) Account() string        { return s.account }
func (s spec) Open(context.Context, *world.World) (providers.Provider, error) {
	return s.p, nil
}

// memory tells the faults of a dnstest.Host as a good provider does.
type memory struct{ h *dnstest.Host }

func (m memory) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	return told(m.h.Change(ctx, zone, add, del))
}

func (m memory) ReadTXT(ctx context.Context, zone string, names []string) ([]libdns.RR, error) {
	recs, err := m.h.GetRecords(ctx, zone)
	if err != nil {
		return nil, told(err)
	}
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	var out []libdns.RR
	for _, r := range recs {
		if rr := r.RR(); rr.Type == "TXT" && want[rr.Name] {
			out = append(out, rr)
		}
	}
	return out, nil
}

func (m memory) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := m.h.AppendRecords(ctx, zone, recs)
	return out, told(err)
}

func (m memory) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := m.h.DeleteRecords(ctx, zone, recs)
	return out, told(err)
}

func (m memory) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	out, err := m.h.ListZones(ctx)
	return out, told(err)
}

func told(err error) error {
	var e *dnstest.HostError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.RetryAfter > 0:
		return world.At(err, time.Now().Add(e.RetryAfter))
	case e.Status == http.StatusBadRequest:
		return errors.Join(err, providers.ErrRefused)
	case e.Status < 500 && e.Status != http.StatusTooManyRequests:
		return world.Never(err)
	}
	return err
}

// HostFault arranges faults at a dnstest.Host, for Fixture.Fault. It cannot
// make it refuse a call for its pace, so that is a plain refusal.
func HostFault(h *dnstest.Host) func(Fault) {
	return func(f Fault) {
		h.FailNext(map[Fault]dnstest.Outcome{
			None: dnstest.Done, TooMany: dnstest.Refuse, Broken: dnstest.Refuse, BrokenLate: dnstest.Fail, LostReply: dnstest.LoseReply,
		}[f])
	}
}
