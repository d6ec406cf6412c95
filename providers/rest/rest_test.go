package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certform/certform/providers/rest"
)

// A host that says back what it was sent gives no credential away.
func TestCredentialsAreNotSaidBack(t *testing.T) {
	for name, answer := range map[string]func(r *http.Request) string{
		"the header":    func(r *http.Request) string { return "not authorized: " + r.Header.Get("Authorization") },
		"the token":     func(r *http.Request) string { return "unknown token " + r.Header.Get("Authorization")[len("Bearer "):] },
		"a long answer": func(r *http.Request) string { return strings.Repeat("x", 290) + r.Header.Get("Authorization") },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Error(w, answer(r), http.StatusForbidden)
			}))
			defer s.Close()
			for how, say := range map[string]func([]byte) string{"as text": nil, "in its own words": func(b []byte) string { return string(b) }} {
				for _, c := range []*rest.Client{
					{Header: map[string]string{"Authorization": "Bearer canary-9"}},
					{Token: func(context.Context) (string, error) { return "canary-9", nil }},
				} {
					c.HTTP, c.Base, c.Say = s.Client(), s.URL, say
					err := c.Do(t.Context(), http.MethodGet, "/zones", nil, nil)
					if err == nil || strings.Contains(err.Error(), "canary") {
						t.Errorf("%s: %v", how, err)
					}
					if !strings.Contains(err.Error(), "HTTP 403: ") {
						t.Errorf("%s: its own words are gone: %v", how, err)
					}
				}
			}
		})
	}
}
