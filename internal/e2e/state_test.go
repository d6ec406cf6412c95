package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
)

const stateFile = ".certform/state.db"

// site is one certificate in one directory.
func site(zone string) string {
	return fmt.Sprintf(`sink "file" "web" {
  directory = "tls"
}
certificate "site" {
  names = [%q]
  sinks = [sink.file.web]
}
`, zone)
}

// sqlite runs statements on a state that nobody has open.
func (d *desk) sqlite(statements ...string) {
	d.t.Helper()
	db, err := sql.Open("sqlite", d.path(stateFile))
	must(d.t, err)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			d.t.Fatalf("%s: %v", s, err)
		}
	}
}

// A state that is damaged, or of a newer program, or no state at all, is told
// clearly by every command, and nothing is written over it or ordered.
func TestBadState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, d *desk)
		says  string
	}{
		{"not a database", func(t *testing.T, d *desk) { d.write(stateFile, strings.Repeat("this is no state\n", 500)) }, "state.db"},
		{"a JSON file", func(t *testing.T, d *desk) { d.write(stateFile, "{}\n") }, "state.db"},
		{"an empty file", func(t *testing.T, d *desk) { d.write(stateFile, "") }, "empty"},
		{"another program's database", func(t *testing.T, d *desk) {
			must(t, os.Remove(d.path(stateFile)))
			d.sqlite("CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('hello')")
		}, "state.db"},
		{"a newer layout", func(t *testing.T, d *desk) { d.sqlite("PRAGMA user_version = 99") }, "newer"},
		{"cut short", func(t *testing.T, d *desk) {
			info, err := os.Stat(d.path(stateFile))
			must(t, err)
			must(t, os.Truncate(d.path(stateFile), info.Size()/2))
		}, "damaged"},
		{"a page of zeros", func(t *testing.T, d *desk) { d.overwrite(t, stateFile, 0) }, "damaged"},
		{"a page of ones", func(t *testing.T, d *desk) { d.overwrite(t, stateFile, 0xff) }, "damaged"},
		{"a directory", func(t *testing.T, d *desk) {
			must(t, os.Remove(d.path(stateFile)))
			must(t, os.Mkdir(d.path(stateFile), 0o755))
		}, "state.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "state.test")
			d := newDesk(t)
			d.config(w.config(d), site("state.test"))
			d.apply()
			live := d.read("tls/fullchain.pem")
			c.spoil(t, d)
			before := tree(t, d.path(".certform"))
			requests := w.ca.Counts()["requests"]
			for _, args := range [][]string{{"plan"}, {"apply", "-auto-approve"}, {"apply", "-auto-approve", "-replace=site"}, {"run"}} {
				d.want(1, args...).says(t, c.says)
			}
			if after := tree(t, d.path(".certform")); after != before {
				t.Errorf("the state's directory was\n%sand is\n%s", before, after)
			}
			if n := w.ca.Counts()["requests"]; n != requests {
				t.Errorf("the CA was asked %d times", n-requests)
			}
			if !bytes.Equal(d.read("tls/fullchain.pem"), live) {
				t.Error("what is served was changed")
			}
		})
	}
}

// overwrite fills all pages but the first with one byte.
func (d *desk) overwrite(t *testing.T, name string, with byte) {
	t.Helper()
	b := d.read(name)
	for i := 4096; i < len(b); i++ {
		b[i] = with
	}
	must(t, os.WriteFile(d.path(name), b, 0o600))
}

// tree lists the files below a directory with their contents' digests, but for
// SQLite's shared memory, which holds nothing.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, "-shm") {
			return err
		}
		data, err := os.ReadFile(path)
		if len(data) > 0 || !strings.HasSuffix(path, "-wal") {
			fmt.Fprintf(&b, "%s %d %x\n", strings.TrimPrefix(path, dir), len(data), sum(data))
		}
		return err
	}))
	return b.String()
}

// Plan works for somebody who may only read: no right to write the state, no age
// identity, no secret of any provider.
func TestPlanReadsOnly(t *testing.T) {
	t.Parallel()
	w := newTown(t, "read.test")
	d := newDesk(t)
	config := w.config(d)
	d.config(config, site("read.test"))
	d.apply()
	must(t, os.Remove(d.path(".certform", "age.key")))
	must(t, os.Remove(d.path("tsig.key")))
	before := tree(t, d.dir)
	requests := w.ca.Counts()["requests"]
	nobody := &desk{t: t, dir: d.dir}
	if os.Getuid() == 0 {
		// Everything is open to root: be somebody else.
		must(t, filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
			switch {
			case err != nil || e.Type()&os.ModeSymlink != 0 || strings.Contains(path, ".tls.certform"):
				return err // what is delivered stays: the key is root's
			case e.IsDir():
				return os.Chmod(path, 0o555)
			}
			return os.Chmod(path, 0o444)
		}))
		must(t, os.Chmod(filepath.Dir(d.dir), 0o755))
		nobody.as = &syscall.Credential{Uid: 65534, Gid: 65534}
	} else {
		must(t, os.Chmod(d.path(stateFile), 0o400))
		must(t, os.Chmod(d.path(".certform"), 0o500))
		t.Cleanup(func() { os.Chmod(d.path(".certform"), 0o700) })
	}
	nobody.want(0, "plan", "-detailed-exitcode").says(t, "No changes")
	nobody.want(2, "plan", "-detailed-exitcode", "-replace=site").says(t, "read.test", "zone read.test")
	if after := tree(t, d.dir); after != before {
		t.Errorf("plan changed files:\n%s\n%s", before, after)
	}
	if n := w.ca.Counts()["requests"]; n != requests {
		t.Errorf("plan asked the CA %d times", n-requests)
	}
}

