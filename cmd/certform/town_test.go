package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/rogpeppe/go-internal/testscript"
)

const townConfig = `issuer "acme" "test" {
  directory = env("CA_URL")
  ca_file   = env("CA_FILE")
}

dns "webhook" "host" {
  url   = env("DNS_URL")
  token = secret("env:DNS_TOKEN")
  zones = ["example.com"]
}

zone "example.com" {
  nameservers = [env("NAMESERVER")]
  resolvers   = [env("NAMESERVER")]
}
`

// dnsToken is a canary: it must be in no output.
const dnsToken = "canary-of-the-dns-host"

// town is the world of one script.
type town struct {
	net  *dnstest.Net
	host *dnstest.Host
	ca   *acmetest.CA
	gate *gate
	said bytes.Buffer // everything that certform wrote
}

// newTown starts a DNS host with one zone and a CA that asks it. Both end with
// the script, which runs after the test function has returned.
func newTown(env *testscript.Env) (*town, error) {
	w := &town{net: dnstest.New(), gate: &gate{}}
	env.Defer(func() { w.net.Close() })
	server := w.net.AddServer("ns1.example.com", "127.0.0.1")
	zone := w.net.AddZone("example.com", server)
	addr, err := w.net.ServeLoopback(server, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.host = w.net.NewHost(dnstest.HostConfig{Token: dnsToken}, zone)
	web := httptest.NewServer(w.host.Handler())
	env.Defer(web.Close)
	w.ca = acmetest.New(acmetest.Config{AuthzReuse: -1, Lookup: func(ctx context.Context, name string) ([]string, error) {
		if err := w.gate.wait(ctx); err != nil {
			return nil, err
		}
		return w.net.LookupTXT(ctx, name)
	}})
	env.Defer(func() { w.gate.open(); w.ca.Close() })
	directory, err := w.ca.Start("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	caFile := filepath.Join(env.WorkDir, "ca.pem")
	if err := os.WriteFile(caFile, w.ca.RootPEM(), 0o644); err != nil {
		return nil, err
	}
	town := filepath.Join(env.WorkDir, "town.hcl")
	if _, err := os.Stat(filepath.Join(env.WorkDir, "no-town")); err != nil {
		if err := os.WriteFile(town, []byte(townConfig), 0o644); err != nil {
			return nil, err
		}
	}
	env.Setenv("TZ", "UTC")
	env.Setenv("CA_URL", directory)
	env.Setenv("CA_FILE", caFile)
	env.Setenv("DNS_URL", web.URL)
	env.Setenv("DNS_TOKEN", dnsToken)
	env.Setenv("NAMESERVER", addr.String())
	return w, nil
}

// endpoint serves the pair of a directory, read anew for each handshake.
func (w *town) endpoint(ts *testscript.TestScript, args []string) {
	dir := ts.MkAbs(args[0])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	srv := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem"))
			return &pair, err
		}},
	}
	go srv.ServeTLS(l, "", "")
	ts.Defer(func() { srv.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv("PORT", port)
}

func (w *town) setHost(what string) {
	w.host.Configure(func(c *dnstest.HostConfig) {
		c.Fault = nil
		if what == "refuse" {
			c.Fault = func(call dnstest.Call) dnstest.Outcome {
				if call.Kind == "change" {
					return dnstest.Forbid
				}
				return dnstest.Done
			}
		}
	})
}

// gate holds up the CA.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut == nil {
		return nil
	}
	select {
	case <-shut:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the gate is shut: %w", ctx.Err())
	}
}
