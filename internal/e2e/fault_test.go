package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
)

// silence takes connections and never says a word.
func silence(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

// One fault costs one thing: nine of ten are done, the run ends with 3 and
// names the tenth, and when the fault is gone the next apply does it.
func TestOneFaultOfTen(t *testing.T) {
	t.Parallel()
	const zone, nine = "fault.test", `certificate "good" {
  for_each = [for i in range(9) : tostring(i)]
  names    = ["g${each.key}.fault.test"]
  sinks    = [sink.file.web]
}
sink "file" "web" {
  directory = "tls/${certificate.name}"
}
`
	bad := func(extra string, blocks ...string) string {
		return "certificate \"bad\" {\n  names = [\"bad.fault.test\"]\n  sinks = [sink.file.web]\n" + extra + "}\n" + strings.Join(blocks, "\n")
	}
	// The tenth in a zone of its own, at a provider of its own.
	elsewhere := strings.ReplaceAll(bad(""), "bad.fault.test", "bad.other.test")
	for _, c := range []struct {
		name   string
		slow   bool // minutes: a provider's deadline
		spoil  func(w *town, d *desk)
		config func(t testing.TB, w *town, d *desk) string // the tenth, and what it needs
		says   []string
		repair func(w *town, d *desk) string // the tenth, when all is well
	}{
		{
			name: "dead issuer",
			config: func(t testing.TB, w *town, d *desk) string {
				return bad("  issuers = [issuer.acme.dead]\n", fmt.Sprintf("issuer \"acme\" \"dead\" {\n  directory = \"https://%s/directory\"\n}\n", rig.Addr(t)))
			},
			says:   []string{"issuer.acme.dead", "connection refused"},
			repair: func(*town, *desk) string { return bad("") },
		},
		{
			name: "bad name at the CA",
			spoil: func(w *town, d *desk) {
				w.ca.Configure(func(c *acmetest.Config) {
					c.Refuse = func(name string) string {
						if name == "bad.fault.test" {
							return "it is on a list"
						}
						return ""
					}
				})
			},
			config: func(testing.TB, *town, *desk) string { return bad("") },
			says:   []string{"rejectedIdentifier", "it is on a list"},
			repair: func(w *town, d *desk) string {
				w.ca.Configure(func(c *acmetest.Config) { c.Refuse = nil })
				return bad("")
			},
		},
		{
			name: "provider that refuses our key",
			config: func(t testing.TB, w *town, d *desk) string {
				d.write("other.key", "bm90IHRoZSByaWdodCBrZXk=\n")
				return elsewhere + strings.Replace(w.dns("other", "other.test"), "tsig.key", "other.key", 1)
			},
			says:   []string{"zone other.test", "dns.rfc2136.other"},
			repair: func(w *town, d *desk) string { return elsewhere + w.dns("other", "other.test") },
		},
		{
			name: "dead provider", slow: true,
			config: func(t testing.TB, w *town, d *desk) string {
				return elsewhere + strings.Replace(w.dns("other", "other.test"), w.ns.Addr, rig.Addr(t), 1)
			},
			says:   []string{"zone other.test", "dns.rfc2136.other", "connection refused"},
			repair: func(w *town, d *desk) string { return elsewhere + w.dns("other", "other.test") },
		},
		{
			name: "dead sink",
			config: func(t testing.TB, w *town, d *desk) string {
				d.write("file", "this is no directory\n")
				return strings.Replace(bad(""), "sink.file.web", "sink.file.odd", 1) + "sink \"file\" \"odd\" {\n  directory = \"file/tls\"\n}\n"
			},
			says: []string{"sink.file.odd", "not a directory"},
			repair: func(*town, *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.odd", 1) + "sink \"file\" \"odd\" {\n  directory = \"tls/odd\"\n}\n"
			},
		},
		{
			name: "dead endpoint",
			config: func(t testing.TB, w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.shown", 1) + "sink \"file\" \"shown\" {\n  directory = \"tls/shown\"\n" +
					strings.Replace(endpoint(rig.Addr(t), "bad.fault.test"), "10s", "2s", 1) + "}\n"
			},
			says: []string{"connection refused"},
			repair: func(w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.shown", 1) + "sink \"file\" \"shown\" {\n  directory = \"tls/shown\"\n" +
					endpoint(serveFrom(d.t, d.path("tls", "shown")), "bad.fault.test") + "}\n"
			},
		},
		{
			name: "silent endpoint",
			config: func(t testing.TB, w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.shown", 1) + "sink \"file\" \"shown\" {\n  directory = \"tls/shown\"\n" +
					strings.Replace(endpoint(silence(t), "bad.fault.test"), "10s", "2s", 1) + "}\n"
			},
			says: []string{"127.0.0.1:"},
			repair: func(w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.shown", 1) + "sink \"file\" \"shown\" {\n  directory = \"tls/shown\"\n" +
					endpoint(serveFrom(d.t, d.path("tls", "shown")), "bad.fault.test") + "}\n"
			},
		},
		{
			name: "failing reload",
			config: func(t testing.TB, w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.broken", 1) +
					fmt.Sprintf("sink \"file\" \"broken\" {\n  directory = \"tls/broken\"\n  reload = %s\n}\n", argv(self, servicesName, "fail", "now"))
			},
			says: []string{"sink.file.broken", "configuration test failed"},
			repair: func(w *town, d *desk) string {
				return strings.Replace(bad(""), "sink.file.web", "sink.file.broken", 1) + "sink \"file\" \"broken\" {\n  directory = \"tls/broken\"\n}\n"
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.slow && os.Getenv(rig.Real) != "1" {
				t.Skip("it takes minutes; " + rig.Real + "=1 runs it")
			}
			w := newTown(t, zone, "other.test")
			d := newDesk(t)
			if c.spoil != nil {
				c.spoil(w, d)
			}
			w.config(d) // its files
			always := "certform {\n  issuers = [issuer.acme.ca]\n}\n" + w.issuer("ca") + w.dns("ns", zone) + w.zoneBlocks() + nine
			d.config(always, c.config(t, w, d))
			p := d.start("apply", "-auto-approve", "-cleanup-timeout=10s")
			p.patience = 5 * time.Minute
			r := p.wait()
			if r.code != 3 {
				t.Fatalf("want exit 3: %s", r)
			}
			t.Logf("%.1f s", r.took.Seconds())
			r.says(t, append(c.says, "certificate.bad", "9 done")...)
			for i := range 9 {
				leafIn(t, d.path("tls", fmt.Sprintf("good-%d", i)))
			}
			w.clean()
			d.drift("certificate.bad")

			d.config(always, c.repair(w, d))
			d.apply()
			d.atRest()
			w.clean()
			if n := w.ordersMade(); n != 10 {
				t.Errorf("%d orders for ten certificates", n)
			}
		})
	}
}

// A CNAME that leads away, and a zone that nobody declares any more, cost the
// certificates that they prove, and nobody else's.
func TestANameWithoutAZone(t *testing.T) {
	t.Parallel()
	const zone = "led.test"
	w := newTown(t, zone, "other.test")
	w.ca.Configure(func(c *acmetest.Config) { c.AuthzReuse = -1 })
	d := newDesk(t)
	w.config(d)
	config := func(zones ...string) {
		d.config(w.issuer("ca"), w.dns("ns", zones...), w.zoneBlocks(), `sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "good" {
  names = ["good.led.test"]
  sinks = [sink.file.web]
}
certificate "led" {
  names = ["bad.led.test"]
  sinks = [sink.file.web]
}
certificate "other" {
  names = ["other.test"]
  sinks = [sink.file.web]
}
`)
	}
	config(zone, "other.test")
	const away = "_acme-challenge.bad.led.test. 60 IN CNAME x.elsewhere.example."
	w.net.Zone(zone).Add(away)
	d.want(3, "plan").says(t, "certificate.led", "x.elsewhere.example", "2 to issue")
	d.want(3, "apply", "-auto-approve").says(t, "certificate.led", "x.elsewhere.example", "2 done")
	w.net.Zone(zone).Remove(away)
	d.apply()
	d.atRest()

	// What was issued once is no new mistake in the configuration.
	config(zone)
	d.want(3, "apply", "-auto-approve", "-replace=good", "-replace=other").says(t, "certificate.other", "no dns block", "1 issued")
	if n := w.issuedFor("good.led.test"); n != 2 {
		t.Errorf("the neighbour was issued %d times, want 2", n)
	}
	// What never was, is: nothing begins.
	if err := os.RemoveAll(d.path(".certform")); err != nil {
		t.Fatal(err)
	}
	d.want(1, "apply", "-auto-approve").says(t, "No DNS provider for a name", "names = [\"other.test\"]")
}