// Without what it needs, apply says so before it does anything outside.
func TestApplyNeedsItsSecretsFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, d *desk)
		says  string
	}{
		{"the age identity is gone", func(t *testing.T, d *desk) { must(t, os.Remove(d.path(".certform", "age.key"))) }, "age.key"},
		{"another age identity", func(t *testing.T, d *desk) {
			other := newDesk(t)
			w := newTown(t, "other.test")
			other.config(w.config(other), site("other.test"))
			other.apply()
			d.write(".certform/age.key", string(other.read(".certform/age.key")))
		}, "age.key"},
		{"the provider's secret is gone", func(t *testing.T, d *desk) { must(t, os.Remove(d.path("tsig.key"))) }, "tsig.key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "first.test")
			d := newDesk(t)
			d.config(w.config(d), site("first.test"))
			d.apply()
			c.spoil(t, d)
			requests, updates := w.ca.Counts()["requests"], w.net.Zone("first.test").Stats().Updates
			d.want(2, "plan", "-detailed-exitcode", "-replace=site")
			r := d.want(1, "apply", "-auto-approve", "-replace=site")
			r.says(t, c.says)
			if n := w.ca.Counts()["requests"]; n != requests {
				t.Errorf("the CA was asked %d times before: %s", n-requests, r)
			}
			if n := w.net.Zone("first.test").Stats().Updates; n != updates {
				t.Errorf("DNS was changed %d times before: %s", n-updates, r)
			}
			d.want(0, "plan", "-detailed-exitcode")
		})
	}
}

// A value that cannot be removed is remembered: the certificate is done, the
// value is named, the run ends with 3; also when the dns block is gone. When
// it is back the value goes.
func TestOwedValues(t *testing.T) {
	t.Parallel()
	w := newTown(t, "owed.test", "other.test")
	d := newDesk(t)
	d.config(w.config(d), site("owed.test"))
	// Once the CA looks, the zone takes no more updates.
	zone := w.net.Zone("owed.test")
	var once sync.Once
	w.ca.Configure(func(c *acmetest.Config) {
		c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
			if op == "challenge" {
				once.Do(func() {
					w.net.AddKey("another.", "hmac-sha256.", "YW5vdGhlciBrZXkgYWx0b2dldGhlcg==")
					zone.Allow(dnstest.Allow{Keys: []string{"another."}})
				})
			}
			return nil
		}
	})
	r := d.want(3, "apply", "-auto-approve", "-cleanup-timeout=2s")
	left := w.net.TXT("_acme-challenge.owed.test")
	if len(left) != 1 {
		t.Fatalf("%q is in DNS: %s", left, r)
	}
	r.says(t, left[0], "_acme-challenge.owed.test")
	live := leafIn(t, d.path("tls"))
	d.drift(left[0])

	// The block goes; the certificate's own upkeep goes on.
	d.config(w.issuer("ca"), w.dns("ns", "other.test"), w.zoneBlocks(), site("owed.test"))
	must(t, os.RemoveAll(d.path("tls")))
	d.want(3, "apply", "-auto-approve", "-cleanup-timeout=2s").says(t, left[0], "owed.test")
	if now := leafIn(t, d.path("tls")); !now.Equal(live) {
		t.Error("the certificate was not delivered again")
	}
	// Even when the certificate leaves the configuration its values are owed.
	d.want(2, "doctor").says(t, "may still be in DNS", "no dns block serves its zone now", left[0])
	d.config(w.issuer("ca"), w.dns("ns", "other.test"), w.zoneBlocks(), strings.ReplaceAll(strings.ReplaceAll(site("other.test"), `"site"`, `"next"`), `"tls"`, `"next"`))
	d.want(3, "apply", "-auto-approve", "-cleanup-timeout=2s").says(t, left[0], "certificate.site")
	leafIn(t, d.path("next"))
	d.want(3, "apply", "-auto-approve", "-cleanup-timeout=2s").says(t, left[0])

	// A daemon measures it, from its start and after a reload.
	addr, owed := rig.Addr(t), `certform_owed_values{certificate="certificate.site"}`
	next := strings.ReplaceAll(strings.ReplaceAll(site("other.test"), `"site"`, `"next"`), `"tls"`, `"next"`)
	daemon := d.start("run", "-interval=1s", "-listen="+addr)
	measures(t, addr, owed, 1)
	d.config(w.issuer("ca"), w.dns("ns", "other.test"), w.zoneBlocks(), site("owed.test"), strings.ReplaceAll(strings.ReplaceAll(next, `"web"`, `"other"`), "file.web", "file.other"))
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, "certform_certificates", 2)
	measures(t, addr, owed, 1)
	d.config(w.issuer("ca"), w.dns("ns", "other.test"), w.zoneBlocks(), next)
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, "certform_certificates", 1)
	measures(t, addr, owed, 1)
	zone.Allow(dnstest.Allow{Keys: []string{w.ns.TSIG.Name}})
	d.config(w.config(d), next)
	daemon.signal(syscall.SIGHUP)
	until(t, 20*time.Second, "nothing is owed any more", func() error {
		m, err := scrape(addr)
		if n, ok := m[owed]; ok {
			return fmt.Errorf("it is measured: %v", n)
		}
		return err
	})
	daemon.term()

	d.config(w.config(d), site("owed.test"))
	d.apply()
	d.atRest()
	w.clean()
	if n := w.ordersMade(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
}

