package cert_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// issued is a leaf for k under an intermediate under a root.
func issued(t testing.TB, k cert.Key, names ...string) cert.Chain {
	t.Helper()
	serial := int64(0)
	sign := func(cn string, parent *x509.Certificate, pub, priv any) *x509.Certificate {
		serial++
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn}, NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1e9+90*86400, 0)}
		if cn == "" {
			tmpl.DNSNames = names
		} else {
			tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
		}
		if parent == nil {
			parent = tmpl
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, priv)
		if err != nil {
			t.Fatal(err)
		}
		x, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	rootKey, interKey := newKey(t), newKey(t)
	root := sign("root", nil, rootKey.Public(), rootKey)
	inter := sign("intermediate", root, interKey.Public(), rootKey)
	return cert.Chain{sign("", inter, k.Signer().Public(), interKey), inter, root}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func generate(t testing.TB, kt cert.KeyType) cert.Key {
	t.Helper()
	k, err := cert.GenerateKey(kt)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyPEM(t testing.TB, k cert.Key) []byte {
	t.Helper()
	p, err := k.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKeys(t *testing.T) {
	for _, kt := range cert.KeyTypes {
		k := generate(t, kt)
		if got := cert.TypeOf(k.Signer().Public()); got != kt {
			t.Errorf("%s: TypeOf says %q", kt, got)
		}
		again, err := cert.ParseKey(keyPEM(t, k))
		if err != nil || again.SPKI() != k.SPKI() {
			t.Errorf("%s: read back: %v, %v", kt, again, err)
		}
		family := "ecdsa"
		if strings.HasPrefix(string(kt), "rsa") {
			family = "rsa"
		}
		if kt.Family() != family {
			t.Errorf("%s is of family %s", kt, kt.Family())
		}
	}
	if got := cert.KeyType("rsa1024").Family(); got != "rsa" {
		t.Errorf("a small RSA key is of family %s", got)
	}
	if _, err := cert.GenerateKey("dsa"); err == nil {
		t.Error("a key of an unknown type")
	}
	if !(cert.Key{}).Zero() || (cert.Key{}).SPKI() != "" {
		t.Error("the zero Key is a key")
	}
}

func TestParseKeyFormats(t *testing.T) {
	ec := newKey(t)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	want := cert.SPKI(ec.Public())
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 0}})
	for name, data := range map[string][]byte{
		"SEC 1":                        pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
		"SEC 1 behind its parameters":  append(params, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...),
		"with Windows ends and a text": append([]byte("my key\r\n"), bytes.ReplaceAll(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), []byte("\n"), []byte("\r\n"))...),
	} {
		k, err := cert.ParseKey(data)
		if err != nil || k.SPKI() != want {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	const canary = "Q0FOQVJZQ0FOQVJZ"
	for name, data := range map[string]string{
		"nothing":      "",
		"no key":       "-----BEGIN CERTIFICATE-----\n" + canary + "\n-----END CERTIFICATE-----\n",
		"not a key":    "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----\n",
		"not RSA":      "-----BEGIN RSA PRIVATE KEY-----\n" + canary + "\n-----END RSA PRIVATE KEY-----\n",
		"encrypted":    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + canary + "\n-----END ENCRYPTED PRIVATE KEY-----\n",
		"unterminated": "-----BEGIN PRIVATE KEY-----\n" + canary,
	} {
		if _, err := cert.ParseKey([]byte(data)); err == nil || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyIsNotShown: no way of printing shows the key.
func TestKeyIsNotShown(t *testing.T) {
	for _, kt := range []cert.KeyType{cert.ECDSAP256, cert.RSA2048} {
		k := generate(t, kt)
		b, err := cert.NewBundle(issued(t, k, "example.com"), k)
		if err != nil {
			t.Fatal(err)
		}
		type holder struct {
			Key    cert.Key
			Bundle *cert.Bundle
			key    cert.Key
		}
		for _, v := range []any{k, &k, b, *b, holder{k, b, k}, []cert.Key{k}, map[string]cert.Key{"k": k}, fmt.Errorf("with %v", k)} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%t", "%p"} {
				text := fmt.Sprintf(verb, v)
				if strings.Contains(text, "PRIVATE") || containsKey(text, k) {
					t.Errorf("%s of %T shows the key: %.200s", verb, v, text)
				}
			}
		}
		if data, err := json.Marshal(k); err == nil {
			t.Errorf("a key as JSON: %s", data)
		}
		if data, err := json.Marshal(holder{Key: k}); err == nil {
			t.Errorf("a key as JSON: %s", data)
		}
	}
}

// containsKey looks for the private numbers themselves, in decimal, in hex and
// as a list of octets.
func containsKey(text string, k cert.Key) bool {
	var secret []*big.Int
	switch s := k.Signer().(type) {
	case *ecdsa.PrivateKey:
		raw, _ := s.Bytes()
		secret = append(secret, new(big.Int).SetBytes(raw))
	case *rsa.PrivateKey:
		secret = append(secret, s.D, s.Primes[0])
	}
	for _, n := range secret {
		octets := strings.Trim(fmt.Sprint(n.Bytes()), "[]")
		if strings.Contains(text, n.String()) || strings.Contains(strings.ToLower(text), n.Text(16)) || strings.Contains(text, octets) {
			return true
		}
	}
	return len(secret) == 0
}

func TestNewBundle(t *testing.T) {
	k, other := generate(t, cert.ECDSAP256), generate(t, cert.ECDSAP256)
	c := issued(t, k, "example.com")
	for name, make := range map[string]func() (*cert.Bundle, error){
		"another key":               func() (*cert.Bundle, error) { return cert.NewBundle(c, other) },
		"no key":                    func() (*cert.Bundle, error) { return cert.NewBundle(c, cert.Key{}) },
		"no certificate":            func() (*cert.Bundle, error) { return cert.NewBundle(nil, k) },
		"the intermediate's":        func() (*cert.Bundle, error) { return cert.NewBundle(c[1:], k) },
		"PEM of another key":        func() (*cert.Bundle, error) { return cert.ParseBundle(append(c.PEM(), keyPEM(t, other)...)) },
		"PEM without a key":         func() (*cert.Bundle, error) { return cert.ParseBundle(c.PEM()) },
		"PEM without a certificate": func() (*cert.Bundle, error) { return cert.ParseBundle(keyPEM(t, k)) },
		"PEM of a chain in disorder": func() (*cert.Bundle, error) {
			return cert.ParseBundle(append(cert.Chain{c[0], c[2], c[1]}.PEM(), keyPEM(t, k)...))
		},
	} {
		if b, err := make(); err == nil {
			t.Errorf("%s: it is a bundle: %v", name, b)
		}
	}
	for name, data := range map[string][]byte{
		"chain first": append(c.PEM(), keyPEM(t, k)...),
		"key first":   append(keyPEM(t, k), c.PEM()...),
	} {
		b, err := cert.ParseBundle(data)
		if err != nil || b.Leaf() != cert.Print(c[0]) || b.Key().SPKI() != k.SPKI() || b.Chain.Fingerprint() != c.Fingerprint() {
			t.Errorf("%s: %v, %v", name, b, err)
		}
	}
}

func TestBundleFiles(t *testing.T) {
	k := generate(t, cert.RSA2048)
	c := issued(t, k, "b.example.com", "*.a.example.com", "B.example.com")
	b, err := cert.NewBundle(c, k)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(b.CertPEM(), b.IntermediatesPEM()...), b.FullchainPEM()) {
		t.Error("cert.pem and chain.pem are not fullchain.pem")
	}
	combined, err := b.CombinedPEM()
	if err != nil || bytes.Contains(combined, []byte("\n\n")) || !bytes.HasPrefix(combined, b.FullchainPEM()) {
		t.Errorf("combined: %v", err)
	}
	if again, err := cert.ParseBundle(combined); err != nil || again.Leaf() != b.Leaf() {
		t.Errorf("combined read back: %v, %v", again, err)
	}
	if got := c.Names(); !slices.Equal(got, []string{"*.a.example.com", "b.example.com"}) {
		t.Errorf("names %v", got)
	}
	if c.Life() != 90*24*time.Hour {
		t.Errorf("life %s", c.Life())
	}
}

