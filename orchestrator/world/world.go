// Package world is the doors to the outside: connections, name lookups,
// programs, environment, secrets, and the connections that are shared.
//
// A World is passed as an argument; nothing else in the house opens a
// connection, runs a program or reads a secret by itself. A test hands in
// doors of its own. World knows nothing of certificates.
package world

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/miekg/dns"
)

// World is a set of optional doors; a nil door is the real one. A World is
// safe for concurrent use if its doors are. Make it once per process with New
// and do not copy it.
type World struct {
	// Dial opens a connection: all HTTP, DNS, TLS and socket traffic goes
	// through it. Networks are "tcp", "udp" and "unix".
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Lookup finds the addresses of an endpoint's host as this machine does.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Resolvers are the recursive resolvers (host:port) of this machine.
	Resolvers func() []string
	// Secret resolves a secret reference such as env:TOKEN. It is called when
	// a connection is opened, never earlier. nil: only env and file.
	Secret func(ctx context.Context, ref string) (string, error)
	// Exec runs a program of the configuration (test, reload) without a shell
	// and returns its combined output, cut to a sensible length.
	Exec func(ctx context.Context, argv []string) ([]byte, error)
	// Dated hears, of each HTTP answer and each signed DNS answer, the host and
	// by how much its clock is ahead of this machine's, to a second. It may be
	// called concurrently.
	Dated func(host string, ahead time.Duration)
	// Env reads an environment variable.
	Env func(name string) (string, bool)
	// Roots are the trust anchors for HTTPS and endpoints; nil: the system's.
	Roots *x509.CertPool

	shared shared
	told   told
}

// DialContext opens a connection through the door.
func (w *World) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if w.Dial != nil {
		return w.Dial(ctx, network, address)
	}
	d := net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return d.DialContext(ctx, network, address)
}

// LookupHost finds all addresses of host; an IP address is its own answer.
func (w *World) LookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if w.Lookup != nil {
		return w.Lookup(ctx, host)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// ResolverAddrs lists the machine's recursive resolvers as host:port, never
// empty unless none is configured.
func (w *World) ResolverAddrs() []string {
	if w.Resolvers != nil {
		return w.Resolvers()
	}
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range conf.Servers {
		out = append(out, net.JoinHostPort(s, conf.Port))
	}
	return out
}

// Exchange asks one DNS server one question: over UDP, and over TCP when the
// answer is truncated or network is "tcp". The answer's Rcode is the caller's
// to judge; an error means that no answer came. addr is host:port.
func (w *World) Exchange(ctx context.Context, network, addr string, m *dns.Msg) (*dns.Msg, error) {
	r, err := w.exchange(ctx, network, addr, m)
	if err == nil && r.Truncated && network == "udp" {
		return w.exchange(ctx, "tcp", addr, m)
	}
	return r, err
}

func (w *World) exchange(ctx context.Context, network, addr string, m *dns.Msg) (*dns.Msg, error) {
	c, err := w.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("ask %s over %s: %w", addr, network, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if d, ok := ctx.Deadline(); ok {
		c.SetDeadline(d)
	}
	client := dns.Client{Net: network}
	r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: c, UDPSize: 1232})
	if err != nil {
		return nil, fmt.Errorf("ask %s over %s: %w", addr, network, err)
	}
	return r, nil
}

// Resolve gives the value of a secret reference ("scheme:rest"). Errors name
// the reference, never a value.
func (w *World) Resolve(ctx context.Context, ref string) (string, error) {
	if w.Secret == nil {
		return "", fmt.Errorf("secret %q: no secrets can be had here", ref)
	}
	value, err := w.Secret(ctx, ref)
	if err == nil {
		w.told.remember(value)
	}
	return value, err
}

// Getenv reads an environment variable through the door.
func (w *World) Getenv(name string) (string, bool) {
	if w.Env != nil {
		return w.Env(name)
	}
	return os.LookupEnv(name)
}

// HTTP says what an HTTP client of World needs beyond the defaults.
type HTTP struct {
	CAFile    string         // PEM file of roots that replace the system's
	Roots     *x509.CertPool // the same, already read
	Timeout   time.Duration  // of one whole request; 0: one minute
	UserAgent string
}

// Client makes an HTTP client that dials through the door, keeps connections,
// and never uses http.DefaultClient. Callers share it by Shared.
func (w *World) Client(o HTTP) (*http.Client, error) {
	roots := o.Roots
	if roots == nil {
		roots = w.Roots
	}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s: no certificate in it", o.CAFile)
		}
	}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           w.DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          200,
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
	if w.Dial != nil {
		t.Proxy = nil
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	if w.Dated != nil {
		return &http.Client{Transport: dated{t, w.Dated}, Timeout: timeout}, nil
	}
	return &http.Client{Transport: t, Timeout: timeout}, nil
}

// dated tells what the Date of each answer says (RFC 9110, section 6.6.1).
type dated struct {
	*http.Transport
	tell func(host string, ahead time.Duration)
}

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := time.Now()
	resp, err := d.Transport.RoundTrip(r)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			// The middle of its second against the middle of the request.
			d.tell(r.URL.Host, date.Add(time.Second/2).Sub(asked.Add(time.Since(asked)/2)))
		}
	}
	return resp, err
}
