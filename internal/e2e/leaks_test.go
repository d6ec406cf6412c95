package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
)

// Two daemons on one state and one zone, one or both of which are killed again
// and again: the zone ends as it began, and nothing is issued twice. What is
// wanted changes only while none is alive, since two that read different
// configurations undo each other's work.
func TestKillTwoRunners(t *testing.T) {
	t.Parallel()
	kills := 10
	if os.Getenv(rig.Real) == "1" {
		kills = 40
	}
	kills = number(t, killsName, kills)
	seed := number(t, seedName, int(time.Now().UnixNano()%1_000_000))
	t.Logf("%d kills, %s=%d", kills, seedName, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 6))
	ns := rig.BIND(t, rig.BINDConfig{Zones: []string{"pair.test"}})
	ns.Add(t, "pair.test", "_acme-challenge.h0.pair.test. 300 IN TXT "+foreignTXT)
	w := townAt(t, ns.Nameserver, "pair.test")
	w.ca.Configure(func(c *acmetest.Config) { c.Latency = 15 * time.Millisecond })
	before := w.zone("pair.test")

	const hosts = 8
	d := newDesk(t)
	base := w.config(d) + "sink \"file\" \"web\" {\n  directory = \"tls/${certificate.name}\"\n}\n"
	gens := [hosts]int{}
	killed := map[string]int{} // names -> kills while they were wanted
	names := func(i int) []string {
		return []string{fmt.Sprintf("g%d.at.h%d.pair.test", gens[i], i), fmt.Sprintf("h%d.pair.test", i), fmt.Sprintf("*.h%d.pair.test", i)}
	}
	set := func(i int) string { return strings.Join(sorted(names(i)), " ") }
	configure := func() {
		var b strings.Builder
		for i := range hosts {
			fmt.Fprintf(&b, "certificate \"h%d\" {\n  names = %s\n  sinks = [sink.file.web]\n}\n", i, argv(names(i)...))
		}
		d.config(base, b.String())
	}
	configure()
	const most = 1500 * time.Millisecond // longer than eight certificates take
	var alive [2]*process
	for n := 0; n < kills; {
		for i, p := range alive {
			if p == nil {
				alive[i] = d.start("run", "-interval=1s", "-no-color")
			}
		}
		pause(t, time.Duration(random.Int64N(int64(most))))
		both := random.IntN(3) == 0
		first := random.IntN(2)
		for i := range alive {
			if i != first && !both {
				continue
			}
			p := alive[i]
			_ = p.cmd.Process.Signal(syscall.SIGKILL)
			if r := p.wait(); r.code != -1 {
				t.Fatalf("it ended by itself: %s", r)
			}
			alive[i] = nil
			n++
			for h := range hosts {
				killed[set(h)]++
			}
		}
		if both {
			for h := range hosts {
				if random.IntN(2) == 0 {
					gens[h]++
				}
			}
			configure()
		}
	}
	for _, p := range alive {
		if p != nil {
			p.term()
		}
	}
	d.apply()
	d.atRest()
	if after := w.zone("pair.test"); !slices.Equal(after, before) {
		t.Errorf("the zone held\n%s\nand holds\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	for i := range hosts {
		if got := w.issuedFor(names(i)...); got != 1 {
			t.Errorf("%s: %d certificates were issued", set(i), got)
		}
		leafIn(t, d.path("tls", fmt.Sprintf("h%d", i)))
	}
	whole := 0
	for names, n := range killed {
		list := strings.Fields(names)
		got := w.issuedFor(list...)
		if whole += got; got > 1 {
			t.Errorf("%s: %d certificates were issued", names, got)
		}
		if orders := w.ordersFor(list...); orders > 1+n {
			t.Errorf("%s: %d orders and %d kills", names, orders, n)
		}
	}
	// On a busy machine few come to their end between two kills; orders were made.
	if t.Logf("%d certificates were issued of %d orders", whole, w.ordersMade()); w.ordersMade() < 2*hosts {
		t.Error("hardly any work was killed")
	}
}

// hook is a dns block for a host of our own at newTown's zones, and its API.
func hook(t testing.TB, w *town, zone string) (block string, host *dnstest.Host) {
	t.Helper()
	host = w.net.NewHost(dnstest.HostConfig{}, w.net.Zone(zone))
	return fmt.Sprintf("dns \"webhook\" \"hook\" {\n  url   = %q\n  zones = [%q]\n}\n", httpServer(t, host.Handler()), zone), host
}

