package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/hashicorp/vault/api"

	"github.com/certform/certform/internal/rig"
)

// visitors make TLS connections to addresses all the time and count those that
// fail, until the returned function is called.
func visitors(t testing.TB, name string, addrs ...string) (leave func() (made, failed int, seen int)) {
	t.Helper()
	end, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	var wg sync.WaitGroup
	made, failed := 0, 0
	serials := map[string]bool{}
	for _, addr := range addrs {
		for range 2 {
			wg.Go(func() {
				next := time.NewTicker(10 * time.Millisecond)
				defer next.Stop()
				for ; end.Err() == nil; <-next.C {
					leaf, err := knock(addr, name)
					mu.Lock()
					made++
					if err != nil {
						failed++
						t.Errorf("a visitor of %s: %v", addr, err)
					} else {
						serials[leaf.SerialNumber.String()] = true
					}
					mu.Unlock()
				}
			})
		}
	}
	return func() (int, int, int) {
		stop()
		wg.Wait()
		return made, failed, len(serials)
	}
}

// knock makes one whole request and returns what was shown.
func knock(addr, name string) (*x509.Certificate, error) {
	var leaf *x509.Certificate
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
		TLSClientConfig: &tls.Config{ServerName: name, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			leaf = s.PeerCertificates[0]
			return leaf.VerifyHostname(name)
		}},
	}}
	res, err := client.Get("https://" + name + "/")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return leaf, nil
}

// HAProxy gets new certificates without a reload and without losing one
// connection, by its Unix socket and by TCP; a reload keeps them where the
// instance is on this machine, and is drift where it is not.
func TestHAProxyLosesNoConnection(t *testing.T) {
	t.Parallel()
	const name = "www.edge.test"
	w := newTown(t, "edge.test")
	d := newDesk(t)
	start := func() *rig.HAProxyServer {
		return rig.HAProxy(t, rig.HAProxyConfig{Certificates: []rig.HAProxyCertificate{{File: "site.pem", SNI: []string{name}}}})
	}
	unix, local, remote := start(), start(), start()
	config := w.config(d)
	for label, s := range map[string]struct {
		server  *rig.HAProxyServer
		address string
		extra   string
	}{
		"unix":   {unix, unix.Socket, ""},
		"local":  {local, local.TCP, "  local = true\n"},
		"remote": {remote, remote.TCP, ""},
	} {
		config += fmt.Sprintf("sink \"haproxy\" %q {\n  address = %q\n  file = %q\n  adopt = true\n%s%s}\n",
			label, s.address, s.server.File("site.pem"), s.extra, endpoint(s.server.Addr, name))
	}
	config += `certificate "site" {
  names = ["edge.test", "*.edge.test"]
  hosts = ["www.edge.test"]
  sinks = [sink.haproxy.unix, sink.haproxy.local, sink.haproxy.remote]
}
`
	d.config(config)
	d.drift("a certificate that is not ours", "lives in HAProxy's memory")
	leave := visitors(t, name, unix.Addr, local.Addr, remote.Addr)
	d.apply()
	for range 20 {
		d.apply("-replace=site")
	}
	made, failed, seen := leave()
	t.Logf("%d connections, %d failed, %d certificates seen", made, failed, seen)
	if failed > 0 || made < 100 || seen < 15 {
		t.Errorf("%d of %d connections failed, %d certificates were seen", failed, made, seen)
	}
	d.atRest()

	live := rig.Leaf(t, unix.Addr, name)
	for _, s := range []*rig.HAProxyServer{unix, local, remote} {
		if now := rig.Leaf(t, s.Addr, name); !now.Equal(live) {
			t.Errorf("%s serves serial %x, want %x", s.Addr, now.SerialNumber, live.SerialNumber)
		}
		s.Reload(t)
	}
	for _, s := range []*rig.HAProxyServer{unix, local} {
		if now := rig.Leaf(t, s.Addr, name); !now.Equal(live) {
			t.Errorf("after a reload %s serves serial %x, want %x", s.Addr, now.SerialNumber, live.SerialNumber)
		}
	}
	if now := rig.Leaf(t, remote.Addr, name); now.Equal(live) {
		t.Fatal("a reload should have brought the old one back")
	}
	d.drift("sink.haproxy.remote", "sink.haproxy.unix")
	d.apply()
	if now := rig.Leaf(t, remote.Addr, name); !now.Equal(live) {
		t.Error("the drift after a reload was not repaired")
	}
	d.atRest()
	if n := w.ordersMade(); n != 21 {
		t.Errorf("%d orders, want 21", n)
	}

	// Somebody puts another one there by hand.
	foreign := rig.SelfSigned(t, name)
	unix.Run(t, "set ssl cert "+unix.File("site.pem")+" <<\n"+string(foreign.Combined()))
	unix.Run(t, "commit ssl cert "+unix.File("site.pem"))
	d.drift("sink.haproxy.unix")
	d.apply()
	if now := rig.Leaf(t, unix.Addr, name); !now.Equal(live) {
		t.Error("what somebody put there stays")
	}
	d.atRest()

	// Dead instances are named, the living one is done.
	remote.Stop(t)
	d.want(3, "apply", "-auto-approve", "-replace=site").says(t, "sink.haproxy.remote")
	next := rig.Leaf(t, unix.Addr, name)
	if next.Equal(live) || !rig.Leaf(t, local.Addr, name).Equal(next) {
		t.Error("the living instances did not get the new one")
	}
	remote.Start(t)
	d.drift("sink.haproxy.remote")
	d.apply()
	if now := rig.Leaf(t, remote.Addr, name); !now.Equal(next) {
		t.Error("the one that was away did not get the new one")
	}
	d.atRest()
}

