package rig

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// NSDConfig says whose secondary an NSD is.
type NSDConfig struct {
	// Primary has its zones of that moment transferred by NSD: by TSIG, NOTIFY
	// and transfer, so with a real delay (BIND's NotifyDelay, and then NSD's own:
	// it takes transfers over in batches). The two share one key.
	Primary *BINDServer
}

// NSDServer is a running nsd, secondary for its zones.
type NSDServer struct {
	*Process
	Nameserver
}

// NSD starts nsd (Debian: nsd) and returns when it serves the primary's zones.
func NSD(t testing.TB, c NSDConfig) *NSDServer {
	t.Helper()
	program := Need(t, "nsd", "nsd")
	check := Need(t, "nsd-checkconf", "nsd")
	dir := home(t)
	s := &NSDServer{Nameserver: Nameserver{Addr: Addr(t), TSIG: c.Primary.TSIG}}
	conf := filepath.Join(dir, "nsd.conf")
	s.Process = &Process{Dir: dir, name: "nsd", argv: []string{program, "-d", "-c", conf}}
	host, port, err := net.SplitHostPort(c.Primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	ip-address: %[1]s
	do-ip6: no
	server-count: 1
	username: ""
	chroot: ""
	zonesdir: "%[2]s"
	database: ""
	xfrdfile: "%[2]s/xfrd.state"
	zonelistfile: "%[2]s/zone.list"
	xfrdir: "%[2]s"
	pidfile: "%[2]s/nsd.pid"
	logfile: ""
	log-only-syslog: no
	verbosity: 1
remote-control:
	control-enable: no
key:
	name: "%[3]s"
	algorithm: %[4]s
	secret: "%[5]s"
`, strings.Replace(s.Addr, ":", "@", 1), dir, strings.TrimSuffix(s.TSIG.Name, "."), s.TSIG.algorithm(), s.TSIG.Secret)
	for _, zone := range append([]string{"ready.rig"}, c.Primary.Zones()...) {
		fmt.Fprintf(&b, `zone:
	name: "%[1]s"
	zonefile: "%[2]szone"
	allow-notify: %[3]s %[4]s
	request-xfr: AXFR %[3]s@%[5]s %[4]s
	provide-xfr: 127.0.0.1 %[4]s
`, strings.TrimSuffix(zone, "."), dns.Fqdn(zone), host, strings.TrimSuffix(s.TSIG.Name, "."), port)
	}
	write(t, conf, b.String())
	output(t, check, conf)
	s.ready = s.serves("ready.rig")
	launch(t, s.Process)
	c.Primary.AddSecondary(t, s.Addr)
	for _, zone := range c.Primary.Zones() {
		s.await(t, "serves "+zone, s.serves(zone))
	}
	return s
}
