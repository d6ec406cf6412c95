package webhook_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/certform/certform/providers/webhook"
	"github.com/libdns/libdns"
)

func TestConformance(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	child := n.AddZone("child.example.com", z.Servers()...)
	h := n.NewHost(dnstest.HostConfig{Token: "canary-env:T", MaxChanges: 20}, z, child)
	faulty := &providertest.Faulty{Handler: h.Handler()}
	server := httptest.NewServer(faulty)
	t.Cleanup(server.Close)
	w := &world.World{Secret: func(_ context.Context, ref string) (string, error) { return "canary-" + ref, nil }}
	spec := &webhook.Spec{URL: server.URL, Token: block.NewSecret("env:T"), MaxChanges: 20}
	quirks := webhook.Kind().Quirks
	quirks.PerSecond = 0 // the suite makes many calls
	providertest.Run(t, providertest.Fixture{
		Level: providers.Scripted,
		World: w, Zone: "example.com",
		DNS:     providers.DNS{Address: "dns.webhook.m", Kind: "webhook", Zones: []string{"example.com"}, Spec: spec, Quirks: quirks},
		TXT:     n.TXT,
		Foreign: func(name, value string) { z.Add("_acme-challenge." + name + `. TXT "` + value + `"`) },
		Fault:   faulty.Next,
		Child:   "child.example.com",
		Lacking: &webhook.Spec{URL: server.URL, Token: block.NewSecret("env:R"), MaxChanges: 20}, Right: "POST /zones/example.com/changes",
	})
	if got := h.Stats().Largest; got > 20 {
		t.Errorf("%d changes in one call, max_changes is 20", got)
	}
	if problems := spec.Check(); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}

func TestErrors(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	h := n.NewHost(dnstest.HostConfig{Token: "right", Rate: 0.001, RetryAfter: 90 * time.Second}, n.AddZone("example.com"))
	server := httptest.NewServer(h.Handler())
	t.Cleanup(server.Close)
	add := []libdns.RR{{Name: "x", Type: "TXT", Data: "v", TTL: time.Minute}}
	open := func(url, token string) providers.Changer {
		w := &world.World{Secret: func(context.Context, string) (string, error) { return token, nil }}
		p, err := (&webhook.Spec{URL: url, Token: block.NewSecret("env:T"), MaxChanges: 1}).Open(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		return p.(providers.Changer)
	}
	for _, c := range []struct {
		about, url, token, zone, want string
		never                         bool
		after                         time.Duration
	}{
		{about: "accepted", token: "right", zone: "example.com."},
		{about: "over the pace", token: "right", zone: "example.com.", want: "POST /zones/example.com/changes: HTTP 429: ", after: 80 * time.Second},
		{about: "a wrong token", token: "canary", zone: "example.com.", want: "HTTP 401: ", never: true},
		{about: "nobody there", url: "http://127.0.0.1:1", token: "canary", zone: "example.com.", want: "connection refused"},
	} {
		t.Run(c.about, func(t *testing.T) {
			url := server.URL
			if c.url != "" {
				url = c.url
			}
			err := open(url, c.token).Change(t.Context(), c.zone, add, nil)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			at, again := world.RetryAt(err)
			if again == c.never || c.after > 0 && time.Until(at) < c.after {
				t.Errorf("again %v at %v", again, at)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for _, s := range []webhook.Spec{
		{URL: "dns.example.com", MaxChanges: 1}, {URL: "https://u:p@dns.example.com", MaxChanges: 1}, {URL: "https://dns.example.com"},
		{URL: "https://dns.example.com/?token=t", MaxChanges: 1}, {URL: "https://dns.example.com/#a", MaxChanges: 1},
	} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
}
