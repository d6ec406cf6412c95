package config_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/sinks"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var compare = cmp.Options{
	cmpopts.IgnoreFields(sinks.Place{}, "Open"),
	cmpopts.IgnoreFields(config.Certificate{}, "Range", "NamesRange"),
	cmpopts.EquateEmpty(),
}

func dns(names ...string) (out []cert.Name) {
	for _, n := range names {
		out = append(out, cert.Name{Kind: cert.DNS, Value: n})
	}
	return out
}

func TestTheSite(t *testing.T) {
	c := load(t, options("testdata/site"))
	ep := func(ip, host string) cert.Endpoint {
		return cert.Endpoint{Address: ip, Port: 443, ServerName: host, Family: "ecdsa", Within: time.Minute}
	}
	want := func(d string) config.Certificate {
		name := "site-" + d
		return config.Certificate{
			Address: `certificate.site["` + d + `"]`, Name: name,
			Names: dns(d, "*."+d), Hosts: []string{"www." + d, d}, Issuers: []string{"issuer.acme.letsencrypt"}, KeyType: cert.ECDSAP256,
			Places: []sinks.Place{
				{ID: "sink.haproxy.edge/lb1", Kind: "haproxy", Target: "haproxy:10.0.0.11:9999 /etc/haproxy/certs/" + name + ".pem", Wave: 1,
					Endpoints: []string{"10.0.0.11:443/www." + d, "10.0.0.11:443/" + d}},
				{ID: "sink.haproxy.edge/lb2", Kind: "haproxy", Target: "haproxy:10.0.0.12:9999 /etc/haproxy/certs/" + name + ".pem", Wave: 2,
					Endpoints: []string{"10.0.0.12:443/www." + d, "10.0.0.12:443/" + d}},
				{ID: "sink.vault.kv", Kind: "vault", Target: "vault:https://vault.example.com:8200/secret/tls/" + name, Secrets: []string{"env:VAULT_TOKEN"}},
			},
			Endpoints: []cert.Endpoint{ep("10.0.0.11", "www."+d), ep("10.0.0.11", d), ep("10.0.0.12", "www."+d), ep("10.0.0.12", d)},
		}
	}
	if d := cmp.Diff([]config.Certificate{want("example.com"), want("example.org")}, c.Certificates, compare); d != "" {
		t.Error(d)
	}
	for _, p := range c.Certificates[0].Places {
		if _, err := p.Open(context.Background(), nil); !errors.Is(err, errOpen) {
			t.Errorf("%s: %v", p.ID, err)
		}
	}
	if r := c.Certificates[0].Range; r.Filename != "testdata/site/main.hcl" || r.Start.Line != 32 {
		t.Errorf("range of the certificate: %v", r)
	}
	dir, _ := filepath.Abs("testdata/site")
	if got := c.Settings.State.Spec.(*config.Local).Path; got != dir+"/.certform/state.db" {
		t.Error(got)
	}
	if got := c.Settings.Seal.Spec.(*config.Age).Identity; got != dir+"/.certform/age.key" {
		t.Error(got)
	}
	a := c.Issuers[0].Spec.(*config.ACME)
	if a.Directory != "https://acme-v02.api.letsencrypt.org/directory" || a.CA != "letsencrypt" || a.Email != "ops@example.com" {
		t.Errorf("%+v", a)
	}
	if d := c.DNS[0]; d.Address != "dns.cloudflare.main" || d.Zones != nil || d.Spec.Account() != "env:CLOUDFLARE_API_TOKEN" || d.Quirks.Batch != 7 {
		t.Errorf("%+v", d)
	}
}

func TestTheFleet(t *testing.T) {
	c := load(t, options("testdata/fleet"))
	auth := c.Certificates[0]
	want := config.Certificate{
		Address: `certificate.service["auth"]`, Name: "service-auth",
		Names: dns("auth.corp.example.com"), Hosts: []string{"auth.corp.example.com"}, Issuers: []string{"issuer.acme.le"},
		KeyType: cert.ECDSAP256, Labels: map[string]string{"service": "auth"},
		Places: []sinks.Place{
			{ID: "sink.vault.kv", Kind: "vault", Target: "vault:https://vault.example.com:8200/secret/tls/service-auth", Secrets: []string{"env:VAULT_TOKEN"}},
			{ID: "sink.pull.apps", Kind: "pull", Passive: true, Endpoints: []string{"auth.corp.example.com:443"}},
			{ID: "sink.file.host/a1.corp.example.com", Kind: "file", Target: "file:/etc/tls/a1.corp.example.com/auth", Wave: 1, Endpoints: []string{"a1.corp.example.com:443/auth.corp.example.com"}},
			{ID: "sink.file.host/a2.corp.example.com", Kind: "file", Target: "file:/etc/tls/a2.corp.example.com/auth", Wave: 2, Endpoints: []string{"a2.corp.example.com:443/auth.corp.example.com"}},
		},
		Endpoints: []cert.Endpoint{
			{Address: "auth.corp.example.com", Port: 443, ServerName: "auth.corp.example.com", Family: "ecdsa", Within: 20 * time.Minute},
			{Address: "a1.corp.example.com", Port: 443, ServerName: "auth.corp.example.com", Family: "ecdsa", Within: time.Minute},
			{Address: "a2.corp.example.com", Port: 443, ServerName: "auth.corp.example.com", Family: "ecdsa", Within: time.Minute},
		},
	}
	if d := cmp.Diff(want, auth, compare); d != "" {
		t.Error(d)
	}
	if len(c.Certificates) != 2 || c.Certificates[1].Name != "service-billing" || len(c.Certificates[1].Places) != 3 {
		t.Errorf("%+v", c.Certificates)
	}
}
