package dnstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// listener hands out the far ends of dialled connections.
type listener struct {
	net    *Net
	key    string
	addr   net.Addr
	queue  chan *conn
	closed chan struct{}
	once   sync.Once
}

// Listen listens for tcp at addr, "192.0.2.80:443" or "ca.test:443". A name that no zone knows resolves from then on to
// an address of its own. What is accepted are connections that Dial made; an http.Server or tls.Listener may use it.
func (n *Net) Listen(addr string) net.Listener {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(fmt.Sprintf("dnstest: listen at %q: %v", addr, err))
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		ip = n.listen(host)
	}
	ap := netip.MustParseAddrPort(net.JoinHostPort(ip.String(), port))
	l := &listener{
		net: n, key: ap.String(), addr: net.TCPAddrFromAddrPort(ap),
		queue: make(chan *conn, 1024), closed: make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[l.key] != nil {
		panic(fmt.Sprintf("dnstest: listen at %q: address already in use", addr))
	}
	n.listeners[l.key] = l
	if n.closed {
		go l.Close()
	}
	return l
}

// listen returns the address of a listening name: what the zones say, or a new one.
func (n *Net) listen(host string) netip.Addr {
	if addrs, err := n.LookupHost(context.Background(), host); err == nil {
		return addrs[0]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name := dns.CanonicalName(host)
	k := len(n.listening) + 1
	ip := netip.AddrFrom4([4]byte{198, 19, byte(k >> 8), byte(k)})
	n.listening[name] = ip
	n.known(name)
	return ip
}

// offer queues the far end of a new connection, as a kernel's backlog does.
func (l *listener) offer(ctx context.Context, c *conn) error {
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	select {
	case <-l.closed:
		return refused
	default:
	}
	c.onClose = func() { l.net.release(c) }
	if !l.net.hold(c, func() { c.Close() }) {
		return refused
	}
	select {
	case l.queue <- c:
		return nil
	case <-l.closed:
		c.Close()
		return refused
	case <-ctx.Done():
		c.Close()
		return ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	case c := <-l.queue:
		return c, nil
	}
}

// Close refuses what is dialled later and what nobody accepted; accepted connections live on.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.net.mu.Lock()
		if l.net.listeners[l.key] == l {
			delete(l.net.listeners, l.key)
		}
		l.net.mu.Unlock()
		for {
			select {
			case c := <-l.queue:
				c.Close()
			case <-time.After(0):
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
