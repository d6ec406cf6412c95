package acmetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Problem is an ACME error as it is sent (RFC 8555 section 6.7, RFC 7807).
type Problem struct {
	Type        string        `json:"type"` // without a colon it is short for urn:ietf:params:acme:error:
	Detail      string        `json:"detail"`
	Status      int           `json:"status,omitempty"`
	Identifier  *Identifier   `json:"identifier,omitempty"`
	Subproblems []Problem     `json:"subproblems,omitempty"`
	Algorithms  []string      `json:"algorithms,omitempty"`
	RetryAfter  time.Duration `json:"-"` // sent as a header
}

// Identifier is what an order asks for.
type Identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Type, p.Detail) }

func problem(status int, typ, format string, args ...any) *Problem {
	return &Problem{Type: typ, Status: status, Detail: fmt.Sprintf(format, args...)}
}

func malformed(format string, args ...any) *Problem {
	return problem(http.StatusBadRequest, "malformed", format, args...)
}

func notFound(format string, args ...any) *Problem {
	return problem(http.StatusNotFound, "malformed", format, args...)
}

func unauthorized(format string, args ...any) *Problem {
	return problem(http.StatusForbidden, "unauthorized", format, args...)
}

// whole returns the problem with its types written out.
func (p Problem) whole() Problem {
	if !strings.Contains(p.Type, ":") {
		p.Type = "urn:ietf:params:acme:error:" + p.Type
	}
	subs := p.Subproblems
	p.Subproblems = nil
	for _, s := range subs {
		p.Subproblems = append(p.Subproblems, s.whole())
	}
	return p
}

func (p *Problem) write(w http.ResponseWriter) {
	q := p.whole()
	if q.Status == 0 {
		q.Status = http.StatusBadRequest
	}
	retryAfter(w.Header(), q.RetryAfter)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(q.Status)
	json.NewEncoder(w).Encode(q)
}

// retryAfter sets the header in whole seconds, rounded up; nothing for zero.
func retryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}