// A name that HAProxy's configuration does not have joins its crt-list.
func TestHAProxyNewName(t *testing.T) {
	t.Parallel()
	w := newTown(t, "list.test")
	d := newDesk(t)
	s := rig.HAProxy(t, rig.HAProxyConfig{})
	d.config(w.config(d), fmt.Sprintf(`sink "haproxy" "edge" {
  address  = %q
  file     = "%s/${certificate.name}.pem"
  crt_list = %q
%s}
certificate "new" {
  names = ["new.list.test"]
  sinks = [sink.haproxy.edge]
}
`, s.Socket, s.Certs, s.CrtList, endpoint(s.Addr, "new.list.test")))
	d.apply()
	if leaf := rig.Leaf(t, s.Addr, "new.list.test"); leaf.DNSNames[0] != "new.list.test" {
		t.Errorf("it serves %q", leaf.DNSNames)
	}
	d.atRest()
	d.apply("-replace=new")
	d.atRest()
}

// Vault KV v2 by token and by AppRole, over TLS with a CA of its own; looking
// needs no more than the right to read; a consumer that fetches for itself is
// waited for.
func TestVault(t *testing.T) {
	t.Parallel()
	v := rig.Vault(t, rig.VaultConfig{TLS: true})
	w := newTown(t, "kv.test")
	d := newDesk(t)
	const policy = `path "secret/data/tls/*" { capabilities = ["create", "update", "read"] }
path "secret/metadata/tls/*" { capabilities = ["create", "update", "read"] }`
	v.Do(t, http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"})
	v.Do(t, http.MethodPut, "sys/policies/acl/tls", map[string]any{"policy": policy})
	v.Do(t, http.MethodPost, "auth/approle/role/certform", map[string]any{"token_policies": []string{"tls"}, "token_ttl": "1h"})
	role, _ := v.Do(t, http.MethodGet, "auth/approle/role/certform/role-id", nil)["role_id"].(string)
	secretID, _ := v.Do(t, http.MethodPost, "auth/approle/role/certform/secret-id", nil)["secret_id"].(string)
	writer := v.Grant(t, policy)
	reader := v.Grant(t, `path "secret/metadata/tls/*" { capabilities = ["read"] }`)
	d.env = append(d.env, "KV_TOKEN="+writer, "KV_SECRET_ID="+secretID)

	conf := api.DefaultConfig()
	conf.Address = v.URL
	must(t, conf.ConfigureTLS(&api.TLSConfig{CACert: v.CAFile}))
	client, err := api.NewClient(conf)
	must(t, err)
	client.SetToken(v.Token)
	// The consumer looks into Vault at each handshake.
	consumer := serve(t, func(string) (*tls.Certificate, error) {
		pair, err := vaultPair(client, "tls/token/site")
		return &pair, err
	})
	d.config(w.config(d), fmt.Sprintf(`sink "vault" "token" {
  address = %[1]q
  ca_file = %[2]q
  path    = "tls/token/${certificate.name}"
  token   = secret("env:KV_TOKEN")
}
sink "vault" "approle" {
  address   = %[1]q
  ca_file   = %[2]q
  path      = "tls/approle/${certificate.name}"
  role_id   = %[3]q
  secret_id = secret("env:KV_SECRET_ID")
}
sink "pull" "apps" {
%[4]s}
certificate "site" {
  names = ["kv.test", "*.kv.test"]
  hosts = ["www.kv.test"]
  sinks = [sink.vault.token, sink.vault.approle, sink.pull.apps]
}
certificate "h" {
  for_each = [for i in range(5) : tostring(i)]
  names    = ["h${each.key}.kv.test"]
  sinks    = [sink.vault.token, sink.vault.approle]
}
`, v.URL, v.CAFile, role, endpoint(consumer, "www.kv.test")))
	d.apply()
	d.atRest()
	first, err := vaultPair(client, "tls/token/site")
	must(t, err)
	if second, err := vaultPair(client, "tls/approle/site"); err != nil || !second.Leaf.Equal(first.Leaf) {
		t.Errorf("AppRole's secret is another: %v", err)
	}

	// Rights to look are enough for a plan, and are not enough for more.
	looker := &desk{t: t, dir: d.dir, env: append([]string{"KV_TOKEN=" + reader}, "KV_SECRET_ID="+secretID)}
	looker.want(0, "plan", "-detailed-exitcode")
	looker.want(3, "apply", "-auto-approve", "-replace=site").says(t, "sink.vault.token", "permission denied")
	if second, err := vaultPair(client, "tls/approle/site"); err != nil || second.Leaf.Equal(first.Leaf) {
		t.Errorf("the other place was not done: %v", err)
	}
	d.drift("sink.vault.token")
	d.apply()
	d.atRest()
	orders := w.ordersMade()
	live, err := vaultPair(client, "tls/token/site")
	must(t, err)

	for what, spoil := range map[string]func(){
		"another version": func() {
			v.Do(t, http.MethodPost, "secret/data/tls/token/site", map[string]any{"data": map[string]any{"certificate": "broken"}})
		},
		"deleted": func() { v.Do(t, http.MethodDelete, "secret/data/tls/token/site", nil) },
		"gone":    func() { v.Do(t, http.MethodDelete, "secret/metadata/tls/token/site", nil) },
	} {
		spoil()
		d.drift("sink.vault.token")
		d.apply()
		if now, err := vaultPair(client, "tls/token/site"); err != nil || !now.Leaf.Equal(live.Leaf) {
			t.Errorf("%s: not repaired: %v", what, err)
		}
		d.atRest()
	}
	if n := w.ordersMade(); n != orders {
		t.Errorf("%d orders were made to repair it", n-orders)
	}
	// A token that is no good is told, and nothing else suffers.
	wrong := &desk{t: t, dir: d.dir, env: []string{"KV_TOKEN=hvs.canary-wrong", "KV_SECRET_ID=" + secretID}}
	r := wrong.want(3, "apply", "-auto-approve", "-replace=h[\"0\"]")
	r.says(t, "sink.vault.token", "permission denied")
	if strings.Contains(r.out+r.err, "canary-wrong") {
		t.Errorf("the token is shown: %s", r)
	}
	d.apply()
	d.atRest()

	c := canaries{}
	for what, secret := range map[string]string{"the token": writer, "the reader's token": reader, "the secret id": secretID, "the root token": v.Token} {
		c.secret(what, secret)
	}
	for _, path := range []string{"tls/token/site", "tls/approle/site", "tls/token/h-0"} {
		pair, err := vaultPair(client, path)
		must(t, err)
		c.pair(t, "the key in "+path, &pair)
	}
	c.searchDesk(t, d, "tsig.key")
	c.searchDesk(t, looker, "tsig.key")
}

// vaultPair reads a pair as a consumer does.
func vaultPair(client *api.Client, path string) (tls.Certificate, error) {
	got, err := client.KVv2("secret").Get(context.Background(), path)
	if err != nil {
		return tls.Certificate{}, err
	}
	full, _ := got.Data["fullchain"].(string)
	key, _ := got.Data["private_key"].(string)
	return tls.X509KeyPair([]byte(full), []byte(key))
}

// S3 with both kinds of encryption at rest, as one object and as a versioned
// pair.
func TestS3(t *testing.T) {
	t.Parallel()
	m := rig.Moto(t)
	client := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(m.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "x", "")})
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("certs")})
	must(t, err)
	w := newTown(t, "s3.test")
	d := newDesk(t)
	d.env = append(d.env, "S3_SECRET=canary-of-s3")
	block := func(label, extra string) string {
		return fmt.Sprintf(`sink "s3" %q {
  bucket            = "certs"
  prefix            = %[1]q
  endpoint_url      = %[2]q
  access_key_id     = "AKIAIOSFODNN7EXAMPLE"
  secret_access_key = secret("env:S3_SECRET")
%[3]s}
`, label, m.URL, extra)
	}
	d.config(w.config(d), block("own", "  sse = \"AES256\"\n"), block("kms", "  sse = \"aws:kms\"\n  kms_key_id = \"alias/tls\"\n  layout = \"pair\"\n"),
		`certificate "site" {
  names = ["s3.test", "*.s3.test"]
  sinks = [sink.s3.own, sink.s3.kms]
}
`)
	d.apply()
	d.atRest()
	object := func() (*x509.Certificate, types.ServerSideEncryption) {
		t.Helper()
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("certs"), Key: aws.String("own/site.pem")})
		must(t, err)
		defer got.Body.Close()
		data, err := io.ReadAll(got.Body)
		must(t, err)
		pair, err := tls.X509KeyPair(data, data)
		must(t, err)
		return pair.Leaf, got.ServerSideEncryption
	}
	live, sse := object()
	if sse != types.ServerSideEncryptionAes256 {
		t.Errorf("encrypted by %q", sse)
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("certs"), Prefix: aws.String("kms/")})
	must(t, err)
	keys := 0
	for _, o := range list.Contents {
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("certs"), Key: o.Key})
		must(t, err)
		if strings.HasSuffix(*o.Key, "privkey.pem") {
			keys++
			if head.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
				t.Errorf("%s is encrypted by %q", *o.Key, head.ServerSideEncryption)
			}
		}
	}
	if keys != 1 {
		t.Errorf("%d keys below kms/", keys)
	}

	put := func(key string, data []byte) {
		t.Helper()
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("certs"), Key: aws.String(key), Body: strings.NewReader(string(data))})
		must(t, err)
	}
	for what, spoil := range map[string]func(){
		"deleted": func() {
			_, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("certs"), Key: aws.String("own/site.pem")})
			must(t, err)
		},
		"garbage":        func() { put("own/site.pem", []byte("x")) },
		"without a key":  func() { put("own/site.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: live.Raw})) },
		"pointer broken": func() { put("kms/site/current.json", []byte("{}")) },
	} {
		spoil()
		d.drift("certificate.site")
		d.apply()
		if now, _ := object(); !now.Equal(live) {
			t.Errorf("%s: not repaired", what)
		}
		d.atRest()
	}
	d.apply("-replace=site")
	if now, _ := object(); now.Equal(live) {
		t.Error("not replaced")
	}
	d.atRest()
	if n := w.ordersMade(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
	c := canaries{}
	c.secret("the secret key", "canary-of-s3")
	c.searchDesk(t, d, "tsig.key")
}
