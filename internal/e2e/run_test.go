package e2e

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
)

// scrape reads the metrics that are there, by their line without the value.
func scrape(addr string) (map[string]float64, error) {
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if out[line[:i]], err = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// measures waits until a metric has a value.
func measures(t testing.TB, addr, metric string, want float64) {
	t.Helper()
	until(t, 20*time.Second, metric+" is as it should be", func() error {
		m, err := scrape(addr)
		if err != nil {
			return err
		}
		if got, ok := m[metric]; !ok || got != want {
			return fmt.Errorf("%s is %v (there: %v), want %v", metric, got, ok, want)
		}
		return nil
	})
}

// rests waits until a daemon has looked at a certificate from now on and found
// it as it should be: somebody who meddles in the middle of its work makes a
// fault of it, which has its pause.
func rests(t testing.TB, addr, certificate string) {
	t.Helper()
	from := float64(time.Now().Unix()) + 1
	metric := "certform_last_success_seconds{certificate=\"" + certificate + "\"}"
	until(t, 20*time.Second, certificate+" is at rest", func() error {
		m, err := scrape(addr)
		if err != nil {
			return err
		}
		if m[metric] < from {
			return fmt.Errorf("%s is %v, now it is %v", metric, m[metric], from)
		}
		return nil
	})
}

// term asks a daemon to end and asserts that it does, well and in time.
func (p *process) term() result {
	p.t.Helper()
	began := time.Now()
	p.signal(syscall.SIGTERM)
	r := p.wait()
	if took := time.Since(began); r.code != 0 || took > 10*time.Second {
		p.t.Errorf("after SIGTERM it took %s: %s", took, r)
	}
	return r
}

// One daemon: it issues, repairs drift within its interval, renews when the CA
// says so, takes a new configuration and refuses a bad one, measures, and ends.
func TestRunKeepsItSo(t *testing.T) {
	t.Parallel()
	w := newTown(t, "run.test")
	d := newDesk(t)
	// The first certificate for ari.run.test is to be renewed soon.
	w.ca.Configure(func(c *acmetest.Config) {
		c.ARIWindow = func(x *x509.Certificate) (start, end time.Time, url string, retryAfter time.Duration) {
			start = time.Now().Add(24 * time.Hour)
			if x.DNSNames[0] == "ari.run.test" && w.issuedFor("ari.run.test") == 1 {
				start = time.Now().Add(4 * time.Second)
			}
			return start, start.Add(time.Second), "https://ca.test/why", time.Hour
		}
	})
	certificate := func(label string) string {
		return fmt.Sprintf("certificate %q {\n  names = [\"%[1]s.run.test\"]\n  sinks = [sink.file.web]\n}\n", label)
	}
	shown := serveFrom(t, d.path("tls", "www"))
	base := w.config(d) + `sink "file" "web" {
  directory = "tls/${certificate.name}"
}
sink "file" "shown" {
  directory = "tls/${certificate.name}"
` + endpoint(shown, "www.run.test") + `}
certificate "www" {
  names = ["www.run.test"]
  sinks = [sink.file.shown]
}
`
	d.config(base, certificate("ari"))
	addr := rig.Addr(t)
	daemon := d.start("run", "-interval=1s", "-listen="+addr)
	measures(t, addr, `certform_endpoint_serving{certificate="certificate.www",endpoint="`+shown+`/www.run.test"}`, 1)
	res, err := http.Get("http://" + addr + "/healthz")
	must(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %s", res.Status)
	}
	measures(t, addr, "certform_certificates", 2)
	live := leafIn(t, d.path("tls", "www"))
	measures(t, addr, `certform_not_after_seconds{certificate="certificate.www"}`, float64(live.NotAfter.Unix()))
	measures(t, addr, `certform_endpoint_not_after_seconds{address="`+shown+`",certificate="certificate.www",endpoint="`+shown+`/www.run.test"}`, float64(live.NotAfter.Unix()))
	measures(t, addr, `certform_owed_values{certificate="certificate.www"}`, 0)

	restored := func(file string) {
		t.Helper()
		rests(t, addr, "certificate.www")
		must(t, os.WriteFile(d.path(file), []byte("broken\n"), 0o644))
		until(t, 20*time.Second, "the daemon repairs "+file, func() error {
			_, _, err := pairIn(d.path("tls", "www"))
			return err
		})
	}
	restored("tls/www/fullchain.pem")
	until(t, 30*time.Second, "the CA's window is kept", func() error {
		if n := w.issuedFor("ari.run.test"); n != 2 {
			return fmt.Errorf("%d certificates", n)
		}
		return nil
	})
	if !slices.ContainsFunc(w.ca.Issued(), func(i acmetest.Issued) bool { return i.Names[0] == "ari.run.test" && i.Replaces != "" }) {
		t.Error("the renewal does not say what it replaces")
	}

	// A bad configuration is refused and the old one stays.
	measures(t, addr, "certform_config_last_reload_successful", 1)
	d.config(base, "nonsense {}\n", strings.Replace(certificate("odd"), "sink.file.web", "sink.file.wep", 1))
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, "certform_config_last_reload_successful", 0)
	until(t, 5*time.Second, "all that is wrong with it is said", func() error {
		for _, word := range []string{"certform.hcl:", "nonsense", "sink.file.wep"} {
			if !strings.Contains(daemon.err.String(), word) {
				return fmt.Errorf("%q is not in %s", word, daemon.err.String())
			}
		}
		return nil
	})
	restored("tls/www/privkey.pem")
	// So is one whose directory is gone.
	must(t, os.Rename(d.path("certform.hcl"), d.path("away")))
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, `certform_events_total{kind="config_refused"}`, 2)
	if said := daemon.err.String(); strings.Contains(said, "<nil>") {
		t.Errorf("it says <nil>: %s", said)
	}
	// A good one is taken.
	d.config(base, certificate("new"))
	daemon.signal(syscall.SIGHUP)
	measures(t, addr, "certform_config_last_reload_successful", 1)
	until(t, 20*time.Second, "the new certificate is there", func() error {
		_, _, err := pairIn(d.path("tls", "new"))
		return err
	})
	until(t, 20*time.Second, "the old certificate is no longer measured", func() error {
		m, err := scrape(addr)
		for name := range m {
			if strings.Contains(name, "certificate.ari") {
				return fmt.Errorf("%s", name)
			}
		}
		return err
	})
	restored("tls/www/fullchain.pem")

	rests(t, addr, "certificate.www")
	// An endpoint that does not serve is measured, too.
	must(t, os.Remove(d.path("tls", "www")))
	must(t, os.WriteFile(d.path("tls", "www"), []byte("in the way"), 0o600))
	measures(t, addr, `certform_endpoint_serving{certificate="certificate.www",endpoint="`+shown+`/www.run.test"}`, 0)
	must(t, os.Remove(d.path("tls", "www")))

	r := daemon.term()
	d.apply()
	d.atRest()
	w.clean()
	if n := w.ordersMade(); n != 4 {
		t.Errorf("%d orders, want 4: %s", n, r)
	}
}

