package acmetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

type account struct {
	id string

	mu      sync.Mutex
	key     *key
	contact []string
	status  string
}

type accountBody struct {
	Contact              []string        `json:"contact"`
	TermsOfServiceAgreed bool            `json:"termsOfServiceAgreed"`
	OnlyReturnExisting   bool            `json:"onlyReturnExisting"`
	Binding              json.RawMessage `json:"externalAccountBinding"`
	Status               string          `json:"status"`
}

// newAccount makes an account or finds the key's (RFC 8555 section 7.3).
func newAccount(r *request) (answer, *Problem) {
	var body accountBody
	if p := r.decode(&body); p != nil {
		return answer{}, p
	}
	r.ca.mu.Lock()
	have := r.ca.byKey[r.key.print]
	r.ca.mu.Unlock()
	if have != nil {
		return r.existing(have)
	}
	if body.OnlyReturnExisting {
		return answer{}, problem(http.StatusBadRequest, "accountDoesNotExist", "No account exists with the provided key")
	}
	if p := checkContacts(body.Contact); p != nil {
		return answer{}, p
	}
	if !body.TermsOfServiceAgreed {
		return answer{}, malformed("must agree to terms of service")
	}
	if p := r.binding(body.Binding); p != nil {
		return answer{}, p
	}
	if p := r.ca.limits.account(r.config.Limits.NewAccounts); p != nil {
		r.ca.count("rateLimited")
		return answer{}, p
	}
	a := &account{key: r.key, contact: body.Contact, status: "valid"}
	r.ca.mu.Lock()
	if have := r.ca.byKey[r.key.print]; have != nil {
		r.ca.mu.Unlock()
		return r.existing(have)
	}
	a.id = r.ca.nextID()
	r.ca.accounts[a.id], r.ca.byKey[r.key.print] = a, a
	r.ca.counts["accounts"]++
	r.ca.mu.Unlock()
	r.header.Set("Location", r.url("acct", a.id))
	return answer{http.StatusCreated, a.display()}, nil
}

func (r *request) existing(a *account) (answer, *Problem) {
	a.mu.Lock()
	status := a.status
	a.mu.Unlock()
	if status != "valid" {
		return answer{}, unauthorized("Account is not valid, has status %q", status)
	}
	r.header.Set("Location", r.url("acct", a.id))
	return answer{http.StatusOK, a.display()}, nil
}

func (a *account) display() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return struct {
		Status  string          `json:"status"`
		Contact []string        `json:"contact,omitempty"`
		Key     jose.JSONWebKey `json:"key"`
	}{a.status, a.contact, a.key.jwk}
}

func checkContacts(contacts []string) *Problem {
	for _, c := range contacts {
		addr, ok := strings.CutPrefix(c, "mailto:")
		if !ok {
			return problem(http.StatusBadRequest, "unsupportedContact", "only contact scheme 'mailto:' is supported")
		}
		if name, host, ok := strings.Cut(addr, "@"); !ok || name == "" || !strings.Contains(host, ".") || strings.ContainsAny(addr, " ,?") {
			return problem(http.StatusBadRequest, "invalidContact", "%q is not a valid e-mail address", addr)
		}
	}
	return nil
}

// binding verifies an external account binding (RFC 8555 section 7.3.4).
func (r *request) binding(raw json.RawMessage) *Problem {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		if r.config.EABRequired {
			return problem(http.StatusForbidden, "externalAccountRequired", "The request must include a value for the \"externalAccountBinding\" field")
		}
		return nil
	}
	jws, h, p := parse(raw)
	if p != nil {
		return p
	}
	if h.Alg != string(jose.HS256) || h.Nonce != "" || h.URL != r.url("new-acct") {
		return malformed("external account binding JWS must be signed with HS256, without nonce, for the newAccount URL")
	}
	secret, ok := r.config.EABKeys[h.Kid]
	if !ok {
		return unauthorized("the field 'kid' references a key that is not known to the ACME server")
	}
	if !macFits(raw, secret) {
		return unauthorized("external account binding JWS verification error")
	}
	var bound jose.JSONWebKey
	if err := bound.UnmarshalJSON(jws.UnsafePayloadWithoutVerification()); err != nil || thumbprint(bound) != r.key.print {
		return unauthorized("external account binding is for another account key")
	}
	return nil
}

// macFits verifies an HS256 JWS. The jose module would refuse keys under 32 bytes, which some CAs hand out.
func macFits(raw []byte, secret []byte) bool {
	var flat struct{ Protected, Payload, Signature string }
	if err := json.Unmarshal(raw, &flat); err != nil {
		return false
	}
	got, err := base64.RawURLEncoding.DecodeString(flat.Signature)
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(flat.Protected + "." + flat.Payload))
	return err == nil && hmac.Equal(got, h.Sum(nil))
}

// updateAccount shows, changes or deactivates the account (RFC 8555 sections 7.3.2 and 7.3.6).
func updateAccount(r *request) (answer, *Problem) {
	if r.id != r.account.id {
		return answer{}, unauthorized("Request signing key did not match account key")
	}
	if r.asGet() {
		return answer{http.StatusOK, r.account.display()}, nil
	}
	var body accountBody
	if p := r.decode(&body); p != nil {
		return answer{}, p
	}
	if p := checkContacts(body.Contact); p != nil {
		return answer{}, p
	}
	a := r.account
	a.mu.Lock()
	if body.Contact != nil {
		a.contact = body.Contact
	}
	if body.Status == "deactivated" {
		a.status = "deactivated"
	}
	a.mu.Unlock()
	return answer{http.StatusOK, a.display()}, nil
}

// keyChange rolls the account over to the key that signed the inner JWS (RFC 8555 section 7.3.5).
func keyChange(r *request) (answer, *Problem) {
	jws, h, p := parse(r.payload)
	if p != nil {
		return answer{}, p
	}
	if h.URL != r.base+r.http.URL.RequestURI() || h.JWK == nil || h.Nonce != "" {
		return answer{}, malformed("inner JWS needs the same URL, a JWK and no nonce")
	}
	fresh, p := publicKey(h.JWK, h.Alg)
	if p != nil {
		return answer{}, p
	}
	payload, err := jws.Verify(fresh.jwk)
	if err != nil {
		return answer{}, malformed("inner JWS verification error")
	}
	var body struct {
		Account string          `json:"account"`
		OldKey  jose.JSONWebKey `json:"oldKey"`
	}
	if err := json.Unmarshal(payload, &body); err != nil {
		return answer{}, malformed("Error unmarshaling inner request body")
	}
	if body.Account != r.url("acct", r.account.id) || thumbprint(body.OldKey) != r.key.print {
		return answer{}, malformed("inner JWS is for another account or key")
	}
	r.ca.mu.Lock()
	defer r.ca.mu.Unlock()
	if other := r.ca.byKey[fresh.print]; other != nil {
		r.header.Set("Location", r.url("acct", other.id))
		return answer{}, problem(http.StatusConflict, "malformed", "New key is already in use for a different account")
	}
	delete(r.ca.byKey, r.key.print)
	r.ca.byKey[fresh.print] = r.account
	r.account.mu.Lock()
	r.account.key = fresh
	r.account.mu.Unlock()
	return answer{http.StatusOK, r.account.display()}, nil
}
