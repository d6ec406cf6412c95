package acmetest

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// finalize signs the certificate of a ready order (RFC 8555 section 7.4). With Config.FinalizeDelay the order stays
// processing for that long although the certificate exists, so that a CA can have signed what nobody fetched.
func finalize(r *request) (answer, *Problem) {
	o, p := r.order()
	if p != nil {
		return answer{}, p
	}
	status, _ := o.status()
	if status != "ready" {
		return answer{}, problem(http.StatusForbidden, "orderNotReady", "Order's status (%q) is not acceptable for finalization", status)
	}
	var body struct {
		CSR string `json:"csr"`
	}
	if p := r.decode(&body); p != nil {
		return answer{}, p
	}
	der, err := base64.RawURLEncoding.DecodeString(body.CSR)
	if err != nil {
		return answer{}, malformed("Error unmarshaling finalize order request")
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return answer{}, malformed("Error parsing certificate request: %v", err)
	}
	if p := r.checkCSR(csr, o.names); p != nil {
		return answer{}, p
	}
	o.mu.Lock()
	taken := o.final
	o.final = true
	o.mu.Unlock()
	if taken {
		return answer{}, problem(http.StatusForbidden, "orderNotReady", "Order's status (\"processing\") is not acceptable for finalization")
	}
	cert, p := r.issue(o, csr)
	o.mu.Lock()
	if p != nil {
		o.final = false
		o.mu.Unlock()
		return answer{}, p
	}
	o.cert, o.ready = cert, time.Now().Add(r.config.FinalizeDelay)
	o.mu.Unlock()
	r.header.Set("Location", r.url("order", o.id))
	return answer{http.StatusOK, r.displayOrder(o)}, nil
}

func (r *request) issue(o *order, csr *x509.CertificateRequest) (*certificate, *Problem) {
	_, profile, _ := r.config.profile(o.profile)
	cn := csr.Subject.CommonName
	if cn == "" {
		for _, n := range o.names {
			if len(n) <= 64 {
				cn = n
				break
			}
		}
	}
	if profile.NoCN {
		cn = ""
	}
	by := r.ca.chance.pick(len(r.ca.issuer.intermediates))
	now := time.Now()
	leaf, err := r.ca.issuer.leaf(by, csr.PublicKey, o.names, strings.ToLower(cn), now.Add(-r.config.backdate()).Truncate(time.Second), r.config.validity(profile))
	if err != nil {
		return nil, problem(http.StatusInternalServerError, "serverInternal", "signing: %v", err)
	}
	c := &certificate{
		serial: serialText(leaf), leaf: leaf, by: by, account: o.account, at: now,
		names: o.names, profile: o.profile, order: o.id, replaces: o.replaces,
	}
	r.ca.keep(c)
	if !o.exempt {
		r.ca.limits.certificate(r.config.Limits, o.names, o.renewal)
	}
	return c, nil
}

// checkCSR checks what Let's Encrypt checks: the signature, the key, and that the names are those of the order.
func (r *request) checkCSR(csr *x509.CertificateRequest, names []string) *Problem {
	bad := func(format string, args ...any) *Problem {
		return problem(http.StatusBadRequest, "badCSR", "Error finalizing order :: "+format, args...)
	}
	if err := csr.CheckSignature(); err != nil {
		return bad("invalid signature on CSR")
	}
	switch k := csr.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n != 2048 && n != 3072 && n != 4096 {
			return bad("invalid public key in CSR: key size not supported: %d", n)
		}
	case *ecdsa.PublicKey:
		if c := k.Curve.Params().Name; c != "P-256" && c != "P-384" {
			return bad("invalid public key in CSR: ECDSA curve %s not allowed", c)
		}
	default:
		return bad("invalid public key in CSR: unknown key type %T", k)
	}
	if thumbprint(jose.JSONWebKey{Key: csr.PublicKey}) == r.key.print {
		return malformed("certificate public key must be different than account key")
	}
	if len(csr.EmailAddresses) > 0 || len(csr.IPAddresses) > 0 || len(csr.URIs) > 0 {
		return bad("CSR contains names that are no DNS names")
	}
	var asked []string
	for _, n := range csr.DNSNames {
		asked = append(asked, strings.ToLower(n))
	}
	cn := strings.ToLower(csr.Subject.CommonName)
	if len(cn) > 64 {
		return bad("CN was longer than 64 bytes")
	}
	if cn != "" && !slices.Contains(asked, cn) {
		return bad("CSR's common name %q is not among its subject alternative names", cn)
	}
	slices.Sort(asked)
	if !slices.Equal(slices.Compact(asked), names) {
		return problem(http.StatusForbidden, "unauthorized", "Error finalizing order :: CSR does not specify same identifiers as Order")
	}
	return nil
}
