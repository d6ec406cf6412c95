package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// BINDConfig says what a BIND begins with.
type BINDConfig struct {
	Zones       []string // served as primary; each has a SOA, an NS and that server's address
	NotifyDelay int      // seconds from a change to the NOTIFY of the secondaries; 0 is BIND's own 5
	IPv6        bool     // it listens at ::1 too, at the same port
}

// BINDServer is a running named, primary for its zones. Whoever has the TSIG key
// may change and transfer them.
type BINDServer struct {
	*Process
	Nameserver

	config      BINDConfig
	secondaries []string // addresses that get a NOTIFY
}

// BIND starts named (Debian: bind9).
func BIND(t testing.TB, c BINDConfig) *BINDServer {
	t.Helper()
	program := Need(t, "named", "bind9")
	dir := home(t)
	s := &BINDServer{
		Nameserver: Nameserver{Addr: Addr(t), TSIG: newTSIG(t)},
		config:     c,
	}
	conf := filepath.Join(dir, "named.conf")
	argv := []string{program, "-g", "-n", "1", "-c", conf}
	if !c.IPv6 {
		argv = append(argv, "-4")
	}
	s.Process = &Process{Dir: dir, name: "named", argv: argv}
	s.ready = s.serves("ready.rig")
	write(t, s.zonePath("ready.rig"), zoneFile("ready.rig", s.Addr))
	for _, zone := range c.Zones {
		write(t, s.zonePath(zone), zoneFile(zone, s.Addr))
	}
	s.configure(t)
	launch(t, s.Process)
	return s
}

// AddZone makes BIND primary for one more zone and returns when it serves it.
func (s *BINDServer) AddZone(t testing.TB, zone string) {
	t.Helper()
	write(t, s.zonePath(zone), zoneFile(zone, s.Addr))
	s.config.Zones = append(s.config.Zones, zone)
	s.reload(t)
	s.await(t, "serves "+zone, s.serves(zone))
}

// AddSecondary makes BIND notify one more server of every change, after the
// NotifyDelay, with the TSIG key. Knot calls it for a BIND it is secondary of.
func (s *BINDServer) AddSecondary(t testing.TB, addr string) {
	t.Helper()
	s.secondaries = append(s.secondaries, addr)
	s.reload(t)
}

// Zones are the zones it is primary for.
func (s *BINDServer) Zones() []string { return append([]string{}, s.config.Zones...) }

func (s *BINDServer) reload(t testing.TB) {
	t.Helper()
	s.configure(t)
	const done = "reloading configuration succeeded"
	before := strings.Count(s.Log(t), done)
	s.Signal(t, syscall.SIGHUP)
	s.await(t, "reloads", func(context.Context) error {
		if strings.Count(s.Log(t), done) == before {
			return errors.New("nothing in its log")
		}
		return nil
	})
}

func (s *BINDServer) configure(t testing.TB) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `key "%s" { algorithm %s; secret "%s"; };
controls { };
options {
	directory "%s";
	pid-file "named.pid";
	session-keyfile "session.key";
	listen-on port %[5]s { 127.0.0.1; };
	listen-on-v6 port %[5]s { %[6]s; };
	recursion no;
	empty-zones-enable no;
	dnssec-validation no;
	check-names primary ignore;
	allow-transfer { key "%[1]s"; };
	notify explicit;
`, s.TSIG.Name, s.TSIG.algorithm(), s.TSIG.Secret, s.Dir, portOf(s.Addr), map[bool]string{true: "::1", false: "none"}[s.config.IPv6])
	if s.config.NotifyDelay > 0 {
		fmt.Fprintf(&b, "\tnotify-delay %d;\n", s.config.NotifyDelay)
	}
	if len(s.secondaries) > 0 {
		b.WriteString("\talso-notify {")
		for _, addr := range s.secondaries {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %s port %s key \"%s\";", host, port, s.TSIG.Name)
		}
		b.WriteString(" };\n")
	}
	b.WriteString("};\n")
	// One zone is not the test's: it shows that the server is up.
	for _, zone := range append([]string{"ready.rig"}, s.config.Zones...) {
		fmt.Fprintf(&b, "zone \"%s\" { type primary; file \"%s\"; allow-update { key \"%s\"; }; };\n",
			dns.Fqdn(zone), s.zonePath(zone), s.TSIG.Name)
	}
	write(t, filepath.Join(s.Dir, "named.conf"), b.String())
}

func (s *BINDServer) zonePath(zone string) string {
	return filepath.Join(s.Dir, strings.TrimSuffix(zone, ".")+".zone")
}
