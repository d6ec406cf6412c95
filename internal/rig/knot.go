package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// KnotConfig says what a Knot begins with.
type KnotConfig struct {
	Zones []string // served as primary
	// Primary, where set, makes this Knot secondary for all the zones that it
	// has then: by TSIG, NOTIFY and transfer, so with a real delay (BIND's
	// NotifyDelay). The two share one key.
	Primary *BINDServer
	// Ahead is how far its clock is ahead of this machine's (Debian: faketime).
	Ahead time.Duration
}

// KnotServer is a running knotd. Whoever has the TSIG key may change and
// transfer the zones it is primary for.
type KnotServer struct {
	*Process
	Nameserver

	config    KnotConfig
	secondary []string
}

// Knot starts knotd (Debian: knot).
func Knot(t testing.TB, c KnotConfig) *KnotServer {
	t.Helper()
	program := Need(t, "knotd", "knot")
	control := Need(t, "knotc", "knot")
	dir := home(t)
	s := &KnotServer{Nameserver: Nameserver{Addr: Addr(t)}, config: c}
	if c.Primary != nil {
		s.TSIG, s.secondary = c.Primary.TSIG, c.Primary.Zones()
	} else {
		s.TSIG = newTSIG(t)
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "knot.conf")
	s.Process = &Process{Dir: dir, name: "knotd", argv: []string{program, "-c", conf}, ready: s.serves("ready.rig")}
	if c.Ahead != 0 {
		s.argv = append([]string{Need(t, "faketime", "faketime"), "-f", fmt.Sprintf("%+ds", int(c.Ahead.Seconds()))}, s.argv...)
		s.skewed = true
	}
	for _, zone := range append([]string{"ready.rig"}, c.Zones...) {
		write(t, s.zonePath(zone), zoneFile(zone, s.Addr))
	}
	s.configure(t)
	// knotd is more patient with its own configuration than knotc is.
	output(t, control, "-c", conf, "conf-check")
	launch(t, s.Process)
	if c.Primary != nil {
		c.Primary.AddSecondary(t, s.Addr)
	}
	for _, zone := range append(s.secondary, c.Zones...) {
		s.await(t, "serves "+zone, s.serves(zone))
	}
	return s
}

// AddZone makes Knot primary for one more zone and returns when it serves it.
func (s *KnotServer) AddZone(t testing.TB, zone string) {
	t.Helper()
	write(t, s.zonePath(zone), zoneFile(zone, s.Addr))
	s.config.Zones = append(s.config.Zones, zone)
	conf := s.configure(t)
	output(t, Need(t, "knotc", "knot"), "-c", conf, "reload")
	s.await(t, "serves "+zone, s.serves(zone))
}

// configure writes the configuration and returns its path.
func (s *KnotServer) configure(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `server:
  listen: %[1]s
  rundir: %[2]s
  tcp-workers: 1
  udp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
database:
  storage: %[2]s/db
key:
  - id: %[3]s
    algorithm: %[4]s
    secret: %[5]s
acl:
  - id: users
    key: %[3]s
    action: [update, transfer, notify]
template:
  - id: default
    storage: %[2]s
    acl: users
`, strings.Replace(s.Addr, ":", "@", 1), s.Dir, s.TSIG.Name, s.TSIG.algorithm(), s.TSIG.Secret)
	if s.config.Primary != nil {
		fmt.Fprintf(&b, "remote:\n  - id: primary\n    address: %s\n    key: %s\n",
			strings.Replace(s.config.Primary.Addr, ":", "@", 1), s.TSIG.Name)
	}
	b.WriteString("zone:\n")
	for _, zone := range append([]string{"ready.rig"}, s.config.Zones...) {
		fmt.Fprintf(&b, "  - domain: %s\n    file: %s\n", dns.Fqdn(zone), s.zonePath(zone))
	}
	for _, zone := range s.secondary {
		fmt.Fprintf(&b, "  - domain: %s\n    file: %s\n    master: primary\n", dns.Fqdn(zone), s.zonePath(zone))
	}
	conf := filepath.Join(s.Dir, "knot.conf")
	write(t, conf, b.String())
	return conf
}

func (s *KnotServer) zonePath(zone string) string {
	return filepath.Join(s.Dir, strings.TrimSuffix(zone, ".")+".zone")
}
