package file

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/certform/certform/orchestrator/cert"
)

// combined is chain and key in one PEM file.
type combined struct{}

func (combined) encode(b *cert.Bundle) ([]byte, error) { return b.CombinedPEM() }

func (combined) decode(data []byte) (cert.Chain, string) {
	chain, err := cert.ParseChain(data)
	if err != nil {
		return inOtherForm(data), err.Error()
	}
	key, err := cert.ParseKey(data)
	switch {
	case err != nil:
		return chain, err.Error()
	case key.SPKI() != cert.SPKI(chain.Leaf().PublicKey):
		return chain, "the private key does not fit the certificate"
	}
	return chain, ""
}

// inOtherForm is the chain in data that is no PEM, or PEM where that is not
// wanted: a certificate all the same, and perhaps not ours. nil if there is none.
func inOtherForm(data []byte) cert.Chain {
	if chain, err := cert.ParseChain(data); err == nil {
		return chain
	}
	if certs, err := x509.ParseCertificates(data); err == nil && len(certs) > 0 {
		return certs
	}
	return nil
}

// isArchive reports whether data is a whole PKCS #12 archive, whoever can open
// it: it is somebody's, though it cannot be read here.
func isArchive(data []byte) bool {
	begin := []byte{0x02, 0x01, 0x03, 0x30} // its version, 3, and what is in it
	var whole asn1.RawValue
	if _, err := asn1.Unmarshal(data, &whole); err != nil {
		return bytes.HasPrefix(data, append([]byte{0x30, 0x80}, begin...)) // BER without a length
	}
	return bytes.HasPrefix(whole.Bytes, begin)
}

func (combined) same(data []byte, b *cert.Bundle) bool {
	want, err := b.CombinedPEM()
	return err == nil && bytes.Equal(data, want)
}

// archive is a PKCS #12 file. Its bytes are different each time (salt), so it
// is compared by what is in it.
type archive struct{ password string }

func (a archive) encode(b *cert.Bundle) ([]byte, error) {
	data, err := pkcs12.Modern.Encode(b.Key().Signer(), b.Chain.Leaf(), b.Chain[1:], a.password)
	if err != nil {
		return nil, fmt.Errorf("make the PKCS #12 archive: %w", err)
	}
	return data, nil
}

func (a archive) open(data []byte) (cert.Chain, cert.Fingerprint, string) {
	key, leaf, rest, err := pkcs12.DecodeChain(data, a.password)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return nil, "", "the password does not open it"
	case err != nil:
		return nil, "", "not a PKCS #12 archive with one certificate and its key: " + err.Error()
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, "", "the private key in it is of a kind that cannot sign"
	}
	return append(cert.Chain{leaf}, rest...), cert.SPKI(signer.Public()), ""
}

func (a archive) decode(data []byte) (cert.Chain, string) {
	chain, key, why := a.open(data)
	if chain == nil {
		return inOtherForm(data), why
	}
	if why == "" && key != cert.SPKI(chain.Leaf().PublicKey) {
		why = "the private key does not fit the certificate"
	}
	return chain, why
}

func (a archive) same(data []byte, b *cert.Bundle) bool {
	chain, key, why := a.open(data)
	return why == "" && chain.Fingerprint() == b.Chain.Fingerprint() && key == b.Key().SPKI()
}
