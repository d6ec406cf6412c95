package haproxy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/haproxy"
	"github.com/certform/certform/sinks/sinktest"
)

func TestRealConformance(t *testing.T) {
	h := rig.HAProxy(t, rig.HAProxyConfig{})
	row := 0
	for _, local := range []bool{true, false} {
		name := map[bool]string{true: "on this machine", false: "elsewhere"}[local]
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Fixture{New: func(t *testing.T) sinktest.Backend {
				row++
				path := func(name string) string { return h.File(fmt.Sprintf("row-%d-%s.pem", row, name)) }
				b := sinktest.Backend{
					World: &world.World{},
					Spec: func(name string) sinks.Spec {
						s := &haproxy.Spec{Address: h.TCP, File: path(name), CrtList: h.CrtList}
						if local {
							s.Address = h.Socket
						}
						return s
					},
					Compares: true,
				}
				if local {
					b.Read = func(name string) (chain, key []byte, err error) {
						data, err := os.ReadFile(path(name))
						return data, data, err
					}
				}
				return b
			}})
		})
	}
}

func TestReplacementsUnderConnections(t *testing.T) {
	const host = "www.example.com"
	ca := sinktest.NewCA(t)
	issue := func() *cert.Bundle { return ca.Bundle(sinktest.Order{Names: []string{host}}) }
	first := issue()
	pem, err := first.CombinedPEM()
	if err != nil {
		t.Fatal(err)
	}
	h := rig.HAProxy(t, rig.HAProxyConfig{Certificates: []rig.HAProxyCertificate{{File: "site.pem", PEM: pem, SNI: []string{host}}}})
	w := &world.World{}
	spec := &haproxy.Spec{Address: h.TCP, File: h.File("site.pem")}
	s, err := spec.Open(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	was, err := s.(sinks.Observer).Observe(t.Context(), "")
	if err != nil || !was.Matches(first.Chain) {
		t.Fatalf("%+v %v", was, err)
	}

	conf := &tls.Config{ServerName: host, RootCAs: ca.Roots()}
	shake := func() (*tls.ConnectionState, error) {
		d := tls.Dialer{Config: conf}
		c, err := d.DialContext(context.WithoutCancel(t.Context()), "tcp", h.Addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		state := c.(*tls.Conn).ConnectionState()
		return &state, nil
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var shaken atomic.Int64
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := shake(); err != nil {
					t.Errorf("handshake %d: %v", shaken.Load(), err)
					return
				}
				shaken.Add(1)
			}
		})
	}
	for i := range 20 {
		next := issue()
		if was, err = s.Put(t.Context(), next, was); err != nil {
			t.Errorf("replacement %d: %v", i, err)
			break
		}
		state, err := shake()
		if err != nil || cert.Print(state.PeerCertificates[0]) != next.Leaf() || len(state.PeerCertificates) != 2 {
			t.Errorf("replacement %d is not served: %v", i, err)
			break
		}
	}
	close(stop)
	wg.Wait()
	if shaken.Load() < 20 {
		t.Errorf("only %d handshakes", shaken.Load())
	}
	t.Logf("%d handshakes during 20 replacements", shaken.Load())

	// A reload brings back what the file holds, and the next look finds it.
	h.Reload(t)
	if was, err = s.(sinks.Observer).Observe(t.Context(), ""); err != nil || !was.Matches(first.Chain) {
		t.Errorf("after a reload: %+v %v", was, err)
	}
}

func TestReloadKeepsTheCertificateOnThisMachine(t *testing.T) {
	first, next := sinktest.Bundle(t, "www.example.com"), sinktest.Bundle(t, "www.example.com")
	pem, err := first.CombinedPEM()
	if err != nil {
		t.Fatal(err)
	}
	h := rig.HAProxy(t, rig.HAProxyConfig{Certificates: []rig.HAProxyCertificate{{File: "site.pem", PEM: pem}}})
	s, err := (&haproxy.Spec{Address: h.Socket, File: h.File("site.pem")}).Open(t.Context(), &world.World{})
	if err != nil {
		t.Fatal(err)
	}
	was, err := s.(sinks.Observer).Observe(t.Context(), "")
	if err != nil || was.Leaf != first.Leaf() {
		t.Fatalf("%+v %v", was, err)
	}
	if _, err := s.Put(t.Context(), next, was); err != nil {
		t.Fatal(err)
	}
	h.Reload(t)
	if got := cert.Print(rig.Leaf(t, h.Addr, "www.example.com")); got != next.Leaf() {
		t.Errorf("after a reload it serves %s, want %s", got, next.Leaf())
	}
	if was, err = s.(sinks.Observer).Observe(t.Context(), ""); err != nil || was.Leaf != next.Leaf() || was.Broken != "" {
		t.Errorf("%+v %v", was, err)
	}
}

// HAProxy's own words reach the reader, and its transaction is ended.
func TestRealRefusal(t *testing.T) {
	h := rig.HAProxy(t, rig.HAProxyConfig{})
	other := h.File("default.pem")
	h.Run(t, "set ssl cert "+other+" <<\n"+strings.TrimSpace(string(rig.SelfSigned(t, "x.invalid").Combined()))+"\n")
	s, err := (&haproxy.Spec{Address: h.TCP, File: h.File("one.pem")}).Open(t.Context(), &world.World{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := s.Put(ctx, sinktest.Bundle(t, "example.com"), sinks.Held{}); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("a transaction about another file: %v", err)
	}
	if got := h.Run(t, "show ssl cert"); !strings.Contains(got, "*"+other) || strings.Contains(got, "one.pem") {
		t.Errorf("it was touched: %s", got)
	}
}
