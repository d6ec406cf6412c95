package sinktest

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// CA is a small certificate authority for tests: a root and one intermediate.
type CA struct {
	t            testing.TB
	root, middle *x509.Certificate
	key          cert.Key
}

// NewCA makes a CA whose certificates are good for ten years from now.
func NewCA(t testing.TB) *CA {
	t.Helper()
	rootKey, midKey := newKey(t, cert.ECDSAP256), newKey(t, cert.ECDSAP256)
	authority := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: newSerial(t), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	root := sign(t, authority("sinktest root"), nil, rootKey, rootKey)
	return &CA{t: t, root: root, middle: sign(t, authority("sinktest R1"), root, midKey, rootKey), key: midKey}
}

// Roots is the pool that trusts the CA.
func (ca *CA) Roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.root)
	return p
}

// Order is what a Bundle is made of; zero values have defaults.
type Order struct {
	Names     []string     // at least one
	KeyType   cert.KeyType // ECDSAP256
	Key       cert.Key     // a new one of KeyType
	NotBefore time.Time    // an hour ago
	NotAfter  time.Time    // 90 days after NotBefore
}

// Bundle issues a new leaf, and gives it with its chain: the
// leaf and the intermediate.
func (ca *CA) Bundle(o Order) *cert.Bundle {
	ca.t.Helper()
	if o.KeyType == "" {
		o.KeyType = cert.ECDSAP256
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = o.NotBefore.AddDate(0, 0, 90)
	}
	key := o.Key
	if key.Zero() {
		key = newKey(ca.t, o.KeyType)
	}
	leaf := sign(ca.t, &x509.Certificate{
		SerialNumber: newSerial(ca.t), DNSNames: o.Names,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.middle, key, ca.key)
	b, err := cert.NewBundle(cert.Chain{leaf, ca.middle}, key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return b
}

// Bundle is one bundle for names from a CA of its own.
func Bundle(t testing.TB, names ...string) *cert.Bundle {
	t.Helper()
	return NewCA(t).Bundle(Order{Names: names})
}

func newKey(t testing.TB, kt cert.KeyType) cert.Key {
	t.Helper()
	k, err := cert.GenerateKey(kt)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSerial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func sign(t testing.TB, template, parent *x509.Certificate, key, by cert.Key) *x509.Certificate {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Signer().Public(), by.Signer())
	if err != nil {
		t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
