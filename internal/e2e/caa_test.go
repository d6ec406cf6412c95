package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/certform/certform/internal/rig"
)

// What forbids a certificate is known before it is ordered: by plan, which asks
// no CA, and by apply, which orders the others.
func TestForbidden(t *testing.T) {
	t.Parallel()
	ns := rig.BIND(t, rig.BINDConfig{Zones: []string{"caa.test", "bogus.test"}})
	ns.Add(t, "caa.test",
		`shut.caa.test. 60 IN CAA 0 issue "them.example"`,
		`wild.caa.test. 60 IN CAA 0 issue "ca.test"`, `wild.caa.test. 60 IN CAA 0 issuewild ";"`,
		`alias.caa.test. 60 IN CNAME x.shut.caa.test.`, `x.shut.caa.test. 60 IN CAA 0 issue "alias.example"`,
		`open.caa.test. 60 IN CAA 0 issue "ca.test; validationmethods=dns-01"`,
		`web.caa.test. 60 IN CAA 0 issue "ca.test; validationmethods=http-01"`,
		`crit.caa.test. 60 IN CAA 128 tbs "x"`)
	resolver := rig.Unbound(t, rig.UnboundConfig{
		Zones: map[string]string{"caa.test": ns.Addr, "bogus.test": ns.Addr}, Signed: []string{"bogus.test"}})
	w := townAt(t, ns.Nameserver, "caa.test", "bogus.test")
	d := newDesk(t)
	w.config(d)
	var b strings.Builder
	for _, z := range w.zones {
		fmt.Fprintf(&b, "zone %q {\n  nameservers = [%q]\n  resolvers = [%q]\n}\n", z, ns.Addr, resolver.Addr)
	}
	b.WriteString("sink \"file\" \"web\" {\n  directory = \"tls/${certificate.name}\"\n}\n")
	for name, names := range map[string]string{"open": "open.caa.test", "shut": "*.a.shut.caa.test", "wild": "*.wild.caa.test",
		"alias": "alias.caa.test", "web": "web.caa.test", "crit": "crit.caa.test", "bogus": "www.bogus.test"} {
		fmt.Fprintf(&b, "certificate %q {\n  names = [%q]\n  sinks = [sink.file.web]\n}\n", name, names)
	}
	issuer := strings.Replace(w.issuer("ca"), "}", "  caa_identities = [\"ca.test\"]\n}", 1)
	d.config(issuer, w.dns("ns", w.zones...), b.String())
	said := []string{
		`issuer.acme.ca may not issue for *.a.shut.caa.test: shut.caa.test. CAA 0 issue "them.example" does not name it (ca.test)`,
		`issuer.acme.ca may not issue for *.wild.caa.test: nobody may issue by wild.caa.test. CAA 0 issuewild ";"`,
		`issuer.acme.ca may not issue for alias.caa.test: x.shut.caa.test. CAA 0 issue "alias.example" does not name it`,
		`may not issue for web.caa.test: web.caa.test. CAA 0 issue "ca.test; validationmethods=http-01" allows the methods http-01`,
		`crit.caa.test. CAA 128 tbs "x" is critical`,
		`DNSSEC of zone bogus.test is broken: `,
	}
	plan := d.want(3, "plan", "-detailed-exitcode", "-full")
	for _, s := range said {
		plan.says(t, s)
	}
	plan.says(t, "6 cannot be issued.")
	if n := w.ca.Counts()["directory"]; n != 0 {
		t.Errorf("the plan asked the CA %d times", n)
	}
	apply := d.want(3, "apply", "-auto-approve")
	for _, s := range said {
		apply.says(t, s)
	}
	if n := w.ordersMade(); n != 1 {
		t.Errorf("%d orders, want 1: of the one that may be issued", n)
	}
	d.read("tls/open/fullchain.pem")
	w.clean()

	// Without being told, the CA's names are known from its directory by now.
	d.config(w.issuer("ca"), w.dns("ns", w.zones...), b.String())
	d.want(3, "plan", "-detailed-exitcode", "-full").says(t, said[0])

	ns.Remove(t, "caa.test", `web.caa.test. 60 IN CAA 0 issue "ca.test; validationmethods=http-01"`)
	ns.Add(t, "caa.test", `new.caa.test. 60 IN CAA 0 issue "ca.test; accounturi=https://ca.test/nobody"`)
	d.config(w.issuer("ca"), w.dns("ns", w.zones...), strings.NewReplacer(`["web.caa.test"]`, `["new.caa.test"]`).Replace(b.String()))
	d.want(3, "plan", "-detailed-exitcode", "-full").says(t, "allows only the account https://ca.test/nobody, and ours is "+w.directory[:len("https://127.")])
}
