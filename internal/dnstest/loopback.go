package dnstest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// ServeLoopback serves one server, or resolver, over real UDP and TCP sockets at addr, both at the same port;
// "127.0.0.1:0" takes a free one. It returns the address and serves until Close. A world may serve several servers,
// each at its own port or at its own 127.x.y.z. What a referral names are still the addresses of the model.
func (n *Net) ServeLoopback(s *Server, addr string) (netip.AddrPort, error) {
	want, err := netip.ParseAddrPort(addr)
	if err != nil {
		return want, fmt.Errorf("serve %s at %q: %w", s.name, addr, err)
	}
	var stream *net.TCPListener
	var packets *net.UDPConn
	// A free tcp port may be taken for udp: try some.
	for range 20 {
		stream, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(want))
		if err != nil {
			return want, fmt.Errorf("serve %s: %w", s.name, err)
		}
		ap := stream.Addr().(*net.TCPAddr).AddrPort()
		packets, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(ap))
		if err == nil {
			if !n.serveSockets(s, stream, packets) {
				return want, fmt.Errorf("serve %s: %w", s.name, net.ErrClosed)
			}
			return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
		}
		stream.Close()
		if want.Port() != 0 {
			break
		}
	}
	return want, fmt.Errorf("serve %s: %w", s.name, err)
}

// serveSockets is false when the world is closed.
func (n *Net) serveSockets(s *Server, stream *net.TCPListener, packets *net.UDPConn) bool {
	var conns sync.Map
	var once sync.Once
	end := func() {
		once.Do(func() {
			stream.Close()
			packets.Close()
			conns.Range(func(c, _ any) bool {
				c.(net.Conn).Close()
				return true
			})
		})
	}
	accept := func() {
		for {
			c, err := stream.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			conns.Store(c, nil)
			n.wg.Go(func() {
				defer conns.Delete(c)
				defer c.Close()
				select {
				case <-n.done: // accepted while the others were being closed
				default:
					s.serveStream(c, "tcp")
				}
			})
		}
	}
	receive := func() {
		buf := make([]byte, 64<<10)
		for {
			k, from, err := packets.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			raw := append([]byte(nil), buf[:k]...)
			n.wg.Go(func() {
				s.handle("udp", raw, func(b []byte) error {
					_, err := packets.WriteToUDPAddrPort(b, from)
					return err
				})
			})
		}
	}
	if !n.run(stream, end, accept) || !n.run(packets, end, receive) {
		end()
		return false
	}
	return true
}
