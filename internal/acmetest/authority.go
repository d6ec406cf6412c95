package acmetest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// authority is the part of a CA that holds keys: some intermediates, each signed by every root.
type authority struct {
	roots         []*x509.Certificate
	intermediates []intermediate

	mu      sync.Mutex
	serving map[string]*tls.Certificate // the CA's own server certificates
}

type intermediate struct {
	key   crypto.Signer
	certs []*x509.Certificate // by root
}

// signingKeys makes the keys of all CAs of this process on first use and keeps them: their certificates differ.
var signingKeys struct {
	sync.Mutex
	keys []*ecdsa.PrivateKey
}

func signingKey(i int) *ecdsa.PrivateKey {
	signingKeys.Lock()
	defer signingKeys.Unlock()
	for len(signingKeys.keys) <= i {
		signingKeys.keys = append(signingKeys.keys, newKey())
	}
	return signingKeys.keys[i]
}

func newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("acmetest: " + err.Error()) // the system's randomness is gone
	}
	return k
}

func newAuthority(roots, intermediates int) *authority {
	a := &authority{serving: map[string]*tls.Certificate{}}
	tag := newSerial().Text(36)[:6]
	now := time.Now()
	sign := func(name string, pub *ecdsa.PublicKey, parent *x509.Certificate, by *ecdsa.PrivateKey) *x509.Certificate {
		t := &x509.Certificate{
			SerialNumber: newSerial(),
			Subject:      pkix.Name{Organization: []string{"certform tests"}, CommonName: name},
			NotBefore:    now.AddDate(-1, 0, 0), NotAfter: now.AddDate(25, 0, 0),
			IsCA: true, BasicConstraintsValid: true,
			KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
			SubjectKeyId: keyID(pub),
		}
		if parent == nil {
			parent = t
		}
		return mustSign(t, parent, pub, by)
	}
	for i := range roots {
		k := signingKey(i)
		a.roots = append(a.roots, sign(fmt.Sprintf("Test Root %d %s", i+1, tag), &k.PublicKey, nil, k))
	}
	for i := range intermediates {
		k := signingKey(100 + i)
		in := intermediate{key: k}
		for j, root := range a.roots {
			in.certs = append(in.certs, sign(fmt.Sprintf("Test Intermediate %d %s", i+1, tag), &k.PublicKey, root, signingKey(j)))
		}
		a.intermediates = append(a.intermediates, in)
	}
	return a
}

func mustSign(t, parent *x509.Certificate, pub any, by crypto.Signer) *x509.Certificate {
	c, err := sign(t, parent, pub, by)
	if err != nil {
		panic("acmetest: " + err.Error()) // a template of our own
	}
	return c
}

func sign(t, parent *x509.Certificate, pub any, by crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial returns 17 random bytes behind a first byte that keeps the number positive and its length fixed.
func newSerial() *big.Int {
	var b [18]byte
	rand.Read(b[:])
	b[0] = 0x03
	return new(big.Int).SetBytes(b[:])
}

func keyID(pub any) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil
	}
	sum := sha1.Sum(der)
	return sum[:]
}

// leaf signs an end-entity certificate with one of the intermediates.
func (a *authority) leaf(by int, pub any, names []string, cn string, from time.Time, life time.Duration) (*x509.Certificate, error) {
	in := a.intermediates[by]
	return sign(&x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    from, NotAfter: from.Add(life - time.Second), // both ends count (RFC 5280 section 4.1.2.5)
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names,
	}, in.certs[0], pub, in.key)
}

// chain returns the PEM of a certificate and its intermediate as the i-th root signed it.
func (a *authority) chain(leaf *x509.Certificate, by, root int) []byte {
	var b bytes.Buffer
	for _, c := range []*x509.Certificate{leaf, a.intermediates[by].certs[root]} {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

// server returns the CA's own certificate for a name or address that it is asked at.
func (a *authority) server(name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.serving[name]; c != nil {
		return c, nil
	}
	k := newKey()
	in := a.intermediates[0]
	t := &x509.Certificate{
		SerialNumber: newSerial(),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(20, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if name != "" && name != "localhost" {
		t.DNSNames = append(t.DNSNames, name)
	}
	leaf, err := sign(t, in.certs[0], &k.PublicKey, in.key)
	if err != nil {
		return nil, fmt.Errorf("sign server certificate for %q: %w", name, err)
	}
	c := &tls.Certificate{Certificate: [][]byte{leaf.Raw, in.certs[0].Raw}, PrivateKey: k, Leaf: leaf}
	a.serving[name] = c
	return c, nil
}
