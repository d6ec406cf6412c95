package rig

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// UnboundConfig says whom a resolver asks and what it expects to be signed.
type UnboundConfig struct {
	Zones  map[string]string // zone -> host:port of its server
	Signed []string          // zones of which it has a trust anchor that no key of theirs fits: their DNSSEC is broken
}

// UnboundServer is a running validating resolver.
type UnboundServer struct {
	*Process
	Addr string
}

// Unbound starts unbound (Debian: unbound). What is in none of its zones it
// answers with SERVFAIL: there is no world beyond the rig.
func Unbound(t testing.TB, c UnboundConfig) *UnboundServer {
	t.Helper()
	program := Need(t, "unbound", "unbound")
	dir := home(t)
	s := &UnboundServer{Addr: Addr(t)}
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	directory: "%[1]s"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	interface: 127.0.0.1@%[2]s
	num-threads: 1
	do-ip6: no
	do-not-query-localhost: no
	module-config: "validator iterator"
	ede: yes
	local-zone: "ready.rig." static
	local-data: "ready.rig. SOA ns.ready.rig. nobody.ready.rig. 1 1 1 1 1"
`, dir, portOf(s.Addr))
	for _, zone := range slices.Sorted(maps.Keys(c.Zones)) {
		// Names such as test. are answered by unbound itself otherwise.
		fmt.Fprintf(&b, "\tlocal-zone: %q nodefault\n", dns.Fqdn(zone[strings.LastIndex(strings.TrimSuffix(zone, "."), ".")+1:]))
	}
	for _, zone := range c.Signed {
		fmt.Fprintf(&b, "\ttrust-anchor: \"%s DS 12345 13 2 %s\"\n", dns.Fqdn(zone), strings.Repeat("AB", 32))
	}
	b.WriteString("remote-control:\n\tcontrol-enable: no\n")
	for _, zone := range slices.Sorted(maps.Keys(c.Zones)) {
		fmt.Fprintf(&b, "stub-zone:\n\tname: %q\n\tstub-addr: %s\n", dns.Fqdn(zone), strings.Replace(c.Zones[zone], ":", "@", 1))
	}
	// The root is nobody who answers, and says so at once.
	fmt.Fprintf(&b, "forward-zone:\n\tname: \".\"\n\tforward-addr: 127.0.0.1@1\n")
	conf := filepath.Join(dir, "unbound.conf")
	write(t, conf, b.String())
	s.Process = &Process{Dir: dir, name: "unbound", argv: []string{program, "-d", "-d", "-p", "-c", conf}, ready: func(ctx context.Context) error {
		m := new(dns.Msg).SetQuestion("ready.rig.", dns.TypeSOA)
		r, _, err := new(dns.Client).ExchangeContext(ctx, m, s.Addr)
		if err == nil && len(r.Answer) == 0 {
			err = fmt.Errorf("answer %s", dns.RcodeToString[r.Rcode])
		}
		return err
	}}
	launch(t, s.Process)
	return s
}
