package dnstest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
)

// connect returns both ends of a connection.
func connect(t *testing.T, n *dnstest.Net) (client, server net.Conn) {
	t.Helper()
	l := n.Listen("peer.test:7")
	t.Cleanup(func() { l.Close() })
	client, err := n.Dial(t.Context(), "tcp", "peer.test:7")
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return client, server
}

func TestConnections(t *testing.T) {
	for name, check := range map[string]func(t *testing.T, n *dnstest.Net, c, s net.Conn){
		"writing does not wait for a reader": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if b, err := io.ReadAll(s); err != nil || string(b) != "hello" {
				t.Errorf("read %q, %v", b, err)
			}
		},
		"more than fits": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			want := bytes.Repeat([]byte("x"), 300<<10)
			go func() {
				c.Write(want)
				c.Close()
			}()
			if b, err := io.ReadAll(s); err != nil || !bytes.Equal(b, want) {
				t.Errorf("read %d bytes, %v", len(b), err)
			}
		},
		"read deadline, moved while waiting": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			begin := time.Now()
			c.SetReadDeadline(begin.Add(time.Hour))
			go func() {
				time.Sleep(time.Second)
				c.SetReadDeadline(begin.Add(5 * time.Second))
			}()
			_, err := c.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 5*time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
			var ne net.Error
			if !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("%v is no timeout", err)
			}
			c.SetReadDeadline(time.Time{})
			s.Write([]byte("y"))
			if k, err := c.Read(make([]byte, 1)); k != 1 || err != nil {
				t.Errorf("after the deadline was taken away: %d, %v", k, err)
			}
		},
		"write deadline": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if k, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || k == 0 || k == 1<<20 {
				t.Errorf("wrote %d, %v", k, err)
			}
		},
		"closed here": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			go func() {
				time.Sleep(time.Second)
				c.Close()
			}()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v", err)
			}
		},
		"closed there": func(t *testing.T, _ *dnstest.Net, c, s net.Conn) {
			s.Close()
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write([]byte("x")); err == nil {
				t.Error("written to nobody")
			}
		},
		"world closed": func(t *testing.T, n *dnstest.Net, c, s net.Conn) {
			n.Close()
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if _, err := n.Dial(context.Background(), "tcp", "198.18.0.1:53"); err == nil {
				t.Error("a closed world is dialled")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.New()
				defer n.Close()
				c, s := connect(t, n)
				defer c.Close()
				defer s.Close()
				check(t, n, c, s)
			})
		})
	}
}
