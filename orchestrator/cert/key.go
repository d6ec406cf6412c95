package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

// Fingerprint is a SHA-256 in lower-case hex. Of a leaf: of its DER. Of a
// chain: of all its DER in order. Of a key: of its SubjectPublicKeyInfo.
type Fingerprint string

// Short is enough of f for people to tell two apart.
func (f Fingerprint) Short() string {
	if len(f) > 12 {
		return string(f[:12])
	}
	return string(f)
}

func sum(parts ...[]byte) Fingerprint {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return Fingerprint(hex.EncodeToString(h.Sum(nil)))
}

// KeyType is what kind of key a certificate is wanted with.
type KeyType string

// The key types that Let's Encrypt signs for.
const (
	RSA2048   KeyType = "rsa2048"
	RSA3072   KeyType = "rsa3072"
	RSA4096   KeyType = "rsa4096"
	ECDSAP256 KeyType = "ecdsa-p256"
	ECDSAP384 KeyType = "ecdsa-p384"
)

// KeyTypes lists them all, the default first.
var KeyTypes = []KeyType{ECDSAP256, ECDSAP384, RSA2048, RSA3072, RSA4096}

// Family is "rsa" or "ecdsa": one endpoint can serve one certificate of each.
func (t KeyType) Family() string {
	if strings.HasPrefix(string(t), "rsa") {
		return "rsa" // of any size: an endpoint may serve what we would not order
	}
	return "ecdsa"
}

// Key is a private key. It prints as its fingerprint, so that a stray %v
// cannot show it; the only way to its bytes is PEM.
type Key struct {
	signer crypto.Signer
	spki   Fingerprint // asked for at every step
}

func newKey(s crypto.Signer) Key { return Key{s, SPKI(s.Public())} }

// GenerateKey makes a new key of type t.
func GenerateKey(t KeyType) (Key, error) {
	var s crypto.Signer
	var err error
	switch t {
	case ECDSAP256:
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		s, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		s, err = rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		s, err = rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		s, err = rsa.GenerateKey(rand.Reader, 4096)
	default:
		return Key{}, fmt.Errorf("unknown key type %q", t)
	}
	if err != nil {
		return Key{}, fmt.Errorf("generate %s key: %w", t, err)
	}
	return newKey(s), nil
}

// ParseKey reads one private key from PEM (PKCS #8, PKCS #1 or SEC 1). Errors
// never quote the input.
func ParseKey(data []byte) (Key, error) {
	for {
		var b *pem.Block
		b, data = pem.Decode(data)
		if b == nil {
			return Key{}, fmt.Errorf("no private key in the PEM data")
		}
		var k any
		var err error
		switch b.Type {
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		case "RSA PRIVATE KEY":
			k, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case "EC PRIVATE KEY":
			k, err = x509.ParseECPrivateKey(b.Bytes)
		default:
			continue
		}
		if err != nil {
			return Key{}, fmt.Errorf("parse private key (%s): the bytes are not a valid key", b.Type)
		}
		s, ok := k.(crypto.Signer)
		if !ok {
			return Key{}, fmt.Errorf("private key of type %T cannot sign", k)
		}
		return newKey(s), nil
	}
}

// Zero reports whether k holds no key.
func (k Key) Zero() bool { return k.signer == nil }

// Signer is for making a CSR or a handshake; it must not be stored elsewhere.
func (k Key) Signer() crypto.Signer { return k.signer }

// PEM is the key as PKCS #8 PEM.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// SPKI is the fingerprint of the public half, the name under which the state
// keeps the key.
func (k Key) SPKI() Fingerprint { return k.spki }

// SPKI is the fingerprint of a public key's SubjectPublicKeyInfo.
func SPKI(pub crypto.PublicKey) Fingerprint {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	return sum(der)
}

// TypeOf says which KeyType a public key is, "" for one that is none of them.
func TypeOf(pub crypto.PublicKey) KeyType {
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		switch p.Curve {
		case elliptic.P256():
			return ECDSAP256
		case elliptic.P384():
			return ECDSAP384
		}
	case *rsa.PublicKey:
		return KeyType(fmt.Sprintf("rsa%d", p.N.BitLen()))
	}
	return ""
}

func (k Key) String() string   { return "key " + k.SPKI().Short() }
func (k Key) GoString() string { return k.String() }

// MarshalJSON refuses: a key has no place in JSON.
func (k Key) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("a private key cannot be written as JSON")
}
