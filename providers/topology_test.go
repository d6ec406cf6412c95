package providers_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
)

// town is the zones of the topologies. Each is served by servers of its own in
// memory, and all of them by one BIND.
var town = []struct {
	zone    string
	records []string
}{
	{"example.com", []string{
		`www A 192.0.2.80`,
		`_acme-challenge.c CNAME c.acme.example.net.`,
		`_acme-challenge.upper CNAME UPPER.Acme.Example.NET.`,
		`_acme-challenge.d CNAME d1`, `d1 CNAME d2.example.net.`,
		`_acme-challenge.ten CNAME t1`, `t1 CNAME t2`, `t2 CNAME t3`, `t3 CNAME t4`, `t4 CNAME t5`, `t5 CNAME t6`, `t6 CNAME t7`, `t7 CNAME t8`, `t8 CNAME t9`, `t9 CNAME t10.example.net.`,
		`_acme-challenge.eleven CNAME t0`, `t0 CNAME t1`,
		`_acme-challenge.self CNAME _acme-challenge.self`,
		`_acme-challenge.l CNAME l1`, `l1 CNAME l2`, `l2 CNAME l1`,
		`_acme-challenge.two CNAME two.example.net.`,
		`_acme-challenge.dangling CNAME nowhere.example.net.`,
		`_acme-challenge.f CNAME f.foreign.org.`,
		`_acme-challenge.unregistered CNAME x.unregistered.org.`,
		`_acme-challenge.apex CNAME example.net.`,
		`_acme-challenge.tochild CNAME x.child.example.com.`,
		`_acme-challenge.towild CNAME x.wild.example.net.`,
		`*.wild CNAME lb.foreign.org.`, `_acme-challenge.x.wild CNAME x.acme.example.net.`,
		`*.text TXT "for everybody"`,
		`_acme-challenge.text2 TXT foreign`,
		`old DNAME acme.example.net.`, `gone DNAME foreign.org.`, `long DNAME ` + strings.Repeat("long.", 45) + `example.net.`,
		`a.b.ent A 192.0.2.80`, `below._acme-challenge.full TXT x`,
		`away NS ns.elsewhere.test.`, `_acme-challenge.nsaway NS ns.elsewhere.test.`,
	}},
	{"sub.example.com", nil},
	{"child.example.com", []string{`_acme-challenge.c CNAME c.acme.example.net.`}},
	{"deep.child.example.com", nil},
	{"_acme-challenge.ns.example.com", nil},
	{"example.net", []string{`two CNAME _acme-challenge.two.example.com.`, `*.wild CNAME lb.foreign.org.`}},
	{"acme.example.net", nil},
	{"notexample.com", []string{`_acme-challenge.c CNAME c.acme.example.net.`}},
	{"foreign.com", []string{`*.www CNAME lb.example.com.`}},
	{"foreign.org", nil},
	{"catchall", []string{`* A 192.0.2.80`}},
	{"mine.catchall", nil},
	{"cname.catchall", []string{`* CNAME park.foreign.org.`}},
	{"xn--bcher-kva.example", []string{`_acme-challenge.c CNAME c.acme.example.net.`}},
	{"corp", nil},
}

// topology is a name, who is there to serve it, and what a plan shows.
type topology struct {
	about string
	name  string
	dns   string // "a=ZONE,ZONE" declares, "b~ZONE,ZONE" lists, "c?" cannot list, "d!" cannot be opened, "e#ZONE" replaces whole sets
	zones []providers.Zone
	known map[string]providers.Learnt
	do    func(n *dnstest.Net) // what is special about the world; such a row is for memory alone
	alone bool                 // it needs what one BIND is not: several servers, or a resolver
	with  []string             // the resolvers; nil: one that works
	want  string
}

const declaring = "a=example.com,sub.example.com b=example.net,acme.example.net"

func block(zone string, change func(*providers.Zone), dns ...string) []providers.Zone {
	z := providers.Zone{Address: "zone.x", Name: zone, DNS: dns}
	if change != nil {
		change(&z)
	}
	return []providers.Zone{z}
}

