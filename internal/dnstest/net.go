package dnstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// Net is a small world: DNS zones and the servers that serve them, and the connections that reach those servers and
// whatever else listens. All methods may be called concurrently. Inside a testing/synctest bubble it must be made in it.
//
// Methods that set up the world panic on text that is no address, name or record: that is a mistake of the caller's
// program and not of its data.
type Net struct {
	done chan struct{}
	wg   sync.WaitGroup

	mu          sync.RWMutex
	closed      bool
	zones       map[string][]*Zone   // the public zones by name; several where several hosts serve one zone
	private     []*Zone              // the zones that no delegation leads to
	delegations map[string][]*Server // by zone name
	byName      map[string]*Server
	byAddr      map[netip.AddrPort]*Server
	above       map[string]int // how many known names lie below a name
	listeners   map[string]*listener
	listening   map[string]netip.Addr // addresses given to names that only listen
	unrouted    []netip.Prefix
	between     *Server // answers in place of every server
	closers     map[any]func()

	port  atomic.Uint32
	turn  atomic.Uint32 // which server a resolver begins with
	made  atomic.Uint32 // servers that AddZone made
	keyMu sync.RWMutex
	keys  map[string]key
}

type key struct{ alg, secret string }

// New returns a world that holds the root zone and nothing else. Close ends all that it started.
func New() *Net {
	n := &Net{
		done:        make(chan struct{}),
		zones:       map[string][]*Zone{},
		delegations: map[string][]*Server{},
		byName:      map[string]*Server{},
		byAddr:      map[netip.AddrPort]*Server{},
		above:       map[string]int{},
		listeners:   map[string]*listener{},
		listening:   map[string]netip.Addr{},
		closers:     map[any]func(){},
		keys:        map[string]key{},
	}
	n.AddZone(".", n.AddServer("a.root.dnstest", "198.18.0.1"))
	return n
}

// Close ends every connection, listener and server and waits for the goroutines behind them. It may be repeated.
func (n *Net) Close() error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.done)
	}
	var ends []func()
	for _, end := range n.closers {
		ends = append(ends, end)
	}
	for _, l := range n.listeners {
		ends = append(ends, func() { l.Close() })
	}
	n.mu.Unlock()
	for _, end := range ends {
		end()
	}
	n.wg.Wait()
	return nil
}

// hold registers how to end something at Close; false when the world is closed already.
func (n *Net) hold(id any, end func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.closers[id] = end
	return true
}

// run begins f in a goroutine that Close ends by end and waits for; false when the world is closed already.
func (n *Net) run(id any, end func(), f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.closers[id] = end
	n.wg.Go(func() {
		defer n.release(id)
		f()
	})
	return true
}

func (n *Net) release(id any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.closers, id)
}

// sleep waits d, or less when ctx or the world ends; false then.
func (n *Net) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-n.done:
	}
	return false
}

// known counts name in for its ancestors, which exist by that (RFC 8020). mu is held.
func (n *Net) known(name string) {
	for name != "." {
		name = parent(name)
		n.above[name]++
	}
}

