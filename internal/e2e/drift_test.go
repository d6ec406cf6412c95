package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
)

// pairOf makes a self-signed pair that is good for so long.
func pairOf(t testing.TB, life time.Duration, names ...string) rig.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return rig.Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever somebody does to what was delivered, the next plan shows it and the
// next apply repairs it, without another order.
func TestDriftOfFiles(t *testing.T) {
	t.Parallel()
	w := newTown(t, "drift.test")
	d := newDesk(t)
	d.config(w.config(d), `sink "file" "dir" {
  directory = "tls/site"
`+endpoint(serveFrom(t, d.path("tls", "site")), "www.drift.test")+`}
sink "file" "one" {
  combined = "one/site.pem"
}
certificate "site" {
  names = ["drift.test", "*.drift.test"]
  hosts = ["www.drift.test"]
  sinks = [sink.file.dir, sink.file.one]
}
`)
	must(t, os.Mkdir(d.path("one"), 0o755))
	d.apply()
	first := d.read("tls/site/fullchain.pem")
	firstKey := d.read("tls/site/privkey.pem")
	earlier, err := os.Readlink(d.path("tls", "site"))
	must(t, err)
	d.apply("-replace=site")
	orders := w.ordersMade()
	live := leafIn(t, d.path("tls/site"))
	dir := func(name string) string { return d.path("tls", "site", name) }

	for _, c := range []struct {
		name  string
		spoil func() error
		says  string
	}{
		{"the one before is put back", func() error {
			must(t, os.Remove(d.path("tls", "site")))
			return os.Symlink(earlier, d.path("tls", "site"))
		}, "earlier certificate"},
		{"a file is gone", func() error { return os.Remove(dir("fullchain.pem")) }, "sink.file.dir"},
		{"the key is gone", func() error { return os.Remove(dir("privkey.pem")) }, "sink.file.dir"},
		{"the small files are gone", func() error { return os.Remove(dir("chain.pem")) }, "sink.file.dir"},
		{"the directory is gone", func() error { return os.Remove(d.path("tls", "site")) }, "sink.file.dir"},
		{"all is gone", func() error { return os.RemoveAll(d.path("tls")) }, "sink.file.dir"},
		{"the versions are gone and the link is there", func() error { return os.RemoveAll(d.path("tls", ".site.certform")) }, "sink.file.dir"},
		{"garbage in the chain", func() error { return os.WriteFile(dir("fullchain.pem"), []byte("broken\n"), 0o644) }, "sink.file.dir"},
		{"an empty chain", func() error { return os.WriteFile(dir("fullchain.pem"), nil, 0o644) }, "sink.file.dir"},
		{"the leaf alone", func() error { return os.WriteFile(dir("fullchain.pem"), d.read("tls/site/cert.pem"), 0o644) }, "sink.file.dir"},
		{"half a key", func() error { return os.Truncate(dir("privkey.pem"), 60) }, "sink.file.dir"},
		{"the key of the one before", func() error { return os.WriteFile(dir("privkey.pem"), firstKey, 0o600) }, "sink.file.dir"},
		{"the one before is written over", func() error {
			must(t, os.WriteFile(dir("privkey.pem"), firstKey, 0o600))
			return os.WriteFile(dir("fullchain.pem"), first, 0o644)
		}, "earlier certificate"},
		{"everybody may read the key", func() error { return os.Chmod(dir("privkey.pem"), 0o644) }, "mode 0644"},
		{"the combined file is gone", func() error { return os.Remove(d.path("one", "site.pem")) }, "sink.file.one"},
		{"its directory is gone", func() error { return os.RemoveAll(d.path("one")) }, "sink.file.one"},
		{"garbage in the combined file", func() error { return os.WriteFile(d.path("one", "site.pem"), []byte("x"), 0o600) }, "sink.file.one"},
		{"the combined file has lost its key", func() error { return os.WriteFile(d.path("one", "site.pem"), d.read("tls/site/fullchain.pem"), 0o600) }, "sink.file.one"},
		{"the combined file is cut short", func() error { return os.Truncate(d.path("one", "site.pem"), 900) }, "sink.file.one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, c.spoil())
			here := &desk{t: t, dir: d.dir}
			here.drift("certificate.site", c.says)
			here.apply()
			for _, path := range []string{"tls/site", "one/site.pem"} {
				if leaf := leafIn(t, d.path(path)); !leaf.Equal(live) {
					t.Errorf("%s holds serial %x, want %x", path, leaf.SerialNumber, live.SerialNumber)
				}
			}
			if leafOf(t, dir("cert.pem")).SerialNumber.Cmp(live.SerialNumber) != 0 {
				t.Error("cert.pem is another one's")
			}
			leafOf(t, dir("chain.pem"))
			if info, err := os.Stat(dir("privkey.pem")); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("privkey.pem: %v, %v", info, err)
			}
			here.atRest()
			if n := w.ordersMade(); n != orders {
				t.Fatalf("%d orders were made to repair it", n-orders)
			}
		})
	}
}