// A host that does what it is asked and answers 500, or breaks the connection
// before it answers: at first, for as long as the run takes, or only where
// values are removed. In the end the zone is as it was.
func TestHostsThatLie(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]dnstest.Outcome{"answers 500": dnstest.Fail, "loses its answer": dnstest.LoseReply} {
		for _, when := range []string{"once", "removing", "always"} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				w := newTown(t, "lie.test", "true.test")
				w.net.Zone("lie.test").Add("_acme-challenge TXT " + foreignTXT)
				before := w.zone("lie.test")
				d := newDesk(t)
				w.config(d) // its files
				block, host := hook(t, w, "lie.test")
				d.config(w.issuer("ca"), block, w.dns("ns", "true.test"), zoneBlock("true.test", w.ns.Addr),
					strings.Replace(zoneBlock("lie.test", w.ns.Addr), "\n}", "\n  max_wait    = \"5s\"\n}", 1), site("lie.test"),
					"sink \"file\" \"good\" {\n  directory = \"good\"\n}\ncertificate \"good\" {\n  names = [\"true.test\"]\n  sinks = [sink.file.good]\n}\n")
				var mu sync.Mutex
				lied := map[bool]int{} // by whether it was a removal
				host.Configure(func(c *dnstest.HostConfig) {
					c.Fault = func(call dnstest.Call) dnstest.Outcome {
						mu.Lock()
						defer mu.Unlock()
						removes := len(call.Del) > 0
						if call.Kind != "change" || when == "removing" && !removes || when == "once" && lied[removes] > 0 {
							return dnstest.Done
						}
						lied[removes]++
						return outcome
					}
				})
				r := d.run("apply", "-auto-approve", "-cleanup-timeout=2s")
				left := slices.DeleteFunc(w.net.TXT("_acme-challenge.lie.test"), func(s string) bool { return s == foreignTXT })
				switch {
				case r.code != 0 && r.code != 3, r.code == 0 && len(left) > 0, when == "once" && r.code != 0:
					t.Errorf("with %q left: %s", left, r)
				}
				r.says(t, left...)
				mu.Lock()
				if lied[true] == 0 || when != "removing" && lied[false] == 0 {
					t.Errorf("it lied %v times", lied)
				}
				mu.Unlock()
				leafIn(t, d.path("good"))
				if when != "always" {
					leafIn(t, d.path("tls"))
				}
				host.Configure(func(c *dnstest.HostConfig) { c.Fault = nil })
				d.apply()
				d.atRest()
				leafIn(t, d.path("tls"))
				if after := w.zone("lie.test"); !slices.Equal(after, before) {
					t.Errorf("the zone held %q and holds %q", before, after)
				}
				if n := w.ordersMade(); n != 2 {
					t.Errorf("%d orders for two certificates", n)
				}
			})
		}
	}
}

// A credential that was revoked after it wrote: the value is named, plan shows
// it, doctor calls it ours and the one beside it foreign. It goes when the block
// has a new credential, another label, or another type, by apply or by run.
func TestOwedAfterAChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		dns  func(t testing.TB, w *town, d *desk) string
		run  bool
	}{
		{name: "a new credential", dns: func(t testing.TB, w *town, d *desk) string { return w.dns("ns", "owed.test") }},
		{name: "a new credential, by run", dns: func(t testing.TB, w *town, d *desk) string { return w.dns("ns", "owed.test") }, run: true},
		{name: "another label", dns: func(t testing.TB, w *town, d *desk) string { return w.dns("renamed", "owed.test") }},
		{name: "another type", dns: func(t testing.TB, w *town, d *desk) string { block, _ := hook(t, w, "owed.test"); return block }},
		{name: "another type, by run", dns: func(t testing.TB, w *town, d *desk) string { block, _ := hook(t, w, "owed.test"); return block }, run: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "owed.test")
			zone := w.net.Zone("owed.test")
			zone.Add("_acme-challenge TXT " + foreignTXT)
			before := zone.Records()
			d := newDesk(t)
			d.config(w.config(d), site("owed.test"))
			newKey := rig.TSIG{Name: "another.", Algorithm: w.ns.TSIG.Algorithm, Secret: base64.StdEncoding.EncodeToString([]byte("another key altogether, and new"))}
			var once sync.Once
			w.ca.Configure(func(c *acmetest.Config) {
				c.Fault = func(_ *http.Request, op string) *acmetest.Fault {
					if op == "challenge" {
						once.Do(func() {
							w.net.AddKey(newKey.Name, newKey.Algorithm, newKey.Secret)
							zone.Allow(dnstest.Allow{Keys: []string{newKey.Name}})
						})
					}
					return nil
				}
			})
			r := d.want(3, "apply", "-auto-approve", "-cleanup-timeout=2s")
			values := w.net.TXT("_acme-challenge.owed.test")
			left := slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == foreignTXT })
			if len(values) != 2 || len(left) != 1 {
				t.Fatalf("%q is in DNS: %s", values, r)
			}
			r.says(t, left[0], "may still be in DNS", "the next apply removes them")
			leafIn(t, d.path("tls"))
			d.drift(left[0])

			w.ns.TSIG = newKey
			d.write("tsig.key", newKey.Secret+"\n")
			d.config(w.issuer("ca"), c.dns(t, w, d), w.zoneBlocks(), site("owed.test"))
			d.drift(left[0])
			d.want(0, "doctor").says(t, "our TXT value at _acme-challenge.owed.test is in use or will be removed by the next apply or run",
				"a TXT value at _acme-challenge.owed.test is not ours and is left alone: \""+foreignTXT+"\"")
			if c.run {
				daemon := d.start("run", "-interval=1s")
				until(t, 30*time.Second, "the value is gone", func() error {
					if now := w.net.TXT("_acme-challenge.owed.test"); slices.Contains(now, left[0]) {
						return fmt.Errorf("there are %q", now)
					}
					return nil
				})
				daemon.term()
			} else {
				d.apply()
			}
			d.atRest()
			if after := zone.Records(); !slices.Equal(after, before) {
				t.Errorf("the zone held %q and holds %q", before, after)
			}
			if n := w.ordersMade(); n != 1 {
				t.Errorf("%d orders", n)
			}
		})
	}
}

