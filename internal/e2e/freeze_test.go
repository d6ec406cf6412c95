package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
)

// A process that was stopped for longer than its beat is trusted, and wakes up
// when another has taken over, finished and moved on, writes nothing old.
func TestFrozenProcessWritesNothingOld(t *testing.T) {
	t.Parallel()
	if os.Getenv(rig.Real) != "1" {
		t.Skip("it takes more than a minute; " + rig.Real + "=1 runs it")
	}
	for _, c := range []struct {
		// Where the process is stopped: at a request that the CA has in its
		// hands, when it says something, or while its first reload runs.
		at string
		// What that reload comes to meanwhile.
		reload string
		// Whether the world has moved on when it wakes, to another certificate.
		on bool
	}{
		{at: "newOrder", on: true},
		{at: "challenge", on: true},
		{at: "finalize", on: true},
		{at: "certificate", on: true},
		{at: "says TXT values written", on: true},
		{at: "says delivering", on: true},
		{at: "reload", reload: "ends", on: true},
		{at: "reload", reload: "hangs", on: true},
		{at: "reload", reload: "ends"},
		{at: "reload", reload: "hangs"},
	} {
		at := c.at
		name := strings.TrimSpace(at + " " + c.reload)
		if !c.on {
			name += ", the same wanted"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "ice.test")
			d := newDesk(t)
			want := func(gen int) {
				d.config(w.config(d), fmt.Sprintf(`sink "file" "web" {
  directory = "tls"
  reload    = %s
}
certificate "site" {
  names = ["ice.test", "*.ice.test", "g%d.www.ice.test"]
  sinks = [sink.file.web]
}
`, argv(self, servicesName, "gate", d.path("tls"), d.path("loaded"), d.path("gate")), gen))
			}
			want(0)
			d.write("gate.passed", "")
			d.apply()
			before := w.zone("ice.test")

			want(1)
			frozen := d.command("apply", "-auto-approve")
			stopped := make(chan struct{})
			var once sync.Once
			stop := func() {
				once.Do(func() {
					frozen.signal(syscall.SIGSTOP)
					close(stopped)
				})
			}
			if words, says := strings.CutPrefix(at, "says "); says {
				frozen.err.heed = func(chunk string) {
					if strings.Contains(chunk, words) {
						stop()
					}
				}
			} else {
				w.ca.Configure(func(c *acmetest.Config) {
					c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
						if op == at {
							stop()
						}
						return nil
					}
				})
			}
			if at == "reload" {
				must(t, os.Remove(d.path("gate.passed")))
			}
			frozen.begin()
			if at == "reload" {
				until(t, 30*time.Second, "the reload runs", func() error {
					if !d.exists("gate.passed") {
						return errors.New("not yet")
					}
					return nil
				})
				stop()
				if c.reload == "ends" {
					d.write("gate.open", "")
				}
			}
			select {
			case <-stopped:
			case <-frozen.ended:
				t.Fatalf("it never came to %s: %s", at, frozen.result)
			}

			second := d.start("apply", "-auto-approve", "-lock-timeout=100s")
			second.patience = 2 * time.Minute
			if r := second.wait(); r.code == 3 && strings.Contains(r.String(), "another process has been writing it") ||
				r.code == 1 && strings.Contains(r.String(), "another process keeps the state locked") {
				// Stopped within the switch itself, or within a write of the state, it
				// holds the system's lock: the second says so, and nothing is done twice.
				frozen.signal(syscall.SIGCONT)
				frozen.wait()
				d.apply()
				d.atRest()
				return
			} else if r.code != 0 || r.took < 50*time.Second {
				t.Fatalf("the second should watch for a minute and take over: %s", r)
			}
			last := "g1.www.ice.test"
			if c.on {
				last = "g2.www.ice.test"
				want(2)
				d.apply()
			}
			if leaf, loaded := leafIn(t, d.path("tls")), leafOf(t, d.path("loaded")); !leaf.Equal(loaded) || !slices.Contains(leaf.DNSNames, last) {
				t.Fatalf("those that took over do not serve: %q and %q", leaf.DNSNames, loaded.DNSNames)
			}
			orders := w.ordersMade()

			frozen.signal(syscall.SIGCONT)
			r := frozen.wait()
			d.write("gate.open", "")
			if r.code != 4 {
				t.Errorf("want exit 4 of the one that woke: %s", r)
			}
			if leaf, loaded := leafIn(t, d.path("tls")), leafOf(t, d.path("loaded")); !leaf.Equal(loaded) || !slices.Contains(leaf.DNSNames, last) {
				t.Errorf("it put back %q, in use is %q: %s", leaf.DNSNames, loaded.DNSNames, r)
			}
			if after := w.zone("ice.test"); !slices.Equal(after, before) {
				t.Errorf("the zone holds\n%s\n%s", strings.Join(after, "\n"), r)
			}
			if n := w.ordersMade(); n != orders {
				t.Errorf("it made %d orders: %s", n-orders, r)
			}
			d.atRest()
		})
	}
}
