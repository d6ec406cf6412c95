package rest_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers/rest"
)

// A host that says back what it was sent gives no credential away.
func TestCredentialsAreNotSaidBack(t *testing.T) {
	for name, answer := range map[string]func(r *http.Request) string{
		"the header": func(r *http.Request) string { return "not authorized: " + r.Header.Get("Authorization") },
		"the token":  func(r *http.Request) string { return "unknown token " + r.Header.Get("Authorization")[len("Bearer "):] },
		"hex": func(r *http.Request) string {
			return hex.EncodeToString([]byte(r.Header.Get("Authorization")[len("Bearer "):]))
		},
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
					if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), hex.EncodeToString([]byte("canary-9"))) {
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

// A credential goes nowhere but to the host that was named.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL+"/canary", http.StatusTemporaryRedirect))
	defer s.Close()
	c := &rest.Client{HTTP: s.Client(), Base: s.URL, Header: map[string]string{"Authorization": "Bearer canary-9"}}
	err := c.Do(t.Context(), http.MethodPost, "/changes", []int{1}, nil)
	if err == nil || asked || !strings.Contains(err.Error(), "it leads to "+other.URL) || !errors.Is(err, world.ErrNever) {
		t.Errorf("asked the other: %t, %v", asked, err)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the path may be a secret: %v", err)
	}
}

func TestACredentialWithALineBreak(t *testing.T) {
	c := &rest.Client{HTTP: http.DefaultClient, Base: "http://127.0.0.1:1", Header: map[string]string{"Authorization": "Bearer canary\n9"}}
	if err := c.Do(t.Context(), http.MethodGet, "/zones", nil, nil); !errors.Is(err, world.ErrNever) || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const month = 30 * 24 * time.Hour
	for _, tt := range []struct {
		header string
		want   time.Time
	}{
		{"", time.Time{}},
		{"soon", time.Time{}},
		{"-5", time.Time{}},
		{"90", now.Add(90 * time.Second)},
		{"99999999999999999999999999", now.Add(month)},
		{"9999999999999", now.Add(month)},
		{"Sun, 01 Mar 2026 12:01:00 GMT", now.Add(time.Minute)},
		{"Thu, 01 Jan 2099 00:00:00 GMT", now.Add(month)},
	} {
		if got := rest.RetryAfter(http.Header{"Retry-After": {tt.header}}, now); !got.Equal(tt.want) {
			t.Errorf("%q is %v, want %v", tt.header, got, tt.want)
		}
	}
}
