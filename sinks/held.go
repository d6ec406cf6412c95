package sinks

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"math/big"

	"github.com/certform/certform/orchestrator/cert"
)

// Hold is what a place that holds chain c holds, as far as c alone tells: Ref,
// Rev, Broken and Notes are the sink's to fill in.
func Hold(c cert.Chain) Held {
	return Held{
		Leaf:     c.LeafPrint(),
		Chain:    c.Fingerprint(),
		NotAfter: c.Leaf().NotAfter,
		Names:    c.Names(),
		Issuer:   Issuer(c.Leaf()),
		SHA1:     SHA1(c.Leaf()),
		Serial:   Serial(c.Leaf().SerialNumber),
	}
}

// Matches reports whether the leaf of c is what is held. Where the place shows
// no SHA-256 of it, SHA-1 decides: an attacker who could make a second leaf
// with our SHA-1 would need the CA to sign it.
func (h Held) Matches(c cert.Chain) bool {
	switch {
	case len(c) == 0:
		return false
	case h.Leaf != "":
		return h.Leaf == c.LeafPrint()
	case h.SHA1 != "":
		return h.SHA1 == SHA1(c.Leaf())
	}
	return false
}

// SHA1 is the SHA-1 of a certificate as Held keeps it.
func SHA1(x *x509.Certificate) string {
	s := sha1.Sum(x.Raw)
	return hex.EncodeToString(s[:])
}

// Serial is a serial number as Held keeps it.
func Serial(n *big.Int) string {
	if n == nil {
		return ""
	}
	return n.Text(16)
}

// Issuer names who signed a certificate, for people: the common name, or the
// organisation where there is none.
func Issuer(x *x509.Certificate) string {
	if cn := x.Issuer.CommonName; cn != "" {
		return cn
	}
	if len(x.Issuer.Organization) > 0 {
		return x.Issuer.Organization[0]
	}
	return ""
}