// A state that is taken away under a daemon, or under an apply, ends it: what
// it did from then on nobody would know of. The daemon's service manager starts
// it on the state that is there then.
func TestStateTakenAway(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		away func(t *testing.T, d *desk)
	}{
		{"removed", func(t *testing.T, d *desk) { must(t, os.RemoveAll(filepath.Dir(d.path(stateFile)))) }},
		{"restored", func(t *testing.T, d *desk) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				must(t, os.Remove(d.path(stateFile+suffix)))
			}
			must(t, os.Rename(d.path("backup.db"), d.path(stateFile)))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "away.test")
			d := newDesk(t)
			d.config(w.config(d), site("away.test"))
			d.apply()
			d.write("backup.db", string(d.read(stateFile)))
			addr := rig.Addr(t)
			daemon := d.start("run", "-interval=1s", "-listen="+addr)
			rests(t, addr, "certificate.site")
			c.away(t, d)
			must(t, os.RemoveAll(d.path("tls")))
			r := daemon.wait()
			if r.code != 1 {
				t.Errorf("it exits %d, want 1: %s", r.code, r)
			}
			r.says(t, "state.db", "removed or replaced while it was open", "start certform again", "event=run_ended")
			if d.exists("tls") {
				t.Error("it went on delivering")
			}
			if n := w.ordersMade(); n != 1 {
				t.Errorf("%d orders, want 1: %s", n, r)
			}
			if c.name == "restored" {
				d.apply()
				d.atRest()
				if n := w.ordersMade(); n != 1 {
					t.Errorf("on the restored state: %d orders, want 1", n)
				}
			}
		})
	}
	t.Run("under apply", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, "away.test")
		d := newDesk(t)
		d.config(w.config(d), site("away.test"))
		ordered, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		w.ca.Configure(func(c *acmetest.Config) {
			c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
				if op == "newOrder" {
					once.Do(func() { close(ordered); <-release })
				}
				return nil
			}
		})
		p := d.start("apply", "-auto-approve")
		<-ordered
		must(t, os.RemoveAll(filepath.Dir(d.path(stateFile))))
		close(release)
		r := p.wait()
		if r.code != 3 {
			t.Errorf("it exits %d, want 3: %s", r.code, r)
		}
		r.says(t, "removed or replaced while it was open")
		if n := w.net.Zone("away.test").Stats().Updates; n != 0 {
			t.Errorf("%d changes of DNS that no state knows of", n)
		}
		if n := w.ca.Counts()["finalize"]; n != 0 || d.exists("tls") {
			t.Errorf("it went on: %d finalized, delivered: %v", n, d.exists("tls"))
		}
	})
}

// An identity that is taken away under a daemon is missed before the next
// order, whose key nobody could unseal after a restart.
func TestIdentityTakenAway(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sealed.test")
	d := newDesk(t)
	d.config(w.config(d), site("sealed.test"))
	d.apply()
	addr := rig.Addr(t)
	daemon := d.start("run", "-interval=1s", "-listen="+addr)
	rests(t, addr, "certificate.site")
	must(t, os.Rename(d.path(".certform/age.key"), d.path("age.backup")))
	d.config(w.config(d), site("sealed.test"), `certificate "next" {
  names = ["next.sealed.test"]
  sinks = [sink.file.next]
}
sink "file" "next" {
  directory = "next"
}
`)
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, `certform_tries{certificate="certificate.next",of="issuer.acme.ca"}`, 1)
	if n := w.ordersMade(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	daemon.term().says(t, "certificate=certificate.next", "age.key: the identity that unseals the keys is missing")
	must(t, os.Rename(d.path("age.backup"), d.path(".certform/age.key")))
	d.apply()
	d.atRest()
	w.clean()
}