func TestParseChain(t *testing.T) {
	c := issued(t, generate(t, cert.ECDSAP256), "example.com")
	text := append([]byte("s:CN = example.com\n"), c[0:1].PEM()...)
	text = append(append(text, "\r\n# the intermediate\r\n"...), c[1:].PEM()...)
	for _, x := range []struct {
		name  string
		data  []byte
		n     int
		fails string
	}{
		{name: "with text between", data: text, n: 3},
		{name: "leaf alone", data: c[:1].PEM(), n: 1},
		{name: "key between", data: slices.Concat(c[:1].PEM(), keyPEM(t, generate(t, cert.ECDSAP256)), c[1:].PEM()), n: 3},
		{name: "root first", data: cert.Chain{c[2], c[1], c[0]}.PEM(), fails: "out of order: certificate 2"},
		{name: "a gap", data: cert.Chain{c[0], c[2]}.PEM(), fails: "out of order"},
		{name: "the leaf twice", data: cert.Chain{c[0], c[0]}.PEM(), fails: "out of order"},
		{name: "a stranger's", data: append(c[:1].PEM(), issued(t, generate(t, cert.ECDSAP256), "x.example.com")[0:1].PEM()...), fails: "out of order"},
		{name: "nothing", fails: "no certificate"},
		{name: "no PEM", data: c[0].Raw, fails: "no certificate"},
		{name: "broken", data: append(c[:1].PEM(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c[1].Raw[:100]})...), fails: "certificate 2"},
	} {
		got, err := cert.ParseChain(x.data)
		switch {
		case x.fails == "" && (err != nil || len(got) != x.n):
			t.Errorf("%s: %d certificates, %v", x.name, len(got), err)
		case x.fails != "" && (err == nil || !strings.Contains(err.Error(), x.fails)):
			t.Errorf("%s: %v does not say %q", x.name, err, x.fails)
		}
	}
}

