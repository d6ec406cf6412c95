package issue

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
)

// refusal is what the CA said to one request, or why it said nothing. The
// whole problem document stays in the chain (acme.Problem by errors.As); the
// text is what people need of it.
type refusal struct {
	what    string
	status  int // HTTP, 0 if no answer came
	problem *acme.Problem
	err     error
}

func (r *refusal) Error() string {
	if r.problem != nil {
		return r.what + ": " + problemText(*r.problem)
	}
	return r.what + ": " + short(r.err.Error())
}

func (r *refusal) Unwrap() error { return r.err }

// marked is err with one more error in its chain that its text does not show.
type marked struct{ err, mark error }

func (m *marked) Error() string   { return m.err.Error() }
func (m *marked) Unwrap() []error { return []error{m.err, m.mark} }

func lost(err error) error    { return &marked{err, ErrLost} }
func invalid(err error) error { return &marked{&marked{err, ErrInvalid}, ErrLost} }

// problemOf finds the CA's problem document in err's chain.
func problemOf(err error) (acme.Problem, bool) {
	var r *refusal
	if errors.As(err, &r) && r.problem != nil {
		return *r.problem, true
	}
	var p acme.Problem
	if errors.As(err, &p) {
		return p, true
	}
	var q *acme.Problem
	if errors.As(err, &q) && q != nil {
		return *q, true
	}
	return acme.Problem{}, false
}

// statusOf is the HTTP status of the answer that err is about, 0 for none.
func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// problemText shows a problem document (RFC 8555, section 6.7) with its
// sub-problems in one line, in the CA's own words.
func problemText(p acme.Problem) string {
	var b strings.Builder
	b.WriteString(problemType(p.Type))
	switch {
	case p.Detail != "":
		b.WriteString(": " + p.Detail)
	case p.Title != "":
		b.WriteString(": " + p.Title)
	}
	for _, s := range p.Subproblems {
		b.WriteString("; ")
		if s.Identifier.Value != "" {
			b.WriteString(s.Identifier.Value + ": ")
		}
		b.WriteString(problemText(s.Problem))
	}
	if p.Instance != "" {
		b.WriteString(" (" + p.Instance + ")")
	}
	return b.String()
}

func problemType(t string) string {
	if s := strings.TrimPrefix(t, acme.ProblemTypeNamespace); s != "" {
		return s
	}
	return "problem"
}

// short cuts what is not a problem document, a proxy's HTML page say.
func short(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	const most = 400
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// fault makes the error of a request that is not tried again here.
func fault(what string, x *exchange, err error) error {
	r := &refusal{what: what, status: x.status, err: err}
	f := &world.Fault{Err: r}
	if p, ok := problemOf(err); ok {
		r.problem = &p
		f.Never, f.Advice = pointless(p), advice(p)
	}
	if untrusted(err) {
		f.Advice = "this machine does not trust the CA's own HTTPS certificate: for a private CA set ca_file"
	}
	var held *heldError
	if errors.As(err, &held) {
		r.err, f.At = held, held.until
	} else if x.status >= 400 {
		f.At = x.after
	}
	return f
}

// untrusted reports whether the CA's HTTPS certificate was refused here.
func untrusted(err error) bool {
	var v *tls.CertificateVerificationError
	return errors.As(err, &v)
}

// noSuchHost reports whether DNS says that the CA's host does not exist.
func noSuchHost(err error) bool {
	var d *net.DNSError
	return errors.As(err, &d) && d.IsNotFound
}

// pointless reports whether only people can change the CA's answer.
func pointless(p acme.Problem) bool {
	switch p.Type {
	case acme.ProblemTypeRejectedIdentifier, acme.ProblemTypeUnsupportedIdentifier,
		acme.ProblemTypeExternalAccountRequired, acme.ProblemTypeUserActionRequired,
		acme.ProblemTypeInvalidContact, acme.ProblemTypeUnsupportedContact,
		acme.ProblemTypeBadPublicKey, acme.ProblemTypeBadCSR,
		acme.ProblemTypeNamespace + "invalidProfile":
		return true
	}
	return paused(p)
}

// paused reports whether the CA wants people to visit a page before it will
// look at these names again (Let's Encrypt, after very many failures).
func paused(p acme.Problem) bool {
	return strings.Contains(p.Detail, "temporarily prevented from requesting certificates") ||
		strings.Contains(p.Detail, "/unpause")
}

// advice is one line on what would help, from what CAs are known to say.
func advice(p acme.Problem) string {
	text := p.Detail
	for _, s := range p.Subproblems {
		text += " " + s.Detail + " " + s.Type
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), w) {
				return true
			}
		}
		return false
	}
	switch {
	case paused(p):
		return "the CA has paused these names: open the page that it names above, then apply again"
	case has("no txt record", "nxdomain looking up txt"):
		return "the CA saw no value: check that the name servers at the registrar are those that the zone's provider writes to, and that a CNAME at the _acme-challenge name leads where it should"
	case has("incorrect txt record"):
		return "the CA saw other values: look for stale records at the _acme-challenge name, a wildcard record that answers for it, or a second DNS provider that is not configured here"
	case p.Type == acme.ProblemTypeCAA || has("caa record", "error:caa"):
		return "a CAA record of the domain forbids this CA, account or method: add one that allows it, or use another issuer"
	case has("dnssec", "bogus", "servfail"):
		return "the domain's DNS does not answer validating resolvers: check the DS record at the registrar and the signatures of the zone"
	case p.Type == acme.ProblemTypeRateLimited:
		return "the CA's rate limit is spent: nothing but waiting helps, or another issuer"
	case p.Type == acme.ProblemTypeExternalAccountRequired:
		return "this CA binds accounts to a customer: set eab_kid and eab_hmac_key"
	case p.Type == acme.ProblemTypeUserActionRequired:
		return "the CA wants something done by hand, most often new terms accepted: open the page that it names above"
	}
	return ""
}

// forgotten reports whether err says that the CA has no such order (any more),
// or that it is not ours.
func forgotten(err error) bool {
	switch statusOf(err) {
	case http.StatusNotFound, http.StatusGone:
		return true
	}
	p, ok := problemOf(err)
	if !ok {
		return false
	}
	switch p.Type {
	case acme.ProblemTypeUnauthorized, acme.ProblemTypeAccountDoesNotExist:
		return true
	case acme.ProblemTypeMalformed:
		text := strings.ToLower(p.Detail)
		for _, w := range []string{"not found", "no such", "no order", "unknown", "expired", "does not exist"} {
			if strings.Contains(text, w) {
				return true
			}
		}
	}
	return false
}

// refusedReplaces reports whether err is about the `replaces` of an order. CAs
// disagree on type and status (RFC 9773, section 5, says 409 alreadyReplaced).
func refusedReplaces(err error) bool {
	p, ok := problemOf(err)
	if !ok {
		return false
	}
	if p.Type == acme.ProblemTypeAlreadyReplaced || statusOf(err) == http.StatusConflict {
		return true
	}
	switch {
	case p.Type == acme.ProblemTypeMalformed, p.Type == acme.ProblemTypeUnauthorized, statusOf(err) == http.StatusNotFound:
	default:
		return false
	}
	text := strings.ToLower(p.Detail)
	for _, w := range []string{"replace", "predecessor", "authority key identifier", "renewalinfo", "renewal info", "certid", "certificate id"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if w == "ari" {
			return true
		}
	}
	return false
}

// invalidf is a refusal that is not an answer to one request.
func invalidf(format string, args ...any) error { return invalid(fmt.Errorf(format, args...)) }