// AddServer adds a name server. An address is "192.0.2.1", "2001:db8::1" (port 53) or has a port of its own. The
// server's name resolves to its addresses without any record. It serves nothing until AddZone or Delegate names it.
func (n *Net) AddServer(name string, addrs ...string) *Server {
	s := &Server{net: n, name: dns.CanonicalName(name), zones: map[string]*Zone{}}
	for _, a := range addrs {
		s.addrs = append(s.addrs, parseAddr(a))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byName[s.name] = s
	n.known(s.name)
	for _, a := range s.addrs {
		n.byAddr[a] = s
	}
	return s
}

// AddResolver adds a recursive resolver at addr. It walks from the root zone through the delegations, as the servers
// answer at that moment, keeps no cache, and prefers the private zones that were added for it.
func (n *Net) AddResolver(addr string) *Server {
	ap := parseAddr(addr)
	s := n.AddServer("resolver-"+strings.NewReplacer(".", "-", ":", "-").Replace(ap.Addr().String())+".dnstest", addr)
	s.recursive = true
	return s
}

// AddKey adds a TSIG key: its name, its algorithm ("hmac-sha256", "hmac-sha512") and its secret in base64. Which zones
// it may change is said by Zone.Allow.
func (n *Net) AddKey(name, alg, secret string) {
	n.keyMu.Lock()
	defer n.keyMu.Unlock()
	n.keys[dns.CanonicalName(name)] = key{dns.CanonicalName(alg), secret}
}

func (n *Net) key(name string) (key, bool) {
	n.keyMu.RLock()
	defer n.keyMu.RUnlock()
	k, ok := n.keys[dns.CanonicalName(name)]
	return k, ok
}

// Unroute makes dialling any address in the prefix fail with "network is unreachable", as IPv6 does on a machine
// without it.
func (n *Net) Unroute(prefix string) {
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		panic(fmt.Sprintf("dnstest: prefix %q: %v", prefix, err))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unrouted = append(n.unrouted, p)
}

// Intercept makes a resolver answer whatever is sent to any server, as a router or a service mesh does that redirects
// port 53: it recurses whether it was asked to or not.
func (n *Net) Intercept(resolver *Server) {
	resolver.eager.Store(true)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.between = resolver
}

// Dial connects to a server or listener of this world and has the signature of net.Dialer.DialContext. The host may be
// a name that the zones or a listener know. Both "udp" and "tcp" give a stream; who listens at neither is refused.
// Dialling tcp at a dead server waits for ctx, 30 seconds at most.
func (n *Net) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	refuse := func(a net.Addr, err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: a, Err: err}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, refuse(nil, err)
	}
	proto := strings.TrimRight(network, "46")
	if proto != "tcp" && proto != "udp" {
		return nil, refuse(nil, net.UnknownNetworkError(network))
	}
	addrs := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, ip.Unmap())
	} else {
		addrs, err = n.LookupHost(ctx, host)
		if err != nil {
			return nil, refuse(nil, err)
		}
	}
	var first error
	for _, ip := range addrs {
		if v4 := ip.Is4(); strings.HasSuffix(network, "4") && !v4 || strings.HasSuffix(network, "6") && v4 {
			continue
		}
		c, err := n.dial(ctx, proto, ip, port)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if first == nil {
		first = refuse(nil, &net.AddrError{Err: "no suitable address found", Addr: host})
	}
	return nil, first
}

func (n *Net) dial(ctx context.Context, proto string, ip netip.Addr, port string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(net.JoinHostPort(ip.String(), port))
	if err != nil {
		return nil, err
	}
	from, to := n.client(proto, ip), endAddr(proto, ap)
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: proto, Source: nil, Addr: to, Err: err}
	}
	n.mu.RLock()
	s, l := n.byAddr[ap], n.listeners[ap.String()]
	if n.between != nil && (s != nil || port == "53") {
		s = n.between
	}
	closed := n.closed
	unrouted := slices.ContainsFunc(n.unrouted, func(p netip.Prefix) bool { return p.Contains(ip) })
	n.mu.RUnlock()
	switch {
	case unrouted:
		return nil, fail(os.NewSyscallError("connect", syscall.ENETUNREACH))
	case closed:
	case l != nil && proto == "tcp":
		client, server := newConns(from, to)
		if err := l.offer(ctx, server); err != nil {
			return nil, fail(err)
		}
		return client, nil
	case s != nil && proto == "tcp" && s.fault() == Dead:
		n.sleep(ctx, 30*time.Second)
		if ctx.Err() != nil {
			return nil, fail(ctx.Err())
		}
		return nil, fail(os.ErrDeadlineExceeded)
	case s != nil:
		client, server := newConns(from, to)
		served := n.run(server, func() { server.Close() }, func() {
			defer server.Close()
			s.serveStream(server, proto)
		})
		if served {
			return client, nil
		}
	}
	return nil, fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
}

// client returns an address for the dialling end.
func (n *Net) client(proto string, to netip.Addr) net.Addr {
	ip := netip.MustParseAddr("198.18.255.1")
	if to.Is6() {
		ip = netip.MustParseAddr("2001:db8:ffff::1")
	}
	return endAddr(proto, netip.AddrPortFrom(ip, uint16(32768+n.port.Add(1)%28000)))
}

func endAddr(proto string, ap netip.AddrPort) net.Addr {
	if proto == "udp" {
		return net.UDPAddrFromAddrPort(ap)
	}
	return net.TCPAddrFromAddrPort(ap)
}

func parseAddr(a string) netip.AddrPort {
	if ip, err := netip.ParseAddr(a); err == nil {
		return netip.AddrPortFrom(ip, 53)
	}
	ap, err := netip.ParseAddrPort(a)
	if err != nil {
		panic(fmt.Sprintf("dnstest: address %q: %v", a, err))
	}
	return ap
}

// parent returns the name without its first label.
func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end || i >= len(name) {
		return "."
	}
	return name[i:]
}
