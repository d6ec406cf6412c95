package acmetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
)

// DirectoryURL returns the directory's address below a base such as "https://ca.test". It is this CA's own: clients
// that cache directories by address cannot mistake another test's for it. "/directory" alone answers too.
func (ca *CA) DirectoryURL(base string) string { return base + "/directory/" + ca.tag }

// Start serves over TLS at addr, "127.0.0.1:0" for a free port, until Close and returns the directory's URL. The
// server's certificate comes from the CA's own first root.
func (ca *CA) Start(addr string) (directory string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("serve acme: %w", err)
	}
	ca.ServeTLS(l)
	return ca.DirectoryURL("https://" + l.Addr().String()), nil
}

// ServeTLS serves on the listener, in memory or not, until Close, with a certificate for whatever name is asked for.
func (ca *CA) ServeTLS(l net.Listener) { ca.ServeTLSHandler(l, ca) }

// ServeTLSHandler is ServeTLS with a handler in front of the CA.
func (ca *CA) ServeTLSHandler(l net.Listener, h http.Handler) {
	srv := ca.server()
	srv.Handler = h
	srv.TLSConfig = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return ca.issuer.server(h.ServerName)
	}}
	ca.serve(srv, l, func() { srv.ServeTLS(l, "", "") })
}

// Serve serves plain HTTP on the listener until Close.
func (ca *CA) Serve(l net.Listener) {
	srv := ca.server()
	ca.serve(srv, l, func() { srv.Serve(l) })
}

func (ca *CA) server() *http.Server {
	return &http.Server{
		Handler:     ca,
		ErrorLog:    log.New(io.Discard, "", 0), // broken connections are what tests make
		BaseContext: func(net.Listener) context.Context { return ca.ctx },
	}
}

func (ca *CA) serve(srv *http.Server, l net.Listener, run func()) {
	ca.mu.Lock()
	closed := ca.closed
	ca.closers = append(ca.closers, func() { srv.Close() })
	ca.mu.Unlock()
	if closed {
		l.Close()
		return
	}
	ca.run(run)
}

// Roots returns the first root, which the default chain leads to and the CA's own server certificate too.
func (ca *CA) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.issuer.roots[0])
	return p
}

// Root returns the i-th root; the i-th chain of a certificate leads to it.
func (ca *CA) Root(i int) *x509.Certificate { return ca.issuer.roots[i] }

// RootPEM returns the first root for a ca_file.
func (ca *CA) RootPEM() []byte {
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: ca.issuer.roots[0].Raw})
	return b.Bytes()
}

// Client returns an HTTP client that trusts the CA and connects by dial; nil dials sockets. In a bubble its idle
// connections must be closed at the end (CloseIdleConnections), or the CA before.
func (ca *CA) Client(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{RootCAs: ca.Roots()},
		MaxIdleConnsPerHost: 64,
		ForceAttemptHTTP2:   true,
	}}
}