// A certificate that is not ours is shown and left alone; adopt replaces it,
// and adopt = "force" one that outlives ours.
func TestForeignCertificate(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		name  string
		life  time.Duration
		adopt string
		taken bool
		says  string
	}{
		{"left alone", 10 * day, "", false, "adopt = true"},
		{"adopted", 10 * day, "  adopt = true\n", true, "not ours"},
		{"outlives ours, left alone", 300 * day, "  adopt = true\n", false, `adopt = "force"`},
		{"outlives ours, forced", 300 * day, "  adopt = \"force\"\n", true, "not ours"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "foreign.test")
			d := newDesk(t)
			config := func(adopt string) {
				d.config(w.config(d), "sink \"file\" \"web\" {\n  directory = \"tls\"\n"+adopt+"}\n", `certificate "site" {
  names = ["foreign.test"]
  sinks = [sink.file.web]
}
`)
			}
			config("")
			d.apply()
			ours := leafIn(t, d.path("tls"))
			foreign := pairOf(t, c.life, "foreign.test")
			must(t, os.WriteFile(d.path("tls", "privkey.pem"), foreign.Key, 0o600))
			must(t, os.WriteFile(d.path("tls", "fullchain.pem"), foreign.Cert, 0o644))
			config(c.adopt)
			d.drift("certificate.site", "a certificate that is not ours", c.says)
			if !c.taken {
				d.want(3, "apply", "-auto-approve").says(t, c.says)
				if string(d.read("tls/fullchain.pem")) != string(foreign.Cert) || string(d.read("tls/privkey.pem")) != string(foreign.Key) {
					t.Error("the foreign pair was touched")
				}
				return
			}
			d.apply()
			if leaf := leafIn(t, d.path("tls")); !leaf.Equal(ours) {
				t.Errorf("it holds serial %x, want ours, %x", leaf.SerialNumber, ours.SerialNumber)
			}
			d.atRest()
			if n := w.ordersMade(); n != 1 {
				t.Errorf("%d orders, want 1", n)
			}
		})
	}
}

