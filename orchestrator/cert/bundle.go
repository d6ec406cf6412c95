package cert

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"
)

// Chain is a leaf and the certificates between it and a root, leaf first.
type Chain []*x509.Certificate

// ParseChain reads all certificates of PEM data in their order and checks that
// each is signed by the next. Text between the blocks and other block types
// are passed over.
func ParseChain(data []byte) (Chain, error) {
	var c Chain
	for {
		var b *pem.Block
		b, data = pem.Decode(data)
		if b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		x, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", len(c)+1, err)
		}
		c = append(c, x)
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("no certificate in the PEM data")
	}
	for i := 1; i < len(c); i++ {
		if !bytes.Equal(c[i-1].RawIssuer, c[i].RawSubject) {
			return nil, fmt.Errorf("the chain is out of order: certificate %d (%s) is not the issuer of the one before it", i+1, c[i].Subject)
		}
	}
	return c, nil
}

// Leaf is the first certificate.
func (c Chain) Leaf() *x509.Certificate { return c[0] }

// LeafPrint is the fingerprint of the leaf.
func (c Chain) LeafPrint() Fingerprint { return Print(c[0]) }

// Print is the fingerprint of one certificate.
func Print(x *x509.Certificate) Fingerprint { return sum(x.Raw) }

// Fingerprint is that of all certificates in order.
func (c Chain) Fingerprint() Fingerprint {
	parts := make([][]byte, len(c))
	for i, x := range c {
		parts[i] = x.Raw
	}
	return sum(parts...)
}

// PEM is the whole chain, leaf first (certbot's fullchain.pem).
func (c Chain) PEM() []byte {
	var b bytes.Buffer
	for _, x := range c {
		// Encoding to a bytes.Buffer cannot fail.
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: x.Raw})
	}
	return b.Bytes()
}

// Names are the leaf's DNS names, sorted.
func (c Chain) Names() []string { return LeafNames(c[0]) }

// LeafNames are the DNS names of a certificate in canonical form, sorted.
func LeafNames(x *x509.Certificate) []string {
	var out []string
	for _, s := range x.DNSNames {
		if n, err := ParseDNS(s); err == nil {
			s = n.Value
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Life is how long the leaf is valid in all.
func (c Chain) Life() time.Duration { return c[0].NotAfter.Sub(c[0].NotBefore) }

// Bundle is one issued chain with its private key. It is immutable and its
// key fits its leaf; NewBundle is the only way to make one.
type Bundle struct {
	Chain Chain
	key   Key
}

// NewBundle pairs a chain with its key and refuses a pair that does not fit,
// so that no place can ever be given half of one.
func NewBundle(c Chain, k Key) (*Bundle, error) {
	if len(c) == 0 {
		return nil, fmt.Errorf("a bundle needs a certificate")
	}
	if k.Zero() {
		return nil, fmt.Errorf("a bundle needs a private key")
	}
	if leaf := SPKI(c.Leaf().PublicKey); leaf != k.SPKI() {
		return nil, fmt.Errorf("the certificate is for key %s, the private key is %s", leaf.Short(), k.SPKI().Short())
	}
	return &Bundle{Chain: c, key: k}, nil
}

// ParseBundle reads PEM that holds a chain and its key, in any order, as
// HAProxy and many others keep it.
func ParseBundle(data []byte) (*Bundle, error) {
	c, err := ParseChain(data)
	if err != nil {
		return nil, err
	}
	k, err := ParseKey(data)
	if err != nil {
		return nil, err
	}
	return NewBundle(c, k)
}

// Key is the private key. Only sinks call it, and only to write their place.
func (b *Bundle) Key() Key { return b.key }

// Leaf is the fingerprint of the leaf, by which places and records name the bundle.
func (b *Bundle) Leaf() Fingerprint { return b.Chain.LeafPrint() }

// CertPEM is the leaf alone (certbot's cert.pem).
func (b *Bundle) CertPEM() []byte { return b.Chain[:1].PEM() }

// IntermediatesPEM is the chain without the leaf (certbot's chain.pem).
func (b *Bundle) IntermediatesPEM() []byte { return b.Chain[1:].PEM() }

// FullchainPEM is the whole chain (certbot's fullchain.pem).
func (b *Bundle) FullchainPEM() []byte { return b.Chain.PEM() }

// CombinedPEM is the chain followed by the key, without blank lines.
func (b *Bundle) CombinedPEM() ([]byte, error) {
	k, err := b.key.PEM()
	if err != nil {
		return nil, err
	}
	return append(b.Chain.PEM(), k...), nil
}

func (b *Bundle) String() string { return "bundle " + b.Leaf().Short() }
