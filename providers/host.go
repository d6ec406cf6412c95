package providers

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// host is one dns block of a run: opened when it is first needed, asked for its
// zones at most once.
type host struct {
	DNS
	w    *world.World
	pace *pacer

	open  flight[Provider]
	zones flight[listing]
}

// listing is the zones that a host says it holds.
type listing struct {
	lister bool
	zones  map[string]bool // canonical, with trailing dot
}

func (h *host) provider(ctx context.Context) (Provider, error) {
	return h.open.do(ctx, func(ctx context.Context) (Provider, error) {
		p, err := h.Spec.Open(ctx, h.w)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", h.Address, err)
		}
		return p, nil
	})
}

// list asks for the zones, all of them, once.
func (h *host) list(ctx context.Context) (listing, error) {
	return h.zones.do(ctx, func(ctx context.Context) (listing, error) {
		p, err := h.provider(ctx)
		if err != nil {
			return listing{}, err
		}
		lister, ok := p.(libdns.ZoneLister)
		if !ok {
			return listing{}, nil
		}
		b := newBroker(".", h.Quirks, h.pace, nil) // for its retries alone
		var found atomic.Pointer[[]libdns.Zone]
		l := &link{address: h.Address, say: event.Discard}
		ctx, cancel := context.WithTimeout(ctx, callWait)
		defer cancel()
		err = b.attempt(ctx, l, plainTries, func(ctx context.Context) error {
			zones, err := lister.ListZones(ctx)
			found.Store(&zones)
			return err
		})
		if err != nil {
			return listing{}, fmt.Errorf("%s: list its zones: %w", h.Address, err)
		}
		all := listing{lister: true, zones: map[string]bool{}}
		for _, z := range *found.Load() {
			all.zones[dns.CanonicalName(z.Name)] = true
		}
		return all, nil
	})
}

func (h *host) close() {
	if p, ok := h.open.got(); ok {
		if c, ok := p.(io.Closer); ok {
			c.Close()
		}
	}
}