// FuzzParse: whatever PEM comes in, nothing panics, what was read can be
// written and read again, and a bundle is always a pair that fits. Signing is
// not the same twice, so fuzz with -fuzzminimizetime=1x.
func FuzzParse(f *testing.F) {
	k := generate(f, cert.ECDSAP256)
	c := issued(f, k, "example.com", "*.example.com")
	combined := append(c.PEM(), keyPEM(f, k)...)
	f.Add(combined)
	f.Add(c.PEM())
	f.Add(keyPEM(f, k))
	f.Add(combined[:len(combined)/2])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := cert.ParseChain(data); err == nil {
			again, err := cert.ParseChain(c.PEM())
			if err != nil || again.Fingerprint() != c.Fingerprint() {
				t.Errorf("the chain is another after it was written: %v", err)
			}
			c.Names()
			c.Life()
			_ = cert.TypeOf(c.Leaf().PublicKey).Family()
		}
		if k, err := cert.ParseKey(data); err == nil {
			again, err := cert.ParseKey(keyPEM(t, k))
			if err != nil || again.SPKI() != k.SPKI() {
				t.Errorf("the key is another after it was written: %v", err)
			}
		}
		b, err := cert.ParseBundle(data)
		if err != nil {
			return
		}
		if cert.SPKI(b.Chain.Leaf().PublicKey) != b.Key().SPKI() {
			t.Error("the pair does not fit")
		}
		combined, err := b.CombinedPEM()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := cert.ParseBundle(combined); err != nil || again.Leaf() != b.Leaf() {
			t.Errorf("the bundle is another after it was written: %v", err)
		}
	})
}
