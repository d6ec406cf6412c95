package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
)

// The number of kills and the seed of the moments may be said:
// CERTFORM_KILLS=200 CERTFORM_SEED=1 go test -run TestKill ./internal/e2e
const (
	killsName = "CERTFORM_KILLS"
	seedName  = "CERTFORM_SEED"
	lanes     = 4 // configurations that are killed side by side
)

func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// A crash costs nothing: after any number of kill -9 at any moments there is one
// certificate for each that was wanted, at most one more order for each kill,
// nothing left in DNS, no half pair anywhere at any time, no key lost, and no
// reload missing.
func TestKillCostsNothing(t *testing.T) {
	t.Parallel()
	kills := 25
	if os.Getenv(rig.Real) == "1" {
		kills = 200
	}
	kills = number(t, killsName, kills)
	seed := number(t, seedName, int(time.Now().UnixNano()%1_000_000))
	t.Logf("%d kills, %s=%d", kills, seedName, seed)

	var zones []string
	for i := range lanes {
		zones = append(zones, fmt.Sprintf("kill%d.test", i))
	}
	bind := rig.BIND(t, rig.BINDConfig{Zones: zones})
	w := townAt(t, bind.Nameserver, zones...)
	// Slow enough for kills to land between any two steps.
	w.ca.Configure(func(c *acmetest.Config) { c.Latency = 15 * time.Millisecond })
	t.Run("lanes", func(t *testing.T) {
		for i, zone := range zones {
			n := kills / lanes
			if i < kills%lanes {
				n++
			}
			t.Run(zone, func(t *testing.T) {
				t.Parallel()
				l := newLane(t, w, zone, rand.New(rand.NewPCG(uint64(seed), uint64(i))))
				l.kill(n)
				l.check()
			})
		}
	})
}

// lane is one configuration with its state that is killed again and again.
type lane struct {
	*desk
	w      *town
	zone   string
	rand   *rand.Rand
	before []string       // what the zone held
	wishes []*wish        // what is wanted now
	past   map[string]int // names of wishes that were replaced -> how many certificates they may have at most
	whole  map[string]int // of those that were fulfilled -> how many they must have
	kills  map[string]int // names -> kills while they were wanted
	killed int
}

// wish is one set of names, for one certificate or, by RSA and ECDSA, two.
type wish struct {
	label   string
	gen     int
	names   func(gen int) []string
	keys    []string // key types: one certificate each
	sinks   string
	targets []string // the places of each, below the folder; %s is the certificate's name
}

func (h *wish) set() []string { return h.names(h.gen) }

// certificates are the names of its blocks.
func (h *wish) certificates() []string {
	var out []string
	for i := range h.keys {
		name := h.label
		if i > 0 {
			name += "_" + strconv.Itoa(i)
		}
		out = append(out, name)
	}
	return out
}

