// Package verify looks at an endpoint as its users do: it resolves the name,
// dials every address, shakes hands with SNI and judges what is served.
//
// It writes nothing and decides nothing; what should be served and what
// happens when it is not is left to plan and apply.
package verify

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
)

const (
	// lookTime bounds the name lookup, and again each address from the dial to
	// the end of the handshake.
	lookTime = 10 * time.Second
	// atOnce is how many addresses of one endpoint are dialled at a time.
	atOnce = 16
)

// Expect is what an endpoint should serve. With a Chain, one that ends under a
// root which this machine does not trust (a private CA, a staging one) is good
// if everything of it is served that a client cannot have already.
type Expect struct {
	Chain cert.Chain // leaf first; nil: nothing is known of it
}

// Seen is what an endpoint was seen to serve, address by address.
type Seen struct {
	Endpoint  cert.Endpoint
	Err       error // the name could not be resolved; then there are no addresses
	Addresses []Address
}

// Address is what one address of an endpoint serves. Leaf and what follows
// from it are set whenever a certificate was shown, also with an error.
type Address struct {
	Addr     netip.AddrPort
	Leaf     cert.Fingerprint
	NotAfter time.Time
	Names    []string // sorted
	Issuer   string   // common name of the leaf's issuer
	KeyType  cert.KeyType
	Took     time.Duration
	// Err says why a client would not be served: no connection, no handshake,
	// a certificate that is expired, for another name, or whose chain does not
	// build.
	Err error
	// Unroutable: this machine has no route to the address's family. It says
	// nothing about the endpoint.
	Unroutable bool
}

// Look looks once at every address of e, at all of them at the same time. It
// may be called concurrently and takes at most a few times ten seconds.
func Look(ctx context.Context, w *world.World, e cert.Endpoint, want Expect) Seen {
	s := Seen{Endpoint: e}
	if e.ServerName == "" {
		e.ServerName = e.Address
	}
	addrs, err := resolve(ctx, w, e.Address)
	if err != nil {
		s.Err = err
		return s
	}
	s.Addresses = make([]Address, len(addrs))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, a := range addrs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.Addresses[i] = lookAt(ctx, w, e, netip.AddrPortFrom(a, uint16(e.Port)), want)
		})
	}
	wg.Wait()
	return s
}

// resolve finds the different addresses of host, in order.
func resolve(ctx context.Context, w *world.World, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	addrs, err := w.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("look up %s: it has no address", host)
	}
	return addrs, nil
}

// counted are the addresses that this machine can judge: all but those it has
// no route to, unless it has a route to none.
func (s Seen) counted() []Address {
	out := slices.DeleteFunc(slices.Clone(s.Addresses), func(a Address) bool { return a.Unroutable })
	if len(out) == 0 {
		return s.Addresses
	}
	return out
}

// Serves reports whether every address serves the leaf, with a chain that
// builds. why names each address that does not and what it does instead.
func (s Seen) Serves(leaf cert.Fingerprint) (ok bool, why string) {
	if s.Err != nil {
		return false, s.Err.Error()
	}
	var bad []string
	for _, a := range s.counted() {
		switch {
		case a.Leaf != "" && a.Leaf != leaf:
			bad = append(bad, a.Addr.String()+" serves "+cert.Another(a.Leaf, a.Names, a.Issuer, a.NotAfter))
		case a.Err != nil:
			bad = append(bad, a.Addr.String()+": "+a.Err.Error())
		}
	}
	return len(bad) == 0 && len(s.Addresses) > 0, strings.Join(bad, "; ")
}

// Unroutable lists the addresses that were not counted.
func (s Seen) Unroutable() []netip.AddrPort {
	if len(s.counted()) == len(s.Addresses) {
		return nil
	}
	var out []netip.AddrPort
	for _, a := range s.Addresses {
		if a.Unroutable {
			out = append(out, a.Addr)
		}
	}
	return out
}
