package acmetest

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

type certificate struct {
	serial   string
	leaf     *x509.Certificate
	by       int // the intermediate
	account  *account
	at       time.Time
	names    []string
	profile  string
	order    string
	replaces string

	// Guarded by CA.mu.
	replaced bool
	revoked  bool
}

// Issued is one certificate that the CA has signed.
type Issued struct {
	Names    []string // sorted
	Time     time.Time
	Cert     *x509.Certificate
	Account  string // the last part of its URL
	Profile  string
	Replaces string // what the order said
	Revoked  bool
}

// Issued returns all certificates that were signed, oldest first, fetched or not.
func (ca *CA) Issued() []Issued {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	out := make([]Issued, len(ca.issued))
	for i, c := range ca.issued {
		out[i] = Issued{slices.Clone(c.names), c.at, c.leaf, c.account.id, c.profile, c.replaces, c.revoked}
	}
	return out
}

func serialText(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

// keep remembers a new certificate and marks the one it replaces.
func (ca *CA) keep(c *certificate) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.certs[c.serial] = c
	ca.issued = append(ca.issued, c)
	ca.renewed[strings.Join(c.names, ",")] = true
	ca.counts["certificates"]++
	if c.replaces != "" {
		if old := ca.certs[serialOf(c.replaces)]; old != nil {
			old.replaced = true
			ca.counts["replaced"]++
		}
	}
}

// getCertificate sends a chain and names the alternates (RFC 8555 section 7.4.2).
func getCertificate(r *request) (answer, *Problem) {
	serial, alt, _ := strings.Cut(r.id, "/")
	root := 0
	if alt != "" {
		var err error
		if root, err = strconv.Atoi(alt); err != nil || root < 0 || root >= len(r.ca.issuer.roots) {
			return answer{}, notFound("Unknown issuance chain")
		}
	}
	r.ca.mu.Lock()
	c := r.ca.certs[serial]
	r.ca.mu.Unlock()
	if c == nil {
		return answer{}, notFound("Certificate not found")
	}
	if c.account != r.account {
		return answer{}, unauthorized("Account in use did not issue specified certificate")
	}
	for i := range r.ca.issuer.roots {
		if i != root {
			r.header.Add("Link", "<"+r.url("cert", serial, strconv.Itoa(i))+">;rel=\"alternate\"")
		}
	}
	r.header.Set("Content-Type", "application/pem-certificate-chain")
	return answer{http.StatusOK, r.ca.issuer.chain(c.leaf, c.by, root)}, nil
}

// revoke revokes by the account that holds the certificate or by the certificate's own key (RFC 8555 section 7.6).
func revoke(r *request) (answer, *Problem) {
	var body struct {
		Certificate string `json:"certificate"`
		Reason      int    `json:"reason"`
	}
	if p := r.decode(&body); p != nil {
		return answer{}, p
	}
	der, err := base64.RawURLEncoding.DecodeString(body.Certificate)
	if err != nil {
		return answer{}, malformed("Unable to parse certificate")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return answer{}, malformed("Unable to parse certificate")
	}
	r.ca.mu.Lock()
	defer r.ca.mu.Unlock()
	c := r.ca.certs[serialText(cert)]
	if c == nil || !c.leaf.Equal(cert) {
		return answer{}, notFound("Certificate from unrecognized issuer")
	}
	own := thumbprint(jose.JSONWebKey{Key: cert.PublicKey}) == r.key.print
	if r.account != nil && c.account != r.account || r.account == nil && !own {
		return answer{}, unauthorized("The key ID specified is not authorized to revoke certificate")
	}
	if !slices.Contains([]int{0, 1, 3, 4, 5, 9}, body.Reason) {
		return answer{}, problem(http.StatusBadRequest, "badRevocationReason", "unsupported revocation reason code provided: %d", body.Reason)
	}
	if c.revoked {
		return answer{}, problem(http.StatusBadRequest, "alreadyRevoked", "Certificate already revoked")
	}
	c.revoked = true
	r.ca.counts["revoked"]++
	return answer{status: http.StatusOK}, nil
}

