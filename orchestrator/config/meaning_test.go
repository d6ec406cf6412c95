package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/providers"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// loaded is a configuration that must be without errors.
func loaded(t *testing.T, hcl string) *config.Config {
	t.Helper()
	return load(t, options(write(t, map[string]string{"main.hcl": hcl, "sound.hcl": sound})))
}

func TestCertificateArguments(t *testing.T) {
	c := loaded(t, `
certform {
  issuers = [issuer.acme.own, issuer.acme.le]
}
issuer "acme" "own" {
  directory       = "https://ca.example.com/directory"
  ca_file         = "roots.pem"
  eab_kid         = "k"
  eab_hmac_key    = secret("file:eab.key")
  preferred_chain = "Root X"
}
certificate "full" {
  names     = ["*.Example.com", "example.com."]
  hosts     = ["www.example.com", "WWW.example.com"]
  key_type  = "rsa4096"
  profile   = "tlsserver"
  reuse_key = true
  labels    = { a = "b", n = 1 }
  issuers   = [issuer.acme.le, issuer.acme.own]
  sinks     = [null]
}
certificate "bare" {
  names = ["*.example.com"]
  sinks = []
}
`)
	want := []config.Certificate{
		{Address: "certificate.bare", Name: "bare", Names: dns("*.example.com"), Issuers: []string{"issuer.acme.own", "issuer.acme.le"}, KeyType: cert.ECDSAP256},
		{Address: "certificate.full", Name: "full", Names: dns("*.example.com", "example.com"), Hosts: []string{"www.example.com"},
			Issuers: []string{"issuer.acme.le", "issuer.acme.own"}, KeyType: cert.RSA4096, Profile: "tlsserver", ReuseKey: true, Labels: map[string]string{"a": "b", "n": "1"}},
	}
	if d := cmp.Diff(want, c.Certificates, compare); d != "" {
		t.Error(d)
	}
	a := c.Issuers[0].Spec.(*config.ACME)
	if a.CAFile != filepath.Join(c.Dir, "roots.pem") || a.EABHMACKey.Ref() != "file:"+filepath.Join(c.Dir, "eab.key") || a.PreferredChain != "Root X" || a.CA != "" {
		t.Errorf("%+v", a)
	}
	if r := c.Ranges["certificate.full"]; r.Start.Line != 12 {
		t.Errorf("range: %v", r)
	}
}

func TestEndpoints(t *testing.T) {
	c := loaded(t, `
sink "file" "two" {
  for_each = ["a", "b"]
  combined = "/tls/${each.key}.pem"
  adopt    = each.key == "a" ? "force" : "yes"
  password = secret("env:P")
  endpoint {}
  endpoint {
    address  = "[2001:DB8::1]"
    port     = each.key == "a" ? 8443 : 8444
    within   = "0s"
    starttls = "smtp"
  }
}
sink "pull" "apps" {
  endpoint {
    address      = "lb_1"
    server_names = [certificate.domain, "www.example.com", "WWW.example.com"]
  }
}
certificate "x" {
  names    = ["example.com", "*.example.com"]
  key_type = "rsa2048"
  sinks    = [sink.file.two, sink.pull.apps]
}
`)
	x := c.Certificates[0]
	var places []string
	for _, p := range x.Places {
		places = append(places, fmt.Sprintf("%s wave=%d adopt=%s own=%s shared=%s notes=%s", p.ID, p.Wave, p.Adopt, strings.Join(p.Endpoints, ","), strings.Join(p.Shared, ","), strings.Join(p.Notes, ",")))
	}
	want := []string{
		"sink.file.two/a wave=0 adopt=force own=[2001:db8::1]:8443/example.com (rsa) shared=example.com:443 (rsa) notes=for x",
		"sink.file.two/b wave=0 adopt=yes own=[2001:db8::1]:8444/example.com (rsa) shared=example.com:443 (rsa) notes=for x",
		"sink.pull.apps wave=0 adopt= own=lb_1:443/example.com (rsa),lb_1:443/www.example.com (rsa) shared= notes=",
	}
	if d := cmp.Diff(want, places); d != "" {
		t.Error(d)
	}
	if len(x.Endpoints) != 5 {
		t.Errorf("%d endpoints: %+v", len(x.Endpoints), x.Endpoints)
	}
	if e := x.Endpoints[1]; e.Within != 0 || e.StartTLS != "smtp" || e.Address != "2001:db8::1" || e.Family != "rsa" {
		t.Errorf("%+v", e)
	}
}

