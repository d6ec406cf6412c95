package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
)

// lookAt shakes hands with one address and judges what it shows.
func lookAt(ctx context.Context, w *world.World, e cert.Endpoint, at netip.AddrPort, want Expect) Address {
	began := time.Now()
	a := Address{Addr: at}
	served, err := shake(ctx, w, e, at, "")
	if err == nil && e.Family != "" && cert.TypeOf(served[0].PublicKey).Family() != e.Family {
		// Two certificates may live here, and TLS 1.3 gives a client of
		// crypto/tls no way to choose; TLS 1.2 does, by its cipher suites.
		if other, err := shake(ctx, w, e, at, e.Family); err == nil {
			served = other
		}
	}
	if len(served) > 0 {
		leaf := served[0]
		a.Leaf, a.NotAfter, a.Names = cert.Print(leaf), leaf.NotAfter, cert.LeafNames(leaf)
		a.Issuer, a.KeyType = leaf.Issuer.CommonName, cert.TypeOf(leaf.PublicKey)
	}
	switch {
	case err != nil:
		a.Err, a.Unroutable = err, unroutable(ctx, w, at, err)
	default:
		a.Err = judge(served, e.ServerName, w.Roots, want.Chain, time.Now())
	}
	a.Took = time.Since(began)
	return a
}

// suites of TLS 1.2 that only one key family can serve.
var suites = map[string][]uint16{
	"rsa": {
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	},
	"ecdsa": {
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	},
}

// shake returns the certificates that a handshake shows, leaf first. family
// "" takes what the endpoint prefers. With an error there are certificates
// only if they were shown before it happened.
func shake(ctx context.Context, w *world.World, e cert.Endpoint, at netip.AddrPort, family string) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	end, _ := ctx.Deadline()
	limit := time.Until(end).Round(time.Second) // less than lookTime at the end of a wait
	raw, err := w.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("dial: %w", bare(err))
	}
	defer raw.Close()
	// The deadline holds for plain-text talk too, which knows no context.
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := startTLS(raw, e.StartTLS); err != nil {
		return nil, fmt.Errorf("ask for TLS by %s: %w", e.StartTLS, late(ctx, limit, err))
	}

	var shown []*x509.Certificate
	asked := false
	conf := &tls.Config{
		ServerName: e.ServerName,
		MinVersion: tls.VersionTLS12,
		// The chain is judged afterwards, with a reason for each fault.
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(der [][]byte, _ [][]*x509.Certificate) error {
			for _, d := range der {
				x, err := x509.ParseCertificate(d)
				if err != nil {
					return err
				}
				shown = append(shown, x)
			}
			return nil
		},
		// Asked for a certificate of ours, the endpoint has proven its own.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		},
	}
	if family != "" {
		conf.MaxVersion, conf.CipherSuites = tls.VersionTLS12, suites[family]
	}
	c := tls.Client(raw, conf)
	err = c.HandshakeContext(ctx)
	if err != nil && !(asked && len(shown) > 0) {
		return shown, fmt.Errorf("TLS handshake: %w", late(ctx, limit, words(err)))
	}
	if len(shown) == 0 {
		return nil, errors.New("TLS handshake: no certificate was shown")
	}
	if err == nil {
		// A goodbye is good manners; whether it arrives does not matter.
		_ = c.Close()
	}
	return shown, nil
}

// bare is a dial's error without the address and the call, which who tells it
// says too.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// late says that the time was up instead of how the connection broke then.
func late(ctx context.Context, limit time.Duration, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %s", limit)
		}
		return cause
	}
	return err
}

// words puts the usual handshake faults into words that people know.
func words(err error) error {
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &plain):
		return fmt.Errorf("what answers does not speak TLS: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the connection was closed: %w", err)
	}
	return err
}

// unroutable reports whether err says that this machine has no route to the
// address at all. A single host that is down looks similar; connecting a UDP
// socket, which sends nothing, asks the routing table alone.
func unroutable(ctx context.Context, w *world.World, at netip.AddrPort, err error) bool {
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		return true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
	default:
		return false
	}
	var c net.Conn
	c, err = w.DialContext(ctx, "udp", at.String())
	if err != nil {
		return true
	}
	c.Close()
	return false
}