func newLane(t testing.TB, w *town, zone string, r *rand.Rand) *lane {
	l := &lane{desk: newDesk(t), w: w, zone: zone, rand: r, before: w.zone(zone),
		past: map[string]int{}, whole: map[string]int{}, kills: map[string]int{}}
	host := func(label string) func(int) []string {
		return func(gen int) []string {
			return []string{label + "." + zone, fmt.Sprintf("g%d.%s.%s", gen, label, zone)}
		}
	}
	l.wishes = []*wish{
		{label: "site", keys: []string{"ecdsa-p256", "rsa2048"}, sinks: "[sink.file.web, sink.file.one]", targets: []string{"tls/%s", "one/%s.pem"},
			names: func(gen int) []string { return []string{zone, "*." + zone, fmt.Sprintf("g%d.at.%s", gen, zone)} }},
		{label: "www", keys: []string{"ecdsa-p256"}, sinks: "[sink.file.web]", targets: []string{"tls/%s"}, names: host("www")},
		{label: "api", keys: []string{"ecdsa-p384"}, sinks: "[sink.file.web, sink.file.one]", targets: []string{"tls/%s", "one/%s.pem"}, names: host("api")},
		{label: "mail", keys: []string{"ecdsa-p256"}, sinks: "[sink.file.one]", targets: []string{"one/%s.pem"}, names: host("mail")},
		{label: "deep", keys: []string{"ecdsa-p256"}, sinks: "[sink.file.web]", targets: []string{"tls/%s"},
			names: func(gen int) []string { return []string{fmt.Sprintf("*.g%d.deep.%s", gen, zone)} }},
	}
	for _, dir := range []string{"loaded", "one"} {
		if err := os.Mkdir(l.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l.configure()
	return l
}

func (l *lane) configure() {
	l.t.Helper()
	var b strings.Builder
	l.write("ca.pem", string(l.w.ca.RootPEM()))
	l.write("tsig.key", l.w.ns.TSIG.Secret+"\n")
	b.WriteString(l.w.issuer("ca") + l.w.dns("ns", l.zone) + zoneBlock(l.zone, l.w.ns.Addr))
	for _, s := range []struct{ label, arg, path string }{{"web", "directory", "tls/${certificate.name}"}, {"one", "combined", "one/${certificate.name}.pem"}} {
		loaded := l.path("loaded", s.label+"-${certificate.name}")
		fmt.Fprintf(&b, "sink \"file\" %q {\n  %s = %q\n  test = %s\n  reload = %s\n}\n", s.label, s.arg, s.path,
			argv(self, servicesName, "check", l.path(s.path)), argv(self, servicesName, "load", l.path(s.path), loaded))
	}
	for _, h := range l.wishes {
		for i, name := range h.certificates() {
			fmt.Fprintf(&b, "certificate %q {\n  names = %s\n  key_type = %q\n  sinks = %s\n}\n", name, argv(h.set()...), h.keys[i], h.sinks)
		}
	}
	l.config(b.String())
}

// paths are all that is served.
func (l *lane) paths() []string {
	var out []string
	for _, h := range l.wishes {
		for _, name := range h.certificates() {
			for _, target := range h.targets {
				out = append(out, l.path(fmt.Sprintf(target, name)))
			}
		}
	}
	return out
}

// wantMore changes what is wanted: all of it, or one.
func (l *lane) wantMore(fulfilled bool, which ...*wish) {
	l.t.Helper()
	for _, h := range which {
		set := strings.Join(sorted(h.set()), " ")
		if fulfilled {
			l.whole[set] = len(h.keys)
		} else {
			l.past[set] = len(h.keys)
		}
		h.gen++
	}
	l.configure()
}

// kill runs apply again and again, from whatever state the last one left, until
// n of them were killed at a random moment of an undisturbed run.
func (l *lane) kill(n int) {
	l.t.Helper()
	watch := newWatch(l)
	defer watch.stop()
	whole := l.apply().took
	l.wantMore(true, l.wishes...)
	rested := true
	for l.killed < n {
		p := l.start("apply", "-auto-approve", "-no-color")
		at := time.NewTimer(time.Duration(l.rand.Int64N(int64(whole))))
		group := l.rand.IntN(2) == 0
		select {
		case <-at.C:
			if group {
				p.kill() // what it started too, as when the power goes
			} else {
				_ = p.cmd.Process.Signal(syscall.SIGKILL)
			}
		case <-p.ended:
		}
		at.Stop()
		switch r := p.wait(); r.code {
		case 0:
			if rested {
				whole = r.took
			}
			l.wantMore(true, l.wishes...)
			rested = true
		case -1:
			l.killed++
			rested = false
			for _, h := range l.wishes {
				l.kills[strings.Join(sorted(h.set()), " ")]++
			}
			if l.rand.IntN(6) == 0 {
				// People change their minds in the middle, too.
				l.wantMore(false, l.wishes[l.rand.IntN(len(l.wishes))])
			}
		default:
			l.t.Fatalf("after %d kills: %s", l.killed, r)
		}
		if l.t.Failed() {
			return
		}
	}
	l.apply()
	for _, h := range l.wishes {
		l.whole[strings.Join(sorted(h.set()), " ")] = len(h.keys)
	}
}

// check is what must be true at the end.
func (l *lane) check() {
	l.t.Helper()
	l.atRest()
	if after := l.w.zone(l.zone); !slices.Equal(after, l.before) {
		l.t.Errorf("the zone held\n%s\nand holds\n%s", strings.Join(l.before, "\n"), strings.Join(after, "\n"))
	}
	for set, n := range l.whole {
		names := strings.Fields(set)
		if got := l.w.issuedFor(names...); got != n {
			l.t.Errorf("%s: %d certificates were issued, %d wanted", set, got, n)
		}
		if got := l.w.ordersFor(names...); got > n+l.kills[set] {
			l.t.Errorf("%s: %d orders for %d wanted and %d kills", set, got, n, l.kills[set])
		}
	}
	for set, n := range l.past {
		names := strings.Fields(set)
		if got := l.w.issuedFor(names...); got > n {
			l.t.Errorf("%s, wanted for a while: %d certificates were issued, at most %d wanted", set, got, n)
		}
		if got := l.w.ordersFor(names...); got > n+l.kills[set] {
			l.t.Errorf("%s, wanted for a while: %d orders for %d wanted and %d kills", set, got, n, l.kills[set])
		}
	}
	// What the service uses is what lies there.
	for _, h := range l.wishes {
		for _, name := range h.certificates() {
			for _, target := range h.targets {
				live := leafIn(l.t, l.path(fmt.Sprintf(target, name)))
				if !slices.Equal(live.DNSNames, sorted(h.set())) && !slices.Equal(sorted(live.DNSNames), sorted(h.set())) {
					l.t.Errorf("%s of %s is for %q, want %q", target, name, live.DNSNames, h.set())
				}
				label, _, _ := strings.Cut(target, "/")
				loaded := leafOf(l.t, l.path("loaded", map[string]string{"tls": "web-", "one": "one-"}[label]+name))
				if !loaded.Equal(live) {
					l.t.Errorf("%s of %s was never reloaded: serial %x is used and %x lies there", target, name, loaded.SerialNumber, live.SerialNumber)
				}
			}
		}
	}
	// Every key is kept: what was delivered can be delivered again.
	orders := l.w.ordersMadeIn(l.zone)
	for _, dir := range []string{"tls", "one"} {
		if err := os.RemoveAll(l.path(dir)); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := os.Mkdir(l.path("one"), 0o755); err != nil {
		l.t.Fatal(err)
	}
	l.apply()
	for _, path := range l.paths() {
		leafIn(l.t, path)
	}
	if now := l.w.ordersMadeIn(l.zone); now != orders {
		l.t.Errorf("%d orders were made to deliver again what was issued", now-orders)
	}
}

// ordersMadeIn is how many orders the CA made for names of a zone.
func (w *town) ordersMadeIn(zone string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for names, urls := range w.orders {
		if first, _, _ := strings.Cut(names, " "); first == zone || strings.HasSuffix(first, "."+zone) {
			n += len(urls)
		}
	}
	return n
}

// watch reads everything that is served, all the time, as a service might.
type watch struct {
	l     *lane
	paths []string
	end   chan struct{}
	done  sync.WaitGroup
	last  map[string]string
	seen  int
}

func newWatch(l *lane) *watch {
	w := &watch{l: l, end: make(chan struct{}), last: map[string]string{}, paths: l.paths()}
	w.done.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-w.end:
				return
			case <-tick.C:
				w.look()
			}
		}
	})
	return w
}

