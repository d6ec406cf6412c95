package acmetest

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

type authz struct {
	id      string
	account *account
	order   string // the name as ordered, with its wildcard
	name    string // without it
	reuse   time.Duration

	mu         sync.Mutex
	expires    time.Time
	status     string
	validated  time.Time
	challenges []*challenge
}

type challenge struct {
	typ, token, status string
	validated          time.Time
	err                *Problem
}

func newAuthz(id string, a *account, name string, expires time.Time, reuse time.Duration) *authz {
	z := &authz{
		id: id, account: a, order: name, name: strings.TrimPrefix(name, "*."), reuse: reuse,
		status: "pending", expires: expires,
	}
	types := []string{"http-01", "dns-01", "tls-alpn-01"}
	if z.name != name {
		types = []string{"dns-01"}
	}
	for _, t := range types {
		var b [32]byte
		rand.Read(b[:])
		z.challenges = append(z.challenges, &challenge{typ: t, status: "pending", token: base64.RawURLEncoding.EncodeToString(b[:])})
	}
	return z
}

func (z *authz) state() (string, *Problem) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, c := range z.challenges {
		if c.err != nil {
			return z.status, c.err
		}
	}
	return z.status, nil
}

func (z *authz) provenFor(now time.Time, reuse time.Duration) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.status == "valid" && now.Before(z.validated.Add(reuse))
}

type challengeView struct {
	Type      string     `json:"type"`
	URL       string     `json:"url"`
	Status    string     `json:"status"`
	Token     string     `json:"token"`
	Validated *time.Time `json:"validated,omitempty"`
	Error     *Problem   `json:"error,omitempty"`
}

// displayChallenge needs z.mu.
func (r *request) displayChallenge(z *authz, i int) challengeView {
	c := z.challenges[i]
	v := challengeView{Type: c.typ, URL: r.url("chall", z.id, strconv.Itoa(i)), Status: c.status, Token: c.token}
	if c.status == "valid" {
		t := c.validated.UTC().Truncate(time.Second)
		v.Validated = &t
	}
	if c.err != nil {
		p := c.err.whole()
		v.Error = &p
	}
	return v
}

func (r *request) displayAuthz(z *authz) any {
	z.mu.Lock()
	defer z.mu.Unlock()
	v := struct {
		Identifier Identifier      `json:"identifier"`
		Status     string          `json:"status"`
		Expires    time.Time       `json:"expires"`
		Challenges []challengeView `json:"challenges"`
		Wildcard   bool            `json:"wildcard,omitempty"`
	}{Identifier{"dns", z.name}, z.status, z.expires.UTC(), []challengeView{}, z.order != z.name}
	for i, c := range z.challenges {
		// Once it is decided only the challenge that decided it is shown (RFC 8555 section 7.1.4).
		if z.status == "pending" || c.status == z.status {
			v.Challenges = append(v.Challenges, r.displayChallenge(z, i))
		}
		if c.status == "processing" {
			retryAfter(r.header, r.config.AuthzRetryAfter)
		}
	}
	return v
}

// authz returns the account's authorization of that id.
func (r *request) authz(id string) (*authz, *Problem) {
	r.ca.mu.Lock()
	z := r.ca.authzs[id]
	r.ca.mu.Unlock()
	if z == nil || z.account != r.account {
		return nil, notFound("No such authorization")
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if !time.Now().Before(z.expires) {
		return nil, notFound("Expired authorization")
	}
	return z, nil
}

// getAuthz shows an authorization or deactivates it (RFC 8555 sections 7.5 and 7.5.2).
func getAuthz(r *request) (answer, *Problem) {
	z, p := r.authz(r.id)
	if p != nil {
		return answer{}, p
	}
	if !r.asGet() {
		var body struct {
			Status string `json:"status"`
		}
		if p := r.decode(&body); p != nil {
			return answer{}, p
		}
		if body.Status != "deactivated" {
			return answer{}, malformed("Invalid status value")
		}
		z.mu.Lock()
		z.status = "deactivated"
		z.mu.Unlock()
	}
	return answer{http.StatusOK, r.displayAuthz(z)}, nil
}

// postChallenge begins the validation (RFC 8555 section 7.5.1). One that is under way or decided is only shown.
func postChallenge(r *request) (answer, *Problem) {
	id, index, _ := strings.Cut(r.id, "/")
	z, p := r.authz(id)
	if p != nil {
		return answer{}, p
	}
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(z.challenges) {
		return answer{}, notFound("No such challenge")
	}
	if !r.asGet() {
		var body struct{}
		if p := r.decode(&body); p != nil {
			return answer{}, p
		}
		z.mu.Lock()
		status, begin := z.status, false
		if c := z.challenges[i]; status == "pending" && c.status == "pending" {
			c.status, begin = "processing", true
		}
		z.mu.Unlock()
		if status != "pending" && status != "valid" {
			return answer{}, malformed("authorization must be pending")
		}
		if begin {
			print := r.key.print
			r.ca.run(func() { r.ca.validate(z, i, print) })
		}
	}
	r.header.Add("Link", "<"+r.url("authz", z.id)+">;rel=\"up\"")
	z.mu.Lock()
	defer z.mu.Unlock()
	v := r.displayChallenge(z, i)
	if v.Status == "processing" {
		retryAfter(r.header, r.config.AuthzRetryAfter)
	}
	return answer{http.StatusOK, v}, nil
}