// SIGTERM ends it within ten seconds whatever it waits for, with its records
// saved: the next run goes on with the same orders.
func TestRunEndsInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(w *town)
		until func(w *town) int
		mend  func(w *town)
	}{
		{"the CA never judges", func(w *town) {
			w.ca.Configure(func(c *acmetest.Config) { c.ValidationDelay = func(string) time.Duration { return 20 * time.Second } })
		}, func(w *town) int { return w.ca.Counts()["challenge"] }, func(w *town) {}},
		{"DNS never shows it", func(w *town) { w.net.Zone("end.test").Servers()[0].SetLag(time.Hour) },
			func(w *town) int { return w.net.Zone("end.test").Stats().Updates },
			func(w *town) { w.net.Zone("end.test").Servers()[0].SetLag(0) }},
		{"the CA hangs", func(w *town) {
			w.ca.Configure(func(c *acmetest.Config) {
				c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
					if op == "finalize" {
						return &acmetest.Fault{Delay: 20 * time.Second}
					}
					return nil
				}
			})
		}, func(w *town) int { return w.ca.Counts()["finalize"] }, func(w *town) { w.ca.Configure(func(c *acmetest.Config) { c.Fault = nil }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "end.test")
			c.spoil(w)
			d := newDesk(t)
			d.config(w.config(d), site("end.test"))
			daemon := d.start("run", "-interval=1h")
			until(t, 20*time.Second, "it waits", func() error {
				if c.until(w) == 0 {
					return fmt.Errorf("nothing yet: %s", daemon.err.String())
				}
				return nil
			})
			daemon.term()
			d.drift("under way")
			c.mend(w)
			d.apply()
			d.atRest()
			w.clean()
			if n := w.ordersMade(); n != 1 {
				t.Errorf("%d orders, want 1", n)
			}
		})
	}
}

