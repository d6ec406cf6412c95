package dnstest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeRoom is how many bytes a direction holds before its writer waits, as a socket's send buffer does. Without room
// (net.Pipe has none) a TLS server that sends session tickets and a client that says goodbye would wait for each other.
const pipeRoom = 64 << 10

// pipe is one direction of a connection.
type pipe struct {
	mu      sync.Mutex
	buf     []byte
	ended   bool          // the writer closed: what is left may be read, then io.EOF
	gone    bool          // the reader closed: writing is refused
	changed chan struct{} // closed and replaced whenever one of the above changes
}

func newPipe() *pipe { return &pipe{changed: make(chan struct{})} }

// told wakes whoever waits; mu is held.
func (p *pipe) told() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.told()
}

func (p *pipe) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone, p.buf = true, nil
	p.told()
}

// limit is a deadline that waits can select on. It is a channel and not a condition variable so that all waiting is
// durable in the sense of testing/synctest.
type limit struct {
	mu      sync.Mutex
	timer   *time.Timer
	reached chan struct{}
}

func newLimit() *limit { return &limit{reached: make(chan struct{})} }

func (l *limit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	// A new channel each time: a timer that was stopped too late must not end the new deadline, and who waits looks again.
	old := l.reached
	l.reached = make(chan struct{})
	select {
	case <-old:
	default:
		close(old)
	}
	if t.IsZero() {
		return
	}
	ch := l.reached
	if left := time.Until(t); left <= 0 {
		close(ch)
	} else {
		l.timer = time.AfterFunc(left, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.reached == ch {
				close(ch)
			}
		})
	}
}

// wait returns a channel that is closed when the deadline passes or is moved.
func (l *limit) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reached
}

func (l *limit) passed() bool {
	select {
	case <-l.wait():
		return true
	default:
		return false
	}
}

// conn is one end of an in-memory connection. It is a stream for "udp" too: clients frame messages by length on
// whatever is not a net.PacketConn.
type conn struct {
	in, out        *pipe
	rlimit, wlimit *limit
	local, remote  net.Addr
	once           sync.Once
	onClose        func()
}

// newConns returns the two ends of a connection.
func newConns(client, server net.Addr) (c, s *conn) {
	up, down := newPipe(), newPipe()
	c = &conn{in: down, out: up, rlimit: newLimit(), wlimit: newLimit(), local: client, remote: server}
	s = &conn{in: up, out: down, rlimit: newLimit(), wlimit: newLimit(), local: server, remote: client}
	return c, s
}

func (c *conn) Read(b []byte) (int, error) {
	for {
		late := c.rlimit.wait()
		if c.rlimit.passed() {
			return 0, c.err("read", os.ErrDeadlineExceeded)
		}
		p := c.in
		p.mu.Lock()
		switch {
		case p.gone:
			p.mu.Unlock()
			return 0, c.err("read", net.ErrClosed)
		case len(b) == 0:
			p.mu.Unlock()
			return 0, nil
		case len(p.buf) > 0:
			n := copy(b, p.buf)
			p.buf = p.buf[n:]
			if len(p.buf) == 0 {
				p.buf = nil
			}
			p.told()
			p.mu.Unlock()
			return n, nil
		case p.ended:
			p.mu.Unlock()
			return 0, io.EOF
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-late:
		}
	}
}

func (c *conn) Write(b []byte) (int, error) {
	done := 0
	for {
		late := c.wlimit.wait()
		if c.wlimit.passed() {
			return done, c.err("write", os.ErrDeadlineExceeded)
		}
		p := c.out
		p.mu.Lock()
		switch {
		case p.ended:
			p.mu.Unlock()
			return done, c.err("write", net.ErrClosed)
		case p.gone:
			p.mu.Unlock()
			return done, c.err("write", io.ErrClosedPipe)
		}
		if room := pipeRoom - len(p.buf); room > 0 {
			n := min(room, len(b)-done)
			p.buf = append(p.buf, b[done:done+n]...)
			done += n
			p.told()
		}
		changed := p.changed
		p.mu.Unlock()
		if done == len(b) {
			return done, nil
		}
		select {
		case <-changed:
		case <-late:
		}
	}
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.end()
		c.in.leave()
		c.rlimit.set(time.Time{})
		c.wlimit.set(time.Time{})
		if c.onClose != nil {
			c.onClose()
		}
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.rlimit.set(t)
	c.wlimit.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.rlimit.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.wlimit.set(t)
	return nil
}

func (c *conn) err(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}