// A foreign directory that was there before the first apply: adopted, and what
// it held besides stays.
func TestAdoptDirectory(t *testing.T) {
	t.Parallel()
	w := newTown(t, "adopt.test")
	d := newDesk(t)
	foreign := rig.SelfSigned(t, "adopt.test")
	for name, data := range map[string][]byte{"fullchain.pem": foreign.Cert, "privkey.pem": foreign.Key, "dhparams.pem": []byte("params\n")} {
		must(t, os.MkdirAll(d.path("tls"), 0o755))
		must(t, os.WriteFile(d.path("tls", name), data, 0o600))
	}
	config := func(adopt string) {
		d.config(w.config(d), "sink \"file\" \"web\" {\n  directory = \"tls\"\n"+adopt+"}\n", `certificate "site" {
  names = ["adopt.test"]
  sinks = [sink.file.web]
}
`)
	}
	config("")
	d.want(3, "apply", "-auto-approve").says(t, "adopt = true")
	if string(d.read("tls/fullchain.pem")) != string(foreign.Cert) {
		t.Error("the foreign certificate was touched")
	}
	config("  adopt = true\n")
	d.apply()
	if leaf := leafIn(t, d.path("tls")); leaf.Issuer.String() == leaf.Subject.String() {
		t.Error("it still holds the foreign one")
	}
	if got := string(d.read("tls/dhparams.pem")); got != "params\n" {
		t.Errorf("what lay beside is %q", got)
	}
	d.atRest()
	if n := w.ordersMade(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}

// A server that still serves the old one, because its reload was lost, is
// drift: it is activated again.
func TestLostReload(t *testing.T) {
	t.Parallel()
	w := newTown(t, "nginx.test")
	d := newDesk(t)
	old := rig.SelfSigned(t, "www.nginx.test")
	must(t, os.MkdirAll(d.path("tls"), 0o755))
	must(t, os.WriteFile(d.path("tls", "fullchain.pem"), old.Cert, 0o644))
	must(t, os.WriteFile(d.path("tls", "privkey.pem"), old.Key, 0o600))
	nginx := rig.NGINX(t, rig.NGINXConfig{Sites: []rig.Site{{Names: []string{"www.nginx.test"},
		Certificate: d.path("tls", "fullchain.pem"), Key: d.path("tls", "privkey.pem")}}})
	config := func(reload []string, end string) {
		d.config(w.config(d), fmt.Sprintf(`sink "file" "nginx" {
  directory = "tls"
  adopt     = true
  test      = %s
  reload    = %s
%s}
certificate "site" {
  names = ["www.nginx.test"]
  sinks = [sink.file.nginx]
}
`, argv(nginx.TestCommand()...), argv(reload...), end))
	}
	shown := endpoint(nginx.Addr, "www.nginx.test")
	config(nginx.ReloadCommand(), shown)
	d.apply()
	// An old worker takes a connection or two until it is told to end.
	serves := func(want *x509.Certificate) {
		t.Helper()
		until(t, 5*time.Second, "nginx serves what was delivered", func() error {
			if now := rig.Leaf(t, nginx.Addr, "www.nginx.test"); !now.Equal(want) {
				return fmt.Errorf("it serves %x", now.SerialNumber)
			}
			return nil
		})
	}
	first := leafIn(t, d.path("tls"))
	serves(first)

	// The reload is lost: nobody looks, and the program does nothing.
	config([]string{"true"}, "")
	d.apply("-replace=site")
	if now := rig.Leaf(t, nginx.Addr, "www.nginx.test"); now.Equal(leafIn(t, d.path("tls"))) {
		t.Fatal("nginx serves the new one without a reload")
	}
	config(nginx.ReloadCommand(), shown)
	d.drift("another certificate", "sink.file.nginx")
	d.apply()
	serves(leafIn(t, d.path("tls")))
	d.atRest()
	if n := w.ordersMade(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}

	// A configuration that nginx does not accept puts the old pair back.
	config(nginx.ReloadCommand(), shown)
	before := leafIn(t, d.path("tls"))
	config2 := filepath.Join(nginx.Dir, "nginx.conf")
	good, err := os.ReadFile(config2)
	must(t, err)
	must(t, os.WriteFile(config2, append(good, "nonsense;\n"...), 0o600))
	d.want(3, "apply", "-auto-approve", "-replace=site").says(t, "nonsense", "sink.file.nginx")
	if now := leafIn(t, d.path("tls")); !now.Equal(before) {
		t.Error("the pair that nginx refused stays")
	}
	must(t, os.WriteFile(config2, good, 0o600))
	d.drift("sink.file.nginx")
	d.apply()
	if leafIn(t, d.path("tls")).Equal(before) {
		t.Error("the third was not delivered")
	}
	serves(leafIn(t, d.path("tls")))
	d.atRest()
	if n := w.ordersMade(); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}
}