func TestDNSAndZones(t *testing.T) {
	c := loaded(t, `
dns "cloudflare" "by" {
  for_each  = { eu = "example.eu", us = "example.us" }
  api_token = secret("env:TOKEN_${upper(each.key)}")
  zones     = [each.value, "corp."]
}
dns "rfc2136" "inside" {
  server = "10.0.0.1"
}
zone "corp" {
  dns         = [dns.cloudflare.by, dns.rfc2136.inside]
  nameservers = ["10.0.0.1", "ns.corp:5353", "[2001:db8::1]:53"]
  resolvers   = ["10.0.0.2", "tcp://10.0.0.2:5353", "https://dns.corp/dns-query"]
  resolvers_ca_file = "corp.pem"
  max_wait    = "1h"
  max_values  = 20
}
zone "more" {
  for_each = ["a.example", "bücher.example"]
  name     = each.key
}
certificate "x" {
  names = ["example.eu"]
  sinks = []
}
`)
	zones := []providers.Zone{
		{Address: "zone.corp", Name: "corp", DNS: []string{`dns.cloudflare.by["eu"]`, `dns.cloudflare.by["us"]`, "dns.rfc2136.inside"},
			Nameservers: []string{"10.0.0.1", "ns.corp:5353", "[2001:db8::1]:53"}, Resolvers: []string{"10.0.0.2", "tcp://10.0.0.2:5353", "https://dns.corp/dns-query"}, ResolversCA: filepath.Join(c.Dir, "corp.pem"), MaxWait: time.Hour, MaxValues: 20},
		{Address: `zone.more["a.example"]`, Name: "a.example"},
		{Address: `zone.more["bücher.example"]`, Name: "xn--bcher-kva.example"},
	}
	if d := cmp.Diff(zones, c.Zones); d != "" {
		t.Error(d)
	}
	want := []providers.DNS{
		{Address: `dns.cloudflare.by["eu"]`, Kind: "cloudflare", Zones: []string{"example.eu", "corp"}, Quirks: providers.Quirks{Batch: 7}},
		{Address: `dns.cloudflare.by["us"]`, Kind: "cloudflare", Zones: []string{"example.us", "corp"}, Quirks: providers.Quirks{Batch: 7}},
		{Address: "dns.rfc2136.inside", Kind: "rfc2136"},
	}
	if d := cmp.Diff(want, c.DNS, cmpopts.IgnoreFields(providers.DNS{}, "Spec")); d != "" {
		t.Error(d)
	}
	if a := c.DNS[1].Spec.Account(); a != "env:TOKEN_US" {
		t.Error(a)
	}
}

func TestJSONSyntax(t *testing.T) {
	dir := write(t, map[string]string{"main.hcl.json": `{
  "//": "a comment",
  "issuer": {"acme": {"le": {"directory": "letsencrypt"}}},
  "sink": {"vault": {"kv": {"address": "https://v", "path": "tls/${certificate.name}", "token": "${secret(\"env:T\")}", "endpoint": {"port": 8443}}}},
  "locals": {"names": ["a", "b"]},
  "certificate": {"x": {"for_each": "${local.names}", "names": ["${each.key}.example.com"], "sinks": ["${sink.vault.kv}"]}}
}`})
	c := load(t, options(dir))
	if len(c.Certificates) != 2 || c.Certificates[1].Places[0].Target != "vault:https://v/secret/tls/x-b" || c.Certificates[1].Endpoints[0].ID() != "b.example.com:8443" {
		t.Errorf("%+v", c.Certificates)
	}
}

func TestDefaultsOfAnEmptyConfiguration(t *testing.T) {
	c := loaded(t, "certform {\n  state \"local\" {\n    path = \"s/x.db\"\n  }\n  seal \"age\" {\n    identity = \"/keys/id\"\n  }\n}\n")
	if p := c.Settings.State.Spec.(*config.Local).Path; p != filepath.Join(c.Dir, "s/x.db") {
		t.Error(p)
	}
	if p := c.Settings.Seal.Spec.(*config.Age).Identity; p != "/keys/id" {
		t.Error(p)
	}
}

func TestFormat(t *testing.T) {
	got, diags := config.Format("x.hcl", []byte("a=1\nlonger   =  2\n"))
	if diags.HasErrors() || string(got) != "a      = 1\nlonger = 2\n" {
		t.Errorf("%q %v", got, diags)
	}
	if _, diags := config.Format("x.hcl", []byte("a = \n")); !diags.HasErrors() {
		t.Error("what does not parse was formatted")
	}
}

func TestSourcesStayAsTheyAre(t *testing.T) {
	dir := write(t, map[string]string{"sound.hcl": sound, "main.hcl": "sink \"vault\" \"v\" {\n  address = \"a\"\n  path = \"p\"\n  token = \"hunter2\"\n}\n"})
	c, _ := config.Load(options(dir))
	text := string(c.Files()[filepath.Join(dir, "main.hcl")].Bytes)
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "path = \"p\"\n  token = \"*******\"\n}\n") {
		t.Errorf("the secret must be blotted out, and nothing else:\n%s", text)
	}
}
