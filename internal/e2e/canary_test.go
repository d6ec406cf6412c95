package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
)

// canaries are byte strings that must not get out, by what they are.
type canaries map[string][]byte

// secret adds a secret as it is given, and as what it stands for.
func (c canaries) secret(what, text string) {
	c[what] = []byte(text)
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if raw, err := enc.DecodeString(text); err == nil && len(raw) > 12 {
			c[what+", decoded"] = raw
		}
	}
}

// key adds a private key: lines of its PEM, and its number.
func (c canaries) key(t testing.TB, what, path string) {
	t.Helper()
	pair, _, err := pairIn(path)
	must(t, err)
	c.pair(t, what, pair)
	file := path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		file = filepath.Join(path, "privkey.pem")
	}
	data, err := os.ReadFile(file)
	must(t, err)
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			body := base64.StdEncoding.EncodeToString(block.Bytes)
			from := len(body) / 2 / 64 * 64 // a line, behind what is public of an RSA key
			c[what+", its PEM"] = []byte(body[from : from+32])
		}
	}
}

// pair adds the number of a private key.
func (c canaries) pair(t testing.TB, what string, pair *tls.Certificate) {
	t.Helper()
	switch k := pair.PrivateKey.(type) {
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		must(t, err)
		c[what+", its number"] = raw
		c[what+", its number in hex"] = fmt.Appendf(nil, "%x", raw)
	case *rsa.PrivateKey:
		c[what+", its prime"] = k.Primes[0].Bytes()
	}
}

// search looks for all of them in data.
func (c canaries) search(t testing.TB, where string, data []byte) {
	t.Helper()
	for what, secret := range c {
		if i := bytes.Index(data, secret); i >= 0 {
			t.Errorf("%s is in %s: ...%q", what, where, data[max(0, i-80):i])
		}
	}
}

// searchFiles looks into every file below a directory but those that are meant
// to hold secrets.
func (c canaries) searchFiles(t testing.TB, dir string, but ...string) (files int) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		for _, b := range but {
			if ok, _ := filepath.Match(b, rel); ok {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		files++
		c.search(t, rel, data)
		return err
	}))
	return files
}

// searchDesk looks into all that the commands of a desk have shown, and into its
// files.
func (c canaries) searchDesk(t testing.TB, d *desk, but ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.shown {
		c.search(t, "stdout of "+strings.Join(r.args, " "), []byte(r.out))
		c.search(t, "stderr of "+strings.Join(r.args, " "), []byte(r.err))
	}
	if n := c.searchFiles(t, d.dir, but...); n < 3 || len(d.shown) < 2 {
		t.Errorf("only %d files and %d commands were searched", n, len(d.shown))
	}
}

// watchProcesses reads the command lines of all processes until the returned
// function is called, which returns them.
func watchProcesses(t testing.TB) func() []byte {
	t.Helper()
	end := make(chan struct{})
	seen := map[string]bool{}
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, l := range lines {
				if b, err := os.ReadFile(l); err == nil {
					seen[string(b)] = true
				}
			}
		}
	})
	return func() []byte {
		close(end)
		done.Wait()
		var b bytes.Buffer
		for line := range seen {
			b.WriteString(strings.ReplaceAll(line, "\x00", " ") + "\n")
		}
		return b.Bytes()
	}
}

