// Package sandbox is a small world for the demo: an ACME CA (Pebble), an
// authoritative DNS server that takes signed dynamic updates, and an HTTPS
// endpoint that serves whatever lies in a directory. All of it listens on
// loopback and lives in the calling process.
package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// Sandbox is the running world.
type Sandbox struct {
	Zone      string // the DNS zone it serves
	Directory string // URL of the CA's ACME directory
	CAFile    string // PEM root of the CA's own HTTPS
	DNS       string // host:port of the DNS server
	KeyName   string // of the TSIG key that may update the zone
	Key       string // the key itself, base64
	Endpoint  string // host:port of the HTTPS endpoint
	Served    string // the directory that the endpoint serves from

	closers []func() error
}

// Start starts the sandbox for zone in dir. The caller closes it.
func Start(dir, zone string) (*Sandbox, error) {
	s := &Sandbox{Zone: zone, KeyName: "certform.", CAFile: filepath.Join(dir, "ca.pem"), Served: filepath.Join(dir, "tls")}
	for _, part := range []func() error{s.startDNS, s.startCA, s.startEndpoint} {
		if err := part(); err != nil {
			return nil, errors.Join(fmt.Errorf("start the sandbox: %w", err), s.Close())
		}
	}
	return s, nil
}

// Close stops everything that Start started.
func (s *Sandbox) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *Sandbox) startDNS() error {
	secret := make([]byte, 32)
	rand.Read(secret)
	s.Key = base64.StdEncoding.EncodeToString(secret)
	n := dnstest.New()
	s.closers = append(s.closers, n.Close)
	n.AddKey(s.KeyName, "hmac-sha256.", s.Key)
	server := n.AddServer("ns1."+s.Zone, "127.0.0.1")
	zone := n.AddZone(s.Zone, server)
	zone.Allow(dnstest.Allow{Keys: []string{s.KeyName}})
	addr, err := n.ServeLoopback(server, "127.0.0.1:0")
	s.DNS = addr.String()
	return err
}

// startCA starts Pebble as a library. Its handler takes one request at a time:
// under concurrent orders its own locks can wait for each other for ever.
func (s *Sandbox) startCA() error {
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{
		"default": {Description: "ninety days", ValidityPeriod: 90 * 24 * 3600},
	})
	validator := va.New(quiet, 5002, 5001, true, s.DNS, store)
	front := wfe.New(quiet, store, validator, authority, []string{"ca.test"}, true, false, 0, 1)
	handler := front.Handler()
	var one sync.Mutex
	cert, root, err := selfSigned("certform demo CA")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.CAFile, root, 0o644); err != nil {
		return err
	}
	addr, err := s.serve(&tls.Config{Certificates: []tls.Certificate{cert}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		handler.ServeHTTP(w, r)
	}))
	s.Directory = "https://" + addr + wfe.DirectoryPath
	return err
}

// startEndpoint serves the pair that lies in Served, read anew for each
// handshake: what somebody does to the files shows at once.
func (s *Sandbox) startEndpoint() error {
	addr, err := s.serve(&tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(s.Served, "fullchain.pem"), filepath.Join(s.Served, "privkey.pem"))
		if err != nil {
			return nil, err
		}
		return &pair, nil
	}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from the endpoint of the certform demo")
	}))
	s.Endpoint = addr
	return err
}

func (s *Sandbox) serve(conf *tls.Config, h http.Handler) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, TLSConfig: conf, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with ErrServerClosed, by Close.
		_ = srv.ServeTLS(l, "", "")
	}()
	s.closers = append(s.closers, func() error {
		err := srv.Close()
		<-ended
		return err
	})
	return l.Addr().String(), nil
}

// selfSigned makes the certificate of the CA's own HTTPS.
func selfSigned(name string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
