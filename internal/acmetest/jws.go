package acmetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.ES384, jose.ES512}

// key is a public key that signed a request.
type key struct {
	jwk   jose.JSONWebKey
	print string // RFC 7638 thumbprint
}

// protected is the header of a JWS that ACME allows (RFC 8555 section 6.2).
type protected struct {
	Alg   string          `json:"alg"`
	Nonce string          `json:"nonce"`
	URL   string          `json:"url"`
	Kid   string          `json:"kid"`
	JWK   json.RawMessage `json:"jwk"`
}

// parse takes a flattened JWS apart without verifying it.
func parse(body []byte) (*jose.JSONWebSignature, protected, *Problem) {
	var h protected
	var flat struct {
		Protected  string          `json:"protected"`
		Header     json.RawMessage `json:"header"`
		Signatures json.RawMessage `json:"signatures"`
		Signature  string          `json:"signature"`
	}
	if err := json.Unmarshal(body, &flat); err != nil {
		return nil, h, malformed("Parse error reading JWS")
	}
	if flat.Header != nil || flat.Signatures != nil {
		return nil, h, malformed("JWS must be flattened and without unprotected header")
	}
	raw, err := base64.RawURLEncoding.DecodeString(flat.Protected)
	if err != nil || json.Unmarshal(raw, &h) != nil {
		return nil, h, malformed("Parse error reading JWS protected header")
	}
	known := append([]jose.SignatureAlgorithm{jose.HS256}, algorithms...)
	jws, err := jose.ParseSigned(string(body), known)
	if err != nil {
		p := problem(http.StatusBadRequest, "badSignatureAlgorithm", "JWS signature header contains unsupported algorithm %q", h.Alg)
		for _, a := range known {
			if string(a) == h.Alg {
				return nil, h, malformed("Parse error reading JWS: %v", err)
			}
		}
		for _, a := range algorithms {
			p.Algorithms = append(p.Algorithms, string(a))
		}
		return nil, h, p
	}
	return jws, h, nil
}

// publicKey reads a JWK that may sign requests with that algorithm.
func publicKey(raw json.RawMessage, alg string) (*key, *Problem) {
	k := &key{}
	if err := k.jwk.UnmarshalJSON(raw); err != nil || !k.jwk.Valid() || !k.jwk.IsPublic() {
		return nil, malformed("JWS has an invalid JWK in its protected header")
	}
	if p := k.accepts(alg); p != nil {
		return nil, p
	}
	k.print = thumbprint(k.jwk)
	return k, nil
}

func thumbprint(k jose.JSONWebKey) string {
	b, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// accepts checks that the algorithm belongs to the key.
func (k *key) accepts(alg string) *Problem {
	want := ""
	switch pub := k.jwk.Key.(type) {
	case *rsa.PublicKey:
		if pub.N.BitLen() < 2048 || pub.N.BitLen() > 4096 {
			return problem(http.StatusBadRequest, "badPublicKey", "key size not supported: %d", pub.N.BitLen())
		}
		want = string(jose.RS256)
	case *ecdsa.PublicKey:
		want = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[pub.Curve.Params().Name]
	}
	if want == "" {
		return problem(http.StatusBadRequest, "badPublicKey", "unsupported account key type")
	}
	if alg != want {
		return problem(http.StatusBadRequest, "badSignatureAlgorithm", "signature algorithm %q does not fit the key", alg)
	}
	return nil
}

// authenticate verifies a POST: its key or account, signature, nonce and address (RFC 8555 sections 6.2 to 6.5).
func (r *request) authenticate(by auth) *Problem {
	if r.http.Method != http.MethodPost {
		return problem(http.StatusMethodNotAllowed, "malformed", "Method not allowed")
	}
	if t, _, _ := mime.ParseMediaType(r.http.Header.Get("Content-Type")); t != "application/jose+json" {
		return problem(http.StatusUnsupportedMediaType, "malformed", "Invalid Content-Type header on POST. Content-Type must be \"application/jose+json\"")
	}
	body, err := readAll(r.http.Body)
	if err != nil {
		return malformed("Error reading request body")
	}
	jws, h, p := parse(body)
	if p != nil {
		return p
	}
	switch {
	case h.Kid != "" && h.JWK != nil:
		return malformed("jwk and kid header fields are mutually exclusive")
	case by == byKid && h.Kid == "":
		return malformed("No Key ID in JWS header")
	case by == byKey && h.JWK == nil:
		return malformed("No embedded JWK in JWS header")
	case h.JWK != nil:
		if r.key, p = publicKey(h.JWK, h.Alg); p != nil {
			return p
		}
	default:
		if p := r.byAccount(h); p != nil {
			return p
		}
	}
	payload, err := jws.Verify(r.key.jwk)
	if err != nil {
		return malformed("JWS verification error")
	}
	if want := r.base + r.http.URL.RequestURI(); h.URL != want {
		return unauthorized("JWS header parameter 'url' incorrect. Expected %q got %q", want, h.URL)
	}
	good := r.ca.nonces.use(h.Nonce)
	if !good || r.config.BadNonces > 0 && r.ca.chance.below(r.config.BadNonces) {
		r.ca.count("badNonces")
		return problem(http.StatusBadRequest, "badNonce", "Unable to validate JWS :: JWS has an invalid anti-replay nonce: %q", h.Nonce)
	}
	r.payload = payload
	return nil
}

func (r *request) byAccount(h protected) *Problem {
	id, ok := strings.CutPrefix(h.Kid, r.url("acct")+"/")
	r.ca.mu.Lock()
	a := r.ca.accounts[id]
	r.ca.mu.Unlock()
	if !ok || a == nil {
		return problem(http.StatusBadRequest, "accountDoesNotExist", "Account %q not found", h.Kid)
	}
	a.mu.Lock()
	k, status := a.key, a.status
	a.mu.Unlock()
	if status != "valid" {
		return unauthorized("Account is not valid, has status %q", status)
	}
	r.account, r.key = a, k
	return k.accepts(h.Alg)
}

// keyDigest is the value that a DNS-01 record must have (RFC 8555 section 8.4).
func keyDigest(token, print string) string {
	sum := sha256.Sum256([]byte(token + "." + print))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