// An endpoint that begins to serve something else is drift, and one that comes
// back by itself needs nothing.
func TestDriftOfEndpoint(t *testing.T) {
	t.Parallel()
	w := newTown(t, "end.test")
	d := newDesk(t)
	foreign := rig.SelfSigned(t, "www.end.test")
	other, err := tls.X509KeyPair(foreign.Cert, foreign.Key)
	must(t, err)
	odd := d.path("odd")
	addr := serve(t, func(string) (*tls.Certificate, error) {
		if _, err := os.Stat(odd); err == nil {
			return &other, nil
		}
		pair, _, err := pairIn(d.path("tls"))
		return pair, err
	})
	d.config(w.config(d), "sink \"file\" \"web\" {\n  directory = \"tls\"\n"+strings.Replace(endpoint(addr, "www.end.test"), "10s", "2s", 1)+`}
certificate "site" {
  names = ["www.end.test"]
  sinks = [sink.file.web]
}
`)
	d.apply()
	d.atRest()
	must(t, os.WriteFile(odd, nil, 0o600))
	d.drift("another certificate", addr)
	d.want(3, "apply", "-auto-approve").says(t, addr)
	// Nor is it in order while the place cannot be looked at.
	aside := d.path("aside")
	must(t, os.Rename(d.path("tls"), aside))
	must(t, os.Symlink("tls", d.path("tls")))
	d.want(2, "plan", "-detailed-exitcode").says(t, "1 endpoint does not serve it", "1 could not be looked at")
	d.want(3, "apply", "-auto-approve").says(t, "sink.file.web")
	must(t, os.Remove(d.path("tls")))
	must(t, os.Rename(aside, d.path("tls")))
	must(t, os.Remove(odd))
	d.apply()
	d.atRest()
	if n := w.ordersMade(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
}

// Foreign things need not be PEM, nor be there when the plan looks: an archive
// with another password, a certificate as DER, whatever somebody puts where
// nothing of ours was while the order is under way. All are left alone.
func TestForeignInOtherForms(t *testing.T) {
	t.Parallel()
	w := newTown(t, "odd.test")
	d := newDesk(t)
	d.env = append(d.env, "STORE_PASSWORD=ours")
	d.config(w.config(d), `sink "file" "store" {
  pkcs12   = "store.p12"
  password = secret("env:STORE_PASSWORD")
}
sink "file" "dir" {
  directory = "tls"
}
sink "file" "one" {
  combined = "one.pem"
}
certificate "site" {
  names = ["odd.test"]
  sinks = [sink.file.store, sink.file.dir, sink.file.one]
}
`)
	pair := pairOf(t, 30*24*time.Hour, "odd.test")
	block, _ := pem.Decode(pair.Cert)
	keyBlock, _ := pem.Decode(pair.Key)
	leaf, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	must(t, err)
	archive, err := pkcs12.Modern.Encode(key, leaf, nil, "theirs")
	must(t, err)
	theirs := map[string]string{"store.p12": string(archive), "tls/fullchain.pem": string(block.Bytes), "one.pem": string(block.Bytes)}
	untouched := func(r result) {
		t.Helper()
		for name, text := range theirs {
			if got := string(d.read(name)); got != text {
				t.Errorf("%s was written: %s", name, r)
			}
		}
	}

	// While the CA looks at the names.
	var once sync.Once
	look := lookup(w.ns.Addr)
	w.ca.Configure(func(c *acmetest.Config) {
		c.Lookup = func(ctx context.Context, name string) ([]string, error) {
			once.Do(func() {
				must(t, os.Mkdir(d.path("tls"), 0o755))
				for name := range theirs {
					d.write(name, "notes of somebody's")
				}
			})
			return look(ctx, name)
		}
	})
	r := d.want(3, "apply", "-auto-approve")
	r.says(t, "was never ours")
	for name := range theirs {
		if got := string(d.read(name)); got != "notes of somebody's" {
			t.Errorf("%s was written: %s", name, r)
		}
		must(t, os.Remove(d.path(name)))
	}
	d.apply()
	d.atRest()

	// Where ours were.
	for name, text := range theirs {
		must(t, os.Remove(d.path(name)))
		d.write(name, text)
	}
	d.want(2, "plan", "-detailed-exitcode").says(t, "3 blocked", "the password does not open it", "adopt = true")
	untouched(d.want(3, "apply", "-auto-approve"))
	untouched(d.want(3, "apply", "-auto-approve", "-replace=site"))

	// Our own archive is ours under a new password, too.
	must(t, os.RemoveAll(d.path("tls")))
	must(t, os.Remove(d.path("store.p12")))
	must(t, os.Remove(d.path("one.pem")))
	d.apply()
	d.env = append(d.env, "STORE_PASSWORD=new")
	d.drift("the password does not open it")
	d.apply()
	d.atRest()
	if _, _, _, err := pkcs12.DecodeChain(d.read("store.p12"), "new"); err != nil {
		t.Error(err)
	}
}