func (w *watch) stop() {
	close(w.end)
	w.done.Wait()
	w.l.t.Logf("%s: %d kills, %d new pairs were seen by a reader", w.l.zone, w.l.killed, w.seen)
}

func (w *watch) look() {
	for _, path := range w.paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		if info, err := os.Stat(real); err != nil || stamp(info) == w.last[path] {
			continue
		} else {
			w.last[path] = stamp(info)
		}
		_, _, err = pairIn(real)
		if errors.Is(err, fs.ErrNotExist) {
			if _, gone := os.Stat(real); errors.Is(gone, fs.ErrNotExist) {
				continue // two switches went by while it was read
			}
		}
		if err != nil {
			w.l.t.Errorf("a reader of %s saw: %v", path, err)
		}
		w.seen++
	}
}

// stamp tells one state of a file or directory from another.
func stamp(info fs.FileInfo) string {
	inode := uint64(0)
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprint(info.Name(), inode, info.ModTime().UnixNano(), info.Size())
}

// The first apply makes the state, the identity and the account: killed while it
// does, the next one goes on, however often.
func TestKillOnTheFirstDay(t *testing.T) {
	t.Parallel()
	folders := 12
	if os.Getenv(rig.Real) == "1" {
		folders = 40
	}
	seed := number(t, seedName, int(time.Now().UnixNano()%1_000_000))
	t.Logf("%s=%d", seedName, seed)
	random := rand.New(rand.NewPCG(uint64(seed), 99))
	w := newTown(t, "day.test")
	w.ca.Configure(func(c *acmetest.Config) { c.Latency = 10 * time.Millisecond })
	before := w.zone("day.test")
	var whole time.Duration
	for i := range folders {
		d := newDesk(t)
		names := []string{fmt.Sprintf("h%d.day.test", i), fmt.Sprintf("*.h%d.day.test", i)}
		d.config(w.config(d), fmt.Sprintf(`sink "file" "web" {
  directory = "tls"
}
certificate "site" {
  names = %s
  sinks = [sink.file.web]
}
`, argv(names...)))
		kills := 0
		for range 3 {
			if whole == 0 {
				break
			}
			p := d.start("apply", "-auto-approve")
			// Squared: what happens only once happens early.
			share := random.Float64()
			at := time.NewTimer(time.Duration(share * share * float64(whole)))
			select {
			case <-at.C:
				p.kill()
			case <-p.ended:
			}
			at.Stop()
			switch r := p.wait(); r.code {
			case 0:
			case -1:
				kills++
			default:
				t.Fatalf("after %d kills: %s", kills, r)
			}
		}
		r := d.apply()
		if whole == 0 {
			whole = r.took
		}
		d.atRest()
		leafIn(t, d.path("tls"))
		if n := w.issuedFor(names...); n != 1 {
			t.Errorf("%d certificates after %d kills, want 1", n, kills)
		}
		if n := w.ordersFor(names...); n > 1+kills {
			t.Errorf("%d orders after %d kills", n, kills)
		}
	}
	if after := w.zone("day.test"); !slices.Equal(after, before) {
		t.Errorf("the zone held\n%s\nand holds\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}