func fault(zone string, f dnstest.Fault, servers ...int) func(n *dnstest.Net) {
	return func(n *dnstest.Net) {
		for i, s := range n.Zone(zone).Servers() {
			if len(servers) == 0 || slices.Contains(servers, i) {
				s.SetFault(f)
			}
		}
	}
}

func inside(n *dnstest.Net, servers ...*dnstest.Server) {
	n.AddPrivateZone("example.com", append(servers, n.AddServer("inside.test", "10.0.0.1"))...).Add("_acme-challenge.www CNAME in.acme.example.net.")
}

var topologies = []topology{
	{about: "the apex", name: "example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a host", name: "www.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a wildcard shares the name of its base", name: "*.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a deep wildcard", name: "*.a.b.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "the child that is declared is the longest match", name: "www.sub.example.com", dns: declaring,
		want: "zone sub.example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a child that is declared and that DNS does not know", name: "www.ghost.example.com", dns: "a=example.com b=ghost.example.com",
		want: "zone ghost.example.com at dns.m.b (declared by dns.m.b); warning: DNS knows no zone ghost.example.com: to it _acme-challenge.www.ghost.example.com is in zone example.com; until a delegation leads to ghost.example.com nobody sees what is written there"},
	{about: "a delegated child that the provider does not list", name: "www.child.example.com", dns: "a~example.com",
		want: "error: _acme-challenge.www.child.example.com is in zone child.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: example.com)"},
	{about: "a delegated child that the same provider lists", name: "www.child.example.com", dns: "a~example.com,child.example.com",
		want: "zone child.example.com at dns.m.a (listed by dns.m.a)"},
	{about: "a delegated child that another provider lists", name: "www.child.example.com", dns: "a~example.com b~child.example.com",
		want: "zone child.example.com at dns.m.b (listed by dns.m.b)"},
	{about: "a listed child that is not delegated", name: "www.shadow.example.com", dns: "a~example.com,shadow.example.com",
		want: "zone shadow.example.com at dns.m.a (listed by dns.m.a); warning: DNS knows no zone shadow.example.com: to it _acme-challenge.www.shadow.example.com is in zone example.com; until a delegation leads to shadow.example.com nobody sees what is written there"},
	{about: "the child alone is listed", name: "www.child.example.com", dns: "a~child.example.com",
		want: "zone child.example.com at dns.m.a (listed by dns.m.a)"},
	{about: "the child alone is listed and the name is in its parent", name: "www.example.com", dns: "a~child.example.com",
		want: "error: _acme-challenge.www.example.com is in zone example.com, which no dns block serves (served: child.example.com)"},
	{about: "nobody lists it", name: "www.example.com", dns: "a~example.net",
		want: "error: _acme-challenge.www.example.com is in zone example.com, which no dns block serves (served: example.net)"},
	{about: "nobody lists anything", name: "www.example.com", dns: "a~",
		want: "error: _acme-challenge.www.example.com is in zone example.com, which no dns block serves; no zone at all is listed by dns.m.a"},
	{about: "a declared parent of a delegated child", name: "www.child.example.com", dns: declaring,
		want: "error: _acme-challenge.www.child.example.com is in zone child.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a grandchild below a child that is listed", name: "www.deep.child.example.com", dns: "a~example.com,child.example.com",
		want: "error: _acme-challenge.www.deep.child.example.com is in zone deep.child.example.com, which is delegated away from child.example.com (dns.m.a), and no dns block serves it (served: child.example.com, example.com)"},
	{about: "a grandchild that is listed", name: "www.deep.child.example.com", dns: "a~example.com,deep.child.example.com",
		want: "zone deep.child.example.com at dns.m.a (listed by dns.m.a)"},
	{about: "a child at a server that is not there", name: "www.away.example.com", dns: declaring,
		want: "error: _acme-challenge.www.away.example.com is in zone away.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "notexample.com is not in example.com", name: "www.notexample.com", dns: declaring,
		want: "error: _acme-challenge.www.notexample.com is in zone notexample.com, which no dns block serves (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "notexample.com beside example.com", name: "c.notexample.com", dns: "a=example.com b=notexample.com,acme.example.net",
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a CNAME to another provider", name: "c.example.com", dns: declaring,
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a CNAME in capitals", name: "upper.example.com", dns: declaring,
		want: "-> upper.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a CNAME within a delegated child", name: "c.child.example.com", dns: "a~example.com,child.example.com b~acme.example.net",
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (listed by dns.m.b)"},
	{about: "a chain over two providers", name: "d.example.com", dns: declaring,
		want: "-> d1.example.com -> d2.example.net zone example.net at dns.m.b (declared by dns.m.b)"},
	{about: "ten CNAMEs", name: "ten.example.com", dns: declaring,
		want: "-> t1.example.com -> t2.example.com -> t3.example.com -> t4.example.com -> t5.example.com -> t6.example.com -> t7.example.com -> t8.example.com -> t9.example.com -> t10.example.net zone example.net at dns.m.b (declared by dns.m.b)"},
	{about: "eleven CNAMEs", name: "eleven.example.com", dns: declaring,
		want: "error: more than 10 CNAMEs in a row: _acme-challenge.eleven.example.com -> t0.example.com -> t1.example.com -> t2.example.com -> t3.example.com -> t4.example.com -> t5.example.com -> t6.example.com -> t7.example.com -> t8.example.com -> t9.example.com -> t10.example.net"},
	{about: "a CNAME to itself", name: "self.example.com", dns: declaring,
		want: "error: the CNAMEs run in a loop: _acme-challenge.self.example.com -> _acme-challenge.self.example.com"},
	{about: "a loop", name: "l.example.com", dns: declaring,
		want: "error: the CNAMEs run in a loop: _acme-challenge.l.example.com -> l1.example.com -> l2.example.com -> l1.example.com"},
	{about: "a loop over two providers", name: "two.example.com", dns: declaring,
		want: "error: the CNAMEs run in a loop: _acme-challenge.two.example.com -> two.example.net -> _acme-challenge.two.example.com"},
	{about: "a dangling CNAME into a zone of ours is as good as any", name: "dangling.example.com", dns: declaring,
		want: "-> nowhere.example.net zone example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a CNAME to a host that we do not manage", name: "f.example.com", dns: declaring, alone: true,
		want: "error: _acme-challenge.f.example.com -> f.foreign.org: f.foreign.org is in zone foreign.org, which no dns block serves (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a CNAME into a domain that nobody has", name: "unregistered.example.com", dns: declaring, alone: true,
		want: "error: _acme-challenge.unregistered.example.com -> x.unregistered.org: x.unregistered.org is in zone org, which no dns block serves (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a CNAME to the top of a zone", name: "apex.example.com", dns: declaring,
		want: "-> example.net zone example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a CNAME into a child that is delegated away", name: "tochild.example.com", dns: declaring,
		want: "error: _acme-challenge.tochild.example.com -> x.child.example.com: x.child.example.com is in zone child.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a CNAME into a wildcard CNAME", name: "towild.example.com", dns: declaring, alone: true,
		want: "error: _acme-challenge.towild.example.com -> x.wild.example.net -> lb.foreign.org: lb.foreign.org is in zone foreign.org, which no dns block serves (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a DNAME", name: "x.old.example.com", dns: declaring,
		want: "-> _acme-challenge.x.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a DNAME to a host that we do not manage", name: "x.gone.example.com", dns: declaring, alone: true,
		want: "error: _acme-challenge.x.gone.example.com -> _acme-challenge.x.foreign.org: _acme-challenge.x.foreign.org is in zone foreign.org, which no dns block serves (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "a DNAME that makes names too long", name: "a-rather-long-label-here.long.example.com", dns: declaring,
		want: "error: _acme-challenge.a-rather-long-label-here.long.example.com: a DNAME above it makes the name too long for DNS"},
	{about: "a wildcard CNAME over the challenge", name: "w.wild.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: a wildcard CNAME (*.w.wild.example.com or above it, to lb.foreign.org) catches _acme-challenge.w.wild.example.com; it is not followed, since a value written there takes its place (in zone example.com)"},
	{about: "a wildcard CNAME over a challenge further down", name: "a.b.wild.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: a wildcard CNAME (*.a.b.wild.example.com or above it, to lb.foreign.org) catches _acme-challenge.a.b.wild.example.com; it is not followed, since a value written there takes its place (in zone example.com)"},
	{about: "a CNAME beside the wildcard", name: "x.wild.example.com", dns: declaring,
		want: "-> x.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a wildcard CNAME in a zone of somebody else", name: "host.www.foreign.com", dns: declaring, alone: true,
		want: "-> lb.example.com zone example.com at dns.m.a (declared by dns.m.a); warning: _acme-challenge.host.www.foreign.com exists only by a wildcard CNAME to lb.example.com, which is followed; a CNAME or a TXT record of its own there would end that"},
	{about: "a wildcard TXT", name: "x.text.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a foreign TXT value at the name", name: "text2.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "the challenge is delegated by NS to a zone of ours", name: "ns.example.com", dns: "a=example.com,_acme-challenge.ns.example.com",
		want: "zone _acme-challenge.ns.example.com at dns.m.a (declared by dns.m.a)"},
	{about: "the challenge is delegated by NS to a zone that is listed elsewhere", name: "ns.example.com", dns: "a=example.com b~_acme-challenge.ns.example.com",
		want: "zone _acme-challenge.ns.example.com at dns.m.b (listed by dns.m.b)"},
	{about: "the challenge is delegated by NS and nobody serves it", name: "ns.example.com", dns: declaring,
		want: "error: _acme-challenge.ns.example.com is in zone _acme-challenge.ns.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "the challenge is delegated by NS to a server that is not there", name: "nsaway.example.com", dns: declaring,
		want: "error: _acme-challenge.nsaway.example.com is in zone _acme-challenge.nsaway.example.com, which is delegated away from example.com (dns.m.a), and no dns block serves it (served: acme.example.net, example.com, example.net, sub.example.com)"},
	{about: "an empty non-terminal", name: "b.ent.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a challenge that is an empty non-terminal", name: "full.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "a private twin that the zone block's servers show", name: "www.example.com", dns: declaring, zones: block("example.com", func(z *providers.Zone) { z.Nameservers = []string{"10.0.0.1"} }), do: func(n *dnstest.Net) { inside(n) },
		want: "-> in.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a private twin that only the resolver shows", name: "www.example.com", dns: declaring, do: func(n *dnstest.Net) { inside(n, n.AddResolver("192.0.2.54")) }, with: []string{"192.0.2.54:53"},
		want: "-> in.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a private twin in a zone of its own at the same provider", name: "www.corp", dns: "a~example.com b=corp",
		want: "zone corp at dns.m.b (declared by dns.m.b)"},
	{about: "one server is lame", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Lame, 0),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) does not serve it: the CA may ask there too"},
	{about: "all servers are lame", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Lame),
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME _acme-challenge.c.example.com: SERVFAIL; warning: zone example.com: ns1.dns.test (192.0.2.1:53) does not serve it; ns2.dns.test (192.0.2.2:53) does not serve it: the CA may ask there too"},
	{about: "one server is dead", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Dead, 0),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) does not answer: the CA may ask there too"},
	{about: "all servers are dead", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Dead),
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME _acme-challenge.c.example.com: SERVFAIL; warning: zone example.com: ns1.dns.test (192.0.2.1:53) does not answer; ns2.dns.test (192.0.2.2:53) does not answer: the CA may ask there too"},
	{about: "one server fails", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.ServFail, 0),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) answers SERVFAIL: the CA may ask there too"},
	{about: "all servers fail", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.ServFail),
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME _acme-challenge.c.example.com: SERVFAIL; warning: zone example.com: ns1.dns.test (192.0.2.1:53) answers SERVFAIL; ns2.dns.test (192.0.2.2:53) answers SERVFAIL: the CA may ask there too"},
	{about: "one server refuses", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Refused, 0),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) answers REFUSED: the CA may ask there too"},
	{about: "all servers refuse", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Refused),
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME _acme-challenge.c.example.com: SERVFAIL; warning: zone example.com: ns1.dns.test (192.0.2.1:53) answers REFUSED; ns2.dns.test (192.0.2.2:53) answers REFUSED: the CA may ask there too"},
	{about: "one server answers rubbish", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Garbage, 0),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) does not answer: the CA may ask there too"},
	{about: "all answers are truncated", name: "c.example.com", dns: declaring, do: fault("example.com", dnstest.Truncate),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "one server lags", name: "c.example.com", dns: declaring, do: func(n *dnstest.Net) { n.Zone("example.com").Servers()[1].SetLag(1 << 40) },
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a resolver answers in place of the servers", name: "c.example.com", dns: declaring, do: func(n *dnstest.Net) { n.Intercept(n.AddResolver("192.0.2.55")) },
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: zone example.com: ns1.dns.test (192.0.2.1:53) answers as a resolver does, without authority: port 53 is intercepted on the way, or it does not serve the zone; ns2.dns.test (192.0.2.2:53) answers as a resolver does, without authority: port 53 is intercepted on the way, or it does not serve the zone: let this machine reach port 53 of the zone's servers directly, or name servers that it can reach in a zone block (nameservers); warning: zone acme.example.net: ns1.acme.example.net (198.18.1.14:53) answers as a resolver does, without authority: port 53 is intercepted on the way, or it does not serve the zone; ns2.acme.example.net (198.18.1.15:53) answers as a resolver does, without authority: port 53 is intercepted on the way, or it does not serve the zone: let this machine reach port 53 of the zone's servers directly, or name servers that it can reach in a zone block (nameservers)"},
	{about: "a delegation leaves out a server", name: "c.example.com", dns: declaring, do: func(n *dnstest.Net) { n.Delegate("example.com", n.Zone("example.com").Servers()[1]) },
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a delegation to a server that does not serve it", name: "c.example.com", dns: declaring, do: func(n *dnstest.Net) { n.Delegate("example.com", n.AddServer("ns9.dns.test", "192.0.2.9")) },
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME _acme-challenge.c.example.com: SERVFAIL; warning: zone example.com: ns9.dns.test (192.0.2.9:53) answers REFUSED: the CA may ask there too"},
	{about: "the target's servers are dead", name: "c.example.com", dns: declaring, do: fault("acme.example.net", dnstest.Dead),
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.53:53: CNAME c.acme.example.net: SERVFAIL; warning: zone acme.example.net: ns1.acme.example.net (198.18.1.14:53) does not answer; ns2.acme.example.net (198.18.1.15:53) does not answer: the CA may ask there too"},
	{about: "an IDN", name: "c.xn--bcher-kva.example", dns: "a=xn--bcher-kva.example b=acme.example.net",
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "an IDN in a zone that is none", name: "xn--bcher-kva.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "253 octets with the challenge before", name: strings.Repeat("a.", 111) + "bcd.example.com", dns: declaring,
		want: "zone example.com at dns.m.a (declared by dns.m.a)"},
	{about: "254 octets with the challenge before", name: strings.Repeat("a.", 111) + "bcde.example.com", dns: declaring,
		want: "error: a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.bcde.example.com is too long: with _acme-challenge before it no name of DNS"},
	{about: "253 octets", name: strings.Repeat("a.", 120) + "b.example.com", dns: declaring,
		want: "error: a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.b.example.com is too long: with _acme-challenge before it no name of DNS"},
	{about: "a TLD with a wildcard and a domain that nobody has", name: "www.unregistered.catchall", dns: "a~example.com",
		want: "error: _acme-challenge.www.unregistered.catchall is in zone catchall, which no dns block serves (served: example.com)"},
	{about: "a TLD with a wildcard and a domain of ours", name: "www.mine.catchall", dns: "a~mine.catchall",
		want: "zone mine.catchall at dns.m.a (listed by dns.m.a)"},
	{about: "a TLD with a wildcard and a declared zone that DNS does not know", name: "www.ghost.catchall", dns: "a=ghost.catchall", alone: true,
		want: "zone ghost.catchall at dns.m.a (declared by dns.m.a); warning: DNS knows no zone ghost.catchall: to it _acme-challenge.www.ghost.catchall is in zone catchall; until a delegation leads to ghost.catchall nobody sees what is written there"},
	{about: "a suffix with a wildcard CNAME and a domain of ours that it catches", name: "www.ghost.cname.catchall", dns: "a=ghost.cname.catchall", alone: true,
		want: "zone ghost.cname.catchall at dns.m.a (declared by dns.m.a); warning: a wildcard CNAME (*.www.ghost.cname.catchall or above it, to park.foreign.org) catches _acme-challenge.www.ghost.cname.catchall; it is not followed, since a value written there takes its place (in zone ghost.cname.catchall)"},
	{about: "a zone of one label", name: "www.corp", dns: "a=corp",
		want: "zone corp at dns.m.a (declared by dns.m.a)"},
	{about: "no resolver", name: "www.example.com", dns: declaring, with: []string{},
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: this machine has no DNS resolver"},
	{about: "a dead resolver", name: "www.example.com", dns: declaring, do: func(n *dnstest.Net) { n.AddResolver("192.0.2.56").SetFault(dnstest.Dead) }, with: []string{"192.0.2.56:53"},
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.56:53 does not answer"},
	{about: "a dead resolver and one that works", name: "c.example.com", dns: declaring, do: func(n *dnstest.Net) { n.AddResolver("192.0.2.56").SetFault(dnstest.Dead) }, with: []string{"192.0.2.56:53", resolver},
		want: "-> c.acme.example.net zone acme.example.net at dns.m.b (declared by dns.m.b)"},
	{about: "a resolver that fails", name: "www.example.com", dns: declaring, do: func(n *dnstest.Net) { n.AddResolver("192.0.2.56").SetFault(dnstest.ServFail) }, with: []string{"192.0.2.56:53"},
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: whether a CNAME leads elsewhere could not be asked: resolver 192.0.2.56:53: CNAME _acme-challenge.www.example.com: SERVFAIL"},
	{about: "two providers list it", name: "www.example.com", dns: "a~example.com b~example.com",
		want: "error: zone example.com is listed by dns.m.a and by dns.m.b"},
	{about: "two providers declare it", name: "www.example.com", dns: "a=example.com b=example.com",
		want: "error: zone example.com is declared by dns.m.a and by dns.m.b"},
	{about: "declared goes before listed", name: "www.example.com", dns: "a~example.com b=example.com",
		want: "zone example.com at dns.m.b (declared by dns.m.b)"},
	{about: "a zone block with two providers", name: "www.example.com", dns: "a~example.com b~example.com", zones: block("example.com", nil, "dns.m.a", "dns.m.b"),
		want: "zone example.com at dns.m.a, dns.m.b (zone.x)"},
	{about: "a zone block that leaves the provider open", name: "www.example.com", dns: "a~example.com", zones: block("example.com", nil),
		want: "zone example.com at dns.m.a (listed by dns.m.a)"},
	{about: "a zone block whose zone nobody serves", name: "www.corp", dns: "a~example.com", zones: block("corp", nil),
		want: "error: zone.x names no dns, and no dns block declares or lists the zone corp (served: example.com)"},
	{about: "a zone block for the child of a declared zone", name: "www.child.example.com", dns: "a=example.com", zones: block("child.example.com", nil, "dns.m.a"),
		want: "zone child.example.com at dns.m.a (zone.x)"},
	{about: "known from an earlier run", name: "www.example.com", dns: "a! b~example.net", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.a"}},
		want: "zone example.com at dns.m.a (known)"},
	{about: "known from a block that is gone", name: "www.example.com", dns: "b~example.com", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.a"}},
		want: "zone example.com at dns.m.b (listed by dns.m.b)"},
	{about: "known, and declared by another since", name: "www.example.com", dns: "a~example.com b=example.com", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.a"}},
		want: "zone example.com at dns.m.b (declared by dns.m.b)"},
	{about: "a known parent and a delegated child", name: "www.child.example.com", dns: "a~example.com,child.example.com", known: map[string]providers.Learnt{"example.com": {Provider: "dns.m.a"}},
		want: "zone child.example.com at dns.m.a (listed by dns.m.a)"},
	{about: "the only provider that cannot list", name: "www.example.com", dns: "a? b~example.net",
		want: "zone example.com at dns.m.a (the only dns block that may: dns.m.a)"},
	{about: "the only provider that cannot list, and a child", name: "www.child.example.com", dns: "a?",
		want: "zone child.example.com at dns.m.a (the only dns block that may: dns.m.a)"},
	{about: "two providers that cannot list", name: "www.example.com", dns: "a? b?",
		want: "error: zone example.com is perhaps served by dns.m.a and by dns.m.b"},
	{about: "a provider that cannot be asked", name: "www.example.com", dns: "a! b~example.net",
		want: "error: _acme-challenge.www.example.com is in zone example.com, which no dns block serves (served: example.net); not every dns block could be asked: open dns.m.a: secret env:TOKEN: not set; warning: open dns.m.a: secret env:TOKEN: not set"},
	{about: "a provider that cannot be asked and one that lists it", name: "www.example.com", dns: "a! b~example.com",
		want: "zone example.com at dns.m.b (listed by dns.m.b); warning: open dns.m.a: secret env:TOKEN: not set"},
	{about: "a provider that can only replace whole sets", name: "www.example.com", dns: "a#example.com",
		want: "zone example.com at dns.m.a (declared by dns.m.a); warning: dns.m.a can only replace all values at a name of zone example.com; an _acme-challenge name at which somebody else writes TXT values too should be delegated by a CNAME to a zone of its own"},
}

// blocks are the dns blocks of a topology.
func (c topology) blocks(n *dnstest.Net) (out []providers.DNS) {
	for text := range strings.FieldsSeq(c.dns) {
		i := strings.IndexAny(text, "=~?!#")
		label, kind := "dns.m."+text[:i], text[i]
		var zones []string
		if text[i+1:] != "" {
			zones = strings.Split(text[i+1:], ",")
		}
		switch kind {
		case '=', '#':
			d := providertest.Memory(label, text[:i], n.NewHost(dnstest.HostConfig{}), zones...)
			d.Quirks.Replaces = kind == '#'
			out = append(out, d)
		case '~':
			var zs []*dnstest.Zone
			for _, z := range zones {
				zone := n.Zone(z)
				if zone == nil {
					zone = n.AddPrivateZone(z)
				}
				zs = append(zs, zone)
			}
			out = append(out, providertest.Memory(label, text[:i], n.NewHost(dnstest.HostConfig{}, zs...)))
		case '?':
			out = append(out, providers.DNS{Address: label, Spec: providertest.Spec(text[:i], silent{})})
		case '!':
			out = append(out, providers.DNS{Address: label, Spec: unopenable{}})
		}
	}
	return out
}

// shown is what a plan has of a name.
func (c topology) shown(ctx context.Context, n *dnstest.Net, w *world.World) string {
	z := providers.NewZones(w, providers.Options{
		DNS: c.blocks(n), Zones: c.zones,
		Known: func(zone string) (providers.Learnt, bool) { l, ok := c.known[zone]; return l, ok },
	})
	defer z.Close()
	f, err := z.Find(ctx, dnsName(c.name))
	out := ""
	if err != nil {
		out = "error: " + err.Error()
	} else {
		for _, name := range f.CNAMEs {
			out += "-> " + strings.TrimSuffix(name, ".") + " "
		}
		out += fmt.Sprintf("zone %s at %s (%s)", strings.TrimSuffix(f.Zone, "."), strings.Join(f.Providers, ", "), f.How)
	}
	for _, warning := range f.Warnings {
		out += "; warning: " + warning
	}
	return out
}

// Where a challenge is answered, for every shape of DNS that is known to make
// trouble: the zone, the provider and the message that a plan shows.
func TestTopologies(t *testing.T) {
	if len(topologies) < 60 {
		t.Errorf("%d topologies", len(topologies))
	}
	for _, c := range topologies {
		t.Run(c.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := dnstest.New()
				defer n.Close()
				n.AddResolver("192.0.2.53")
				n.AddZone("org")
				second := n.AddServer("ns2.dns.test", "192.0.2.2")
				for _, z := range town {
					var servers []*dnstest.Server
					if z.zone == "example.com" {
						servers = []*dnstest.Server{n.AddServer("ns1.dns.test", "192.0.2.1"), second}
					}
					n.AddZone(z.zone, servers...).Add(z.records...)
				}
				if c.do != nil {
					c.do(n)
				}
				resolvers := c.with
				if resolvers == nil {
					resolvers = []string{resolver}
				}
				got := c.shown(t.Context(), n, providertest.World(n, resolvers...))
				if got != c.want {
					t.Errorf("\n got %q\nwant %q", got, c.want)
				}
			})
		})
	}
}

// BIND says the same of the same zones.
func TestTopologiesAtBIND(t *testing.T) {
	t.Parallel()
	var names []string
	for _, z := range town {
		names = append(names, z.zone)
	}
	bind := rig.BIND(t, rig.BINDConfig{Zones: names})
	for _, z := range town {
		n := dnstest.New()
		zone := n.AddZone(z.zone)
		zone.Add(z.records...)
		if len(z.records) > 0 {
			bind.Add(t, z.zone, zone.Records()...)
		}
		n.Close()
	}
	all := func() *dnstest.Net { // for the lists of the hosts
		n := dnstest.New()
		for _, z := range town {
			n.AddZone(z.zone)
		}
		return n
	}()
	defer all.Close()
	asked := 0
	for _, c := range topologies {
		if c.do != nil || c.alone || c.with != nil {
			continue
		}
		asked++
		t.Run(c.about, func(t *testing.T) {
			d := net.Dialer{}
			w := &world.World{
				Resolvers: func() []string { return []string{bind.Addr} },
				Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if strings.HasSuffix(addr, ":53") { // NS records name no port
						addr = bind.Addr
					}
					return d.DialContext(ctx, network, addr)
				},
			}
			if got := c.shown(t.Context(), all, w); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
		})
	}
	if asked < 30 {
		t.Errorf("BIND was asked for %d topologies", asked)
	}
}

// What is known of a zone is asked once a run, however many names it has: only
// the name's own CNAME is asked for each of them.
func TestZonesAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		recursor := n.AddResolver("192.0.2.53")
		zone := n.AddZone("example.com")
		host := n.NewHost(dnstest.HostConfig{}, zone)
		zones := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{providertest.Memory("dns.m.a", "a", host)}})
		defer zones.Close()
		if _, err := zones.Find(t.Context(), dnsName("first.example.com")); err != nil {
			t.Fatal(err)
		}
		count := func() (at int) {
			for _, s := range append(zone.Servers(), n.Zone(".").Servers()...) {
				at += s.Stats().Queries
			}
			return at
		}
		synctest.Wait() // whether a resolver lives is asked twice, and one answer is enough
		recursed, asked := recursor.Stats().Queries, count()
		const names = 1000
		for i := range names {
			if _, err := zones.Find(t.Context(), dnsName(fmt.Sprintf("h%d.example.com", i))); err != nil {
				t.Fatal(err)
			}
		}
		if more := recursor.Stats().Queries - recursed; more > 0 {
			t.Errorf("the resolver was asked %d times more", more)
		}
		if more := count() - asked; more != names {
			t.Errorf("the servers were asked %d times more for %d names", more, names)
		}
		if calls := host.Stats().Total; calls != 1 {
			t.Errorf("%d calls to the DNS host", calls)
		}
		if l := zones.Learnt()["example.com"]; l.Provider != "dns.m.a" {
			t.Errorf("learnt %+v", l)
		}
	})
}