// Secrets have no way out: not in what is printed, saved, remembered, measured,
// or shown of a process, whether things go well or badly.
func TestNoSecretGetsOut(t *testing.T) {
	t.Parallel()
	processes := watchProcesses(t)
	c := canaries{}
	w := newTown(t, "tsig.test", "hook.test")
	d := newDesk(t)

	c.secret("the TSIG key", w.ns.TSIG.Secret)
	d.write("tsig.key", w.ns.TSIG.Secret+"\n")

	const token = "canary-token-of-the-webhook-8271"
	c.secret("the webhook's token", token)
	d.env = append(d.env, "HOOK_TOKEN="+token)
	host := w.net.NewHost(dnstest.HostConfig{Token: token}, w.net.Zone("hook.test"))
	var refuse atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			// Some hosts say back what they were sent.
			http.Error(rw, "not authorized: "+r.Header.Get("Authorization"), http.StatusForbidden)
			return
		}
		host.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(hook.Close)

	eab := base64.RawURLEncoding.EncodeToString([]byte("canary of the external account binding"))
	c.secret("the EAB key", eab)
	key, err := base64.RawURLEncoding.DecodeString(eab)
	must(t, err)
	w.ca.Configure(func(c *acmetest.Config) {
		c.EABRequired, c.EABKeys = true, map[string][]byte{"kid-1": key}
		c.AuthzReuse = -1
	})
	d.write("eab.sh", "#!/bin/sh\necho "+eab+"\n")
	must(t, os.Chmod(d.path("eab.sh"), 0o700))

	const password = "canary password of the archive 5512"
	c.secret("the archive's password", password)
	d.write("p12.password", password+"\n")

	d.write("ca.pem", string(w.ca.RootPEM()))
	d.config(fmt.Sprintf(`issuer "acme" "ca" {
  directory    = %q
  ca_file      = "ca.pem"
  eab_kid      = "kid-1"
  eab_hmac_key = secret("exec:./eab.sh")
}
dns "webhook" "hook" {
  url   = %q
  token = secret("env:HOOK_TOKEN")
  zones = ["hook.test"]
}
sink "file" "dir" {
  directory = "tls/${certificate.name}"
}
sink "file" "one" {
  combined = "one/${certificate.name}.pem"
}
sink "file" "archive" {
  pkcs12   = "one/${certificate.name}.p12"
  reload   = ["true", "archive"]
  password = secret("file:p12.password")
}
certificate "site" {
  names = ["tsig.test", "*.hook.test"]
  sinks = [sink.file.dir, sink.file.one, sink.file.archive]
}
certificate "rsa" {
  names    = ["rsa.hook.test"]
  key_type = "rsa2048"
  sinks    = [sink.file.dir]
}
`, w.directory, hook.URL), w.dns("ns", "tsig.test"), w.zoneBlocks())
	must(t, os.Mkdir(d.path("one"), 0o755))

	show := func(code int, args ...string) {
		t.Helper()
		d.want(code, args...)
	}
	show(0, "plan", "-out=first.plan")
	show(0, "plan", "-json")
	show(0, "apply", "first.plan")
	c.key(t, "the first key", d.path("tls/site"))
	c.key(t, "the first RSA key", d.path("tls/rsa"))
	show(0, "apply", "-auto-approve", "-json", "-replace=site", "-replace=rsa")
	c.key(t, "the key", d.path("tls/site"))
	c.key(t, "the RSA key", d.path("tls/rsa"))
	show(0, "status")
	show(0, "status", "-json")
	show(0, "plan", "-json", "-detailed-exitcode")
	must(t, os.WriteFile(d.path("one", "site.pem"), d.read("tls/rsa/privkey.pem"), 0o600)) // drift that holds a key
	show(2, "plan", "-json", "-detailed-exitcode", "-out=drift.plan")
	show(0, "apply", "drift.plan")

	// When things go wrong errors are said, too.
	refuse.Store(true)
	show(3, "apply", "-auto-approve", "-cleanup-timeout=1s", "-replace=rsa")
	show(3, "apply", "-auto-approve", "-cleanup-timeout=1s", "-json", "-replace=rsa")
	refuse.Store(false)
	good := d.read("p12.password")
	d.write("p12.password", "canary of another password 77\n")
	c.secret("the other password", "canary of another password 77")
	show(2, "plan", "-detailed-exitcode")
	show(0, "apply", "-auto-approve")
	d.write("p12.password", string(good))
	show(0, "apply", "-auto-approve")
	must(t, os.Rename(d.path("eab.sh"), d.path("eab.sh.away")))
	must(t, os.Rename(d.path("tsig.key"), d.path("tsig.key.away")))
	show(1, "apply", "-auto-approve", "-replace=site")
	d.write("tsig.key", "canary that is no base64 !!")
	c.secret("the broken TSIG key", "canary that is no base64 !!")
	d.run("apply", "-auto-approve", "-replace=site") // whatever comes of it
	must(t, os.Rename(d.path("tsig.key.away"), d.path("tsig.key")))
	must(t, os.Rename(d.path("eab.sh.away"), d.path("eab.sh")))
	show(0, "apply", "-auto-approve")

	addr := rig.Addr(t)
	daemon := d.start("run", "-interval=1s", "-listen="+addr)
	var metrics []byte
	until(t, 20*time.Second, "the daemon has looked", func() error {
		r, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if metrics, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		if strings.Count(string(metrics), "certform_last_look_seconds{") < 2 {
			return fmt.Errorf("not all looked at:\n%s", metrics)
		}
		return nil
	})
	daemon.signal(syscall.SIGTERM)
	daemon.wait()

	c.key(t, "the last key", d.path("tls/site"))
	c.key(t, "the last RSA key", d.path("tls/rsa"))
	c.search(t, "the metrics", metrics)
	c.search(t, "the command line of a process", processes())
	// The search can find something: where it belongs it is.
	if !bytes.Contains(d.read("tls/site/privkey.pem"), c["the last key, its PEM"]) || !bytes.Contains(d.read("tsig.key"), c["the TSIG key"]) {
		t.Error("the canaries are not where they belong")
	}
	c.searchDesk(t, d, "tsig.key", "tsig.key.away", "eab.sh", "eab.sh.away", "p12.password",
		"tls/*/*/privkey.pem", "one/site.pem", "one/.site.pem.certform/*", "one/*/*/*")
	for _, file := range []string{"tls/site/privkey.pem", "one/site.pem", "one/site.p12", ".certform/age.key"} {
		if info, err := os.Stat(d.path(file)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
}