// A dns block that cannot be opened costs no order and owes no value, in a
// daemon as in apply; the other certificates go on.
func TestAKeyThatIsNone(t *testing.T) {
	t.Parallel()
	w := newTown(t, "good.test", "bad.test")
	d := newDesk(t)
	w.config(d)
	d.write("bad.key", "this is no key\n")
	d.config(w.issuer("ca"), w.dns("good", "good.test"), strings.Replace(w.dns("bad", "bad.test"), "tsig.key", "bad.key", 1), w.zoneBlocks(), site("good.test"),
		"sink \"file\" \"bad\" {\n  directory = \"bad\"\n}\ncertificate \"bad\" {\n  names = [\"bad.test\"]\n  sinks = [sink.file.bad]\n}\n")
	d.want(1, "apply", "-auto-approve").says(t, "a TSIG key is base64")
	if n := w.ordersMade(); n != 0 {
		t.Errorf("apply made %d orders", n)
	}
	daemon := d.start("run", "-interval=1s")
	until(t, 30*time.Second, "one is done and the other refused", func() error {
		if out := daemon.out.String() + daemon.err.String(); !strings.Contains(out, "a TSIG key is base64") {
			return errors.New("nothing is said of the key")
		}
		_, _, err := pairIn(d.path("tls"))
		return err
	})
	r := daemon.term()
	for _, words := range []string{"left in DNS", "still be in DNS"} {
		if strings.Contains(r.out+r.err, words) {
			t.Errorf("nothing was written, and it says %q: %s", words, r)
		}
	}
	if n := w.ordersFor("bad.test"); n != 0 {
		t.Errorf("run made %d orders that nobody could prove", n)
	}
	d.write("bad.key", w.ns.TSIG.Secret+"\n")
	d.apply()
	d.atRest()
	w.clean()
	if n := w.ordersMade(); n != 2 {
		t.Errorf("%d orders for two certificates", n)
	}
}

// A doctor that is killed while its canary lives: plan and doctor name the
// value, and apply, run or the next canary removes it, and nothing beside it.
func TestKilledDoctor(t *testing.T) {
	t.Parallel()
	const name = "_acme-challenge.certform-doctor.doc.test"
	for _, by := range []string{"apply", "run", "run -canary", "doctor -write"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "doc.test")
			zone := w.net.Zone("doc.test")
			zone.Add("_acme-challenge.certform-doctor TXT " + foreignTXT)
			before := zone.Records()
			d := newDesk(t)
			d.config(w.config(d), site("doc.test"))
			d.apply()
			zone.Servers()[0].SetLag(time.Hour) // it waits to see its canary
			p := d.start("doctor", "-write")
			until(t, 20*time.Second, "the canary is in the zone", func() error {
				if now := zone.Records(); len(now) != len(before)+1 {
					return fmt.Errorf("it holds %q", now)
				}
				return nil
			})
			p.kill()
			if r := p.wait(); r.code != -1 {
				t.Fatalf("it was not killed: %s", r)
			}
			zone.Servers()[0].SetLag(0)
			if now := zone.Records(); len(now) != len(before)+1 {
				t.Fatalf("the zone holds %q", now)
			}
			d.drift("a canary of doctor", "certform-doctor-")
			d.want(0, "doctor").says(t, "our TXT value at "+name+" is in use or will be removed by the next apply or run")
			switch by {
			case "apply":
				d.apply()
			case "doctor -write":
				d.want(0, "doctor", "-write")
			default:
				daemon := d.start(append(strings.Fields(by), map[string][]string{"run": {"-interval=1s"}, "run -canary": {"24h"}}[by]...)...)
				until(t, 30*time.Second, "the canary is gone", func() error {
					if now := zone.Records(); !slices.Equal(now, before) {
						return fmt.Errorf("it holds %q", now)
					}
					return nil
				})
				daemon.term()
			}
			d.atRest()
			if after := zone.Records(); !slices.Equal(after, before) {
				t.Errorf("the zone held %q and holds %q", before, after)
			}
		})
	}
}