// One zone whose servers never show a change holds up nobody else.
func TestRunSlowZoneHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newTown(t, "slow.test")
	fast := w.net.AddServer("ns1.fast.test", "127.0.0.1")
	w.net.AddZone("fast.test", fast).Allow(dnstest.Allow{Keys: []string{w.ns.TSIG.Name}})
	addr, err := w.net.ServeLoopback(fast, "127.0.0.1:0")
	must(t, err)
	w.ca.Configure(func(c *acmetest.Config) { c.Lookup = w.net.LookupTXT })
	w.net.Zone("slow.test").Servers()[0].SetLag(time.Hour)
	d := newDesk(t)
	d.config(w.config(d), strings.Replace(w.dns("fast", "fast.test"), w.ns.Addr, addr.String(), 1), zoneBlock("fast.test", addr.String()),
		`sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "slow" {
  for_each = [for i in range(5) : tostring(i)]
  names    = ["h${each.key}.slow.test"]
  sinks    = [sink.file.web]
}
certificate "fast" {
  for_each = [for i in range(5) : tostring(i)]
  names    = ["h${each.key}.fast.test"]
  sinks    = [sink.file.web]
}
`)
	metrics := rig.Addr(t)
	daemon := d.start("run", "-interval=1s", "-listen="+metrics)
	whole := func() error {
		for i := range 5 {
			if _, _, err := pairIn(d.path("tls", fmt.Sprintf("fast-%d", i))); err != nil {
				return err
			}
		}
		return nil
	}
	until(t, 20*time.Second, "the fast zone is done", whole)
	// Upkeep goes on beside it.
	for range 2 {
		for i := range 5 {
			rests(t, metrics, fmt.Sprintf("certificate.fast[\\\"%d\\\"]", i))
		}
		must(t, os.Remove(d.path("tls", "fast-3", "fullchain.pem")))
		must(t, os.Remove(d.path("tls", "fast-1")))
		until(t, 20*time.Second, "the fast zone's drift is repaired", whole)
	}
	if d.exists("tls/slow-0") {
		t.Error("the slow zone is done: the test shows nothing")
	}
	daemon.term()
	w.net.Zone("slow.test").Servers()[0].SetLag(0)
	d.apply()
	d.atRest()
	if left := w.net.AllTXT(); len(left) > 0 {
		t.Errorf("left in DNS: %q", left)
	}
	if n := w.ordersMade(); n != 10 {
		t.Errorf("%d orders, want 10", n)
	}
}

// Two daemons on one state share the work, and when one is killed the other
// does it all.
func TestRunTwoShareTheWork(t *testing.T) {
	t.Parallel()
	if os.Getenv(rig.Real) != "1" {
		t.Skip("the two need a while to know of each other; " + rig.Real + "=1 runs it")
	}
	w := newTown(t, "two.test")
	d := newDesk(t)
	const n = 20
	d.config(w.config(d), fleet("two.test", 1))
	addrs := []string{rig.Addr(t), rig.Addr(t)}
	var daemons []*process
	for _, a := range addrs {
		daemons = append(daemons, d.start("run", "-interval=1s", "-listen="+a))
	}
	for _, a := range addrs {
		measures(t, a, "certform_certificates", 1)
	}
	pause(t, 20*time.Second) // who is at work is asked every 15 s
	d.config(w.config(d), fleet("two.test", n))
	for _, p := range daemons {
		p.signal(syscall.SIGHUP)
	}
	whole := func() error {
		for i := range n {
			if _, _, err := pairIn(d.path("tls", fmt.Sprintf("h-%d", i))); err != nil {
				return err
			}
		}
		return nil
	}
	until(t, 40*time.Second, "all is issued", whole)
	if got := w.ordersMade(); got != n {
		t.Errorf("%d orders for %d certificates", got, n)
	}
	for i, a := range addrs {
		m, err := scrape(a)
		must(t, err)
		if issued := m[`certform_events_total{kind="issued"}`]; issued < 3 || issued > n-3 {
			t.Errorf("daemon %d issued %v of %d: they do not share\n%s", i, issued, n, daemons[i].err.String())
		}
	}
	daemons[0].kill()
	<-daemons[0].ended
	for i := range n {
		must(t, os.Remove(d.path("tls", fmt.Sprintf("h-%d", i))))
	}
	until(t, 60*time.Second, "the other does all the work", whole)
	daemons[1].term()
	d.atRest()
	w.clean()
	if got := w.ordersMade(); got != n {
		t.Errorf("%d orders for %d certificates", got, n)
	}
}
