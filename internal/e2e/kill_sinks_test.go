package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/hashicorp/vault/api"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
)

// The same for places behind an API: HAProxy's transactions, Vault's versions,
// S3's pointer, PowerDNS's sets. HAProxy's visitors notice nothing of it.
func TestKillAtRealPlaces(t *testing.T) {
	t.Parallel()
	kills := 15
	if os.Getenv(rig.Real) == "1" {
		kills = 60
	}
	seed := number(t, seedName, int(time.Now().UnixNano()%1_000_000))
	t.Logf("%d kills, %s=%d", kills, seedName, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 7))

	const name = "www.api.test"
	pdns := rig.PowerDNS(t, rig.PowerDNSConfig{Zones: []string{"api.test"}})
	v := rig.Vault(t, rig.VaultConfig{})
	m := rig.Moto(t)
	lb := rig.HAProxy(t, rig.HAProxyConfig{Certificates: []rig.HAProxyCertificate{{File: "site.pem", SNI: []string{name}}}})
	bucket := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(m.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "x", "")})
	_, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("certs")})
	must(t, err)

	w := townAt(t, pdns.Nameserver, "api.test")
	w.ca.Configure(func(c *acmetest.Config) { c.Latency = 10 * time.Millisecond })
	before := w.zone("api.test")
	d := newDesk(t)
	d.env = append(d.env, "PDNS_KEY="+pdns.Key, "KV_TOKEN="+v.Token, "S3_SECRET=x")
	w.config(d)
	names := func(gen int) []string { return []string{name, fmt.Sprintf("*.g%d.api.test", gen)} }
	want := func(gen int) {
		d.config(w.issuer("ca"), w.zoneBlocks(), fmt.Sprintf(`dns "powerdns" "ns" {
  server_url = %q
  api_token  = secret("env:PDNS_KEY")
  zones      = ["api.test"]
}
sink "vault" "kv" {
  address = %q
  path    = "tls/${certificate.name}"
  token   = secret("env:KV_TOKEN")
}
sink "s3" "pair" {
  bucket            = "certs"
  endpoint_url      = %q
  layout            = "pair"
  access_key_id     = "AKIAIOSFODNN7EXAMPLE"
  secret_access_key = secret("env:S3_SECRET")
}
sink "haproxy" "lb" {
  address = %q
  file    = %q
  adopt   = true
%s}
certificate "site" {
  names = %s
  hosts = [%q]
  sinks = [sink.vault.kv, sink.s3.pair, sink.haproxy.lb]
}
`, pdns.URL, v.URL, m.URL, lb.Socket, lb.File("site.pem"), endpoint(lb.Addr, name), argv(names(gen)...), name))
	}
	want(0)
	leave := visitors(t, name, lb.Addr)
	whole := d.apply().took
	gen, killed, rested := 1, 0, true
	since := map[int]int{} // kills while a generation was wanted
	want(gen)
	for killed < kills {
		p := d.start("apply", "-auto-approve")
		at := time.NewTimer(time.Duration(random.Int64N(int64(whole))))
		select {
		case <-at.C:
			p.kill()
		case <-p.ended:
		}
		at.Stop()
		switch r := p.wait(); r.code {
		case 0:
			if rested {
				whole = r.took
			}
			rested = true
			gen++
			want(gen)
		case -1:
			rested = false
			killed++
			since[gen]++
		default:
			t.Fatalf("after %d kills: %s", killed, r)
		}
	}
	d.apply()
	d.atRest()
	if made, failed, _ := leave(); failed > 0 || made < 10 {
		t.Errorf("%d of %d visitors of HAProxy failed", failed, made)
	}
	for g := range gen + 1 {
		if n := w.issuedFor(names(g)...); n != 1 {
			t.Errorf("generation %d: %d certificates, want 1", g, n)
		}
		if n := w.ordersFor(names(g)...); n > 1+since[g] {
			t.Errorf("generation %d: %d orders for %d kills", g, n, since[g])
		}
	}
	if after := w.zone("api.test"); !slices.Equal(after, before) {
		t.Errorf("the zone held\n%s\nand holds\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	conf := api.DefaultConfig()
	conf.Address = v.URL
	client, err := api.NewClient(conf)
	must(t, err)
	client.SetToken(v.Token)
	pair, err := vaultPair(client, "tls/site")
	must(t, err)
	if served := rig.Leaf(t, lb.Addr, name); !served.Equal(pair.Leaf) || !slices.Contains(served.DNSNames, names(gen)[1]) {
		t.Errorf("HAProxy serves %q, Vault holds %q, want generation %d", served.DNSNames, pair.Leaf.DNSNames, gen)
	}
	lb.Reload(t)
	if served := rig.Leaf(t, lb.Addr, name); !served.Equal(pair.Leaf) {
		t.Error("HAProxy's file is not what it serves")
	}
	d.atRest()
	if open := lb.Run(t, "show ssl cert"); strings.Contains(open, "# transaction") {
		t.Errorf("a transaction is left open in HAProxy:\n%s", open)
	}
	for path, data := range map[string]map[string]any{"tls/site": v.Do(t, http.MethodGet, "secret/metadata/tls/site", nil)} {
		if data["custom_metadata"] == nil {
			t.Errorf("Vault's metadata of %s is not described: %v", path, data)
		}
	}
}
