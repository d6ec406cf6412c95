package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
)

// fleet is n certificates, h0.ZONE and so on, each in a directory of its name.
func fleet(zone string, n int) string {
	return fmt.Sprintf(`sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "h" {
  for_each = [for i in range(%d) : tostring(i)]
  names    = ["h${each.key}.%s"]
  sinks    = [sink.file.web]
}
`, n, zone)
}

// Two runners are safe: five apply at once, on a fresh folder, make one order
// for each certificate, and each ends well or says who is at work.
func TestFiveAtOnceMakeOneOrderEach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags []string
		codes string
	}{
		{"told who is at work", nil, "0 4"},
		{"patient", []string{"-lock-timeout=60s"}, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const n = 10
			w := newTown(t, "crowd.test")
			w.ca.Configure(func(c *acmetest.Config) { c.Latency = 20 * time.Millisecond })
			d := newDesk(t)
			d.config(w.config(d), fleet("crowd.test", n))
			var all []*process
			for range 5 {
				all = append(all, d.start(append([]string{"apply", "-auto-approve"}, c.flags...)...))
			}
			named := len(c.flags) > 0
			for _, p := range all {
				r := p.wait()
				if !strings.Contains(c.codes, fmt.Sprint(r.code)) {
					t.Errorf("want exit %s: %s", c.codes, r)
				}
				if r.code == 4 {
					r.says(t, "another runner works on it (")
					named = named || strings.Contains(r.err, "another runner works on it (pid ")
				}
			}
			if !named {
				t.Error("nobody said who is at work")
			}
			if got := w.ordersMade(); got != n {
				t.Errorf("%d orders were made for %d certificates", got, n)
			}
			if got := len(w.ca.Issued()); got != n {
				t.Errorf("%d certificates were issued, want %d", got, n)
			}
			if got := w.ca.Counts()["newAccount"]; got > 5 {
				t.Errorf("%d requests for an account", got)
			}
			d.atRest()
			w.clean()
		})
	}
}

// One apply that is interrupted finishes its phase, says what is left and saves;
// the next goes on with the same order. A second interrupt ends it at once.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signals int
		code    int
	}{{"once", 1, 3}, {"twice", 2, 130}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "int.test")
			d := newDesk(t)
			d.config(w.config(d), fleet("int.test", 3))
			w.ca.Configure(func(c *acmetest.Config) {
				c.ValidationDelay = func(string) time.Duration { return 1500 * time.Millisecond }
			})
			p := d.start("apply", "-auto-approve")
			until(t, 30*time.Second, "the CA validates", func() error {
				if n := w.ca.Counts()["challenge"]; n < 3 {
					return fmt.Errorf("%d challenges", n)
				}
				return nil
			})
			began := time.Now()
			p.signal(syscall.SIGINT)
			if c.signals == 2 {
				until(t, 10*time.Second, "the first is heard", func() error {
					if !strings.Contains(p.err.String(), "Interrupt again") {
						return fmt.Errorf("it says %q", p.err.String())
					}
					return nil
				})
				p.signal(syscall.SIGINT)
			}
			r := p.wait()
			if r.code != c.code {
				t.Errorf("want exit %d: %s", c.code, r)
			}
			if c.signals == 2 && time.Since(began) > time.Second {
				t.Errorf("it took %s to stop at once", time.Since(began))
			}
			if c.signals == 1 {
				r.says(t, "the next run goes on from here")
			}
			d.apply()
			if got := w.ordersMade(); got != 3 {
				t.Errorf("%d orders for 3 certificates", got)
			}
			d.atRest()
			w.clean()
		})
	}
}