// CertID returns the identifier of a certificate in renewal information (RFC 9773 section 4.1).
func CertID(cert *x509.Certificate) string {
	serial := cert.SerialNumber.Bytes()
	if len(serial) > 0 && serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	return base64.RawURLEncoding.EncodeToString(cert.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(serial)
}

// serialOf returns our text of the serial in a certificate identifier.
func serialOf(certID string) string {
	_, serial, _ := strings.Cut(certID, ".")
	b, err := base64.RawURLEncoding.DecodeString(serial)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(hex.EncodeToString(b), "00")
}

// byCertID finds a certificate of this CA.
func (ca *CA) byCertID(id string) (*certificate, *Problem) {
	aki, _, ok := strings.Cut(id, ".")
	b, err := base64.RawURLEncoding.DecodeString(aki)
	if !ok || err != nil {
		return nil, malformed("Certificate identifier %q is not two base64url parts", id)
	}
	known := slices.ContainsFunc(ca.issuer.intermediates, func(in intermediate) bool {
		return string(in.certs[0].SubjectKeyId) == string(b)
	})
	if !known {
		return nil, notFound("path contained an Authority Key Identifier that did not match a known issuer")
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	c := ca.certs[serialOf(id)]
	if c == nil {
		return nil, notFound("Certificate not found")
	}
	return c, nil
}

// window returns the suggested renewal window: two hundredths of the life around two thirds of it, or around half of a
// life under ten days; the past for a revoked certificate.
func (ca *CA) window(config *Config, c *certificate) (start, end time.Time, why string, again time.Duration) {
	if config.ARIWindow != nil {
		return config.ARIWindow(c.leaf)
	}
	ca.mu.Lock()
	revoked := c.revoked
	ca.mu.Unlock()
	if revoked {
		now := time.Now()
		return now.Add(-time.Hour), now.Add(-30 * time.Minute), "", 6 * time.Hour
	}
	life := c.leaf.NotAfter.Sub(c.leaf.NotBefore) + time.Second
	middle := c.leaf.NotBefore.Add(life * 2 / 3)
	if life < 10*24*time.Hour {
		middle = c.leaf.NotBefore.Add(life / 2)
	}
	return middle.Add(-life / 100), middle.Add(life / 100), "", 6 * time.Hour
}

// renewalInfo says when to renew (RFC 9773 section 4).
func renewalInfo(r *request) (answer, *Problem) {
	if r.config.NoARI {
		return answer{}, notFound("Page not found")
	}
	c, p := r.ca.byCertID(r.id)
	if p != nil {
		return answer{}, p
	}
	type window struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	}
	start, end, why, again := r.ca.window(r.config, c)
	retryAfter(r.header, again)
	return answer{http.StatusOK, struct {
		SuggestedWindow window `json:"suggestedWindow"`
		ExplanationURL  string `json:"explanationURL,omitempty"`
	}{window{start.UTC().Truncate(time.Second), end.UTC().Truncate(time.Second)}, why}}, nil
}

// checkReplaces checks an order's predecessor (RFC 9773 section 5) and tells whether the order lies in its window.
func (r *request) checkReplaces(id string, names []string) (within bool, _ *Problem) {
	if id == "" {
		return false, nil
	}
	if r.config.Replaces != nil {
		if p := r.config.Replaces(id); p != nil {
			return false, p
		}
	}
	wrap := func(p *Problem) *Problem {
		q := *p
		q.Detail = fmt.Sprintf("While validating replacement order: %s", p.Detail)
		return &q
	}
	if r.config.NoARI {
		return false, malformed("\"replaces\" is not supported")
	}
	c, p := r.ca.byCertID(id)
	if p != nil {
		return false, wrap(p)
	}
	if c.account != r.account {
		return false, wrap(unauthorized("requester account did not request the certificate being replaced by this order"))
	}
	r.ca.mu.Lock()
	replaced := c.replaced
	r.ca.mu.Unlock()
	if replaced {
		return false, wrap(problem(http.StatusConflict, "alreadyReplaced", "cannot indicate an order replaces certificate with serial %q, which already has a replacement order", c.serial))
	}
	if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(c.names, n) }) {
		return false, wrap(malformed("certificate being replaced has no identifiers in common with this order"))
	}
	start, end, _, _ := r.ca.window(r.config, c)
	now := time.Now()
	return !now.Before(start) && now.Before(end), nil
}
