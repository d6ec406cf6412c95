package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func fingerprint(c byte) cert.Fingerprint { return cert.Fingerprint(bytes.Repeat([]byte{c}, 64)) }

// everything is a plan with every step and every thing that may be said.
func everything() *plan.Plan {
	p := &plan.Plan{FormatVersion: plan.FormatVersion, ID: "c7e2-91b4", AsOf: noon, Quiet: 3, Warnings: []string{"the state is two days old"},
		Later:   plan.Later{Due: 2, Next: noon.Add(48 * time.Hour), Who: "certificate.corp"},
		Summary: plan.Summary{Issue: 1, Renew: 1, Resume: 1, Deliver: 5, Prove: 1, Clean: 1, Forget: 1, Blocked: 1, Errors: 1}}
	name := func(n string) plan.Name {
		return plan.Name{Name: n, Zone: "example.org.", Providers: []string{"dns.route53.aws"}, How: "listed by dns.route53.aws"}
	}
	alias := plan.Name{Name: "xn--bcher-kva.example", Unicode: "bücher.example", Zone: "acme.example.net.", Providers: []string{"dns.a.b", "dns.c.d"},
		Target: "x.acme.example.net.", CNAMEs: []string{"a.example.", "x.acme.example.net."}, How: "zone.internal"}
	many := []plan.Name{name("b2b.example.org"), name("*.b2b.example.org"), alias}
	for i := range 6 {
		many = append(many, name(fmt.Sprintf("n%d.example.org", i)))
	}
	p.Items = []*plan.Item{
		{Address: `certificate.wildcard["partners"]`, Source: "wildcards.hcl:41", Names: many, Issuer: "issuer.acme.letsencrypt", CA: "letsencrypt", KeyType: cert.ECDSAP256, Profile: "tlsserver",
			Steps: []plan.Step{{Kind: plan.Issue, Class: plan.Intent, Why: "new in the configuration"}},
			Places: []plan.PlaceView{
				{ID: "sink.vault.kv", Target: "vault:secret/tls/partners", Now: "nothing", Will: "create", Why: "it is listed and holds nothing yet"},
				{ID: "sink.haproxy.edge/lb1", Target: "haproxy:10.0.0.11:9999:b2b.pem", Wave: 2, Now: "an earlier certificate of ours (sha256 aaaaaaaaaaaa, until 2026-12-02)", Will: "update",
					Why: "the new certificate", Notes: []string{"the change lives in HAProxy's memory until something writes b2b.pem on its machine"}},
				{ID: "sink.pull.apps", Now: "fetches for itself", Will: "keep"},
				{ID: "sink.s3.artifacts", Target: "s3:acme-tls/data", Now: "not read: HeadObject: 403", Will: "unread", Why: "allow s3:GetObject on that prefix to the role"},
			},
			Endpoints: []plan.EndpointView{
				{ID: "10.0.0.11:443/b2b.example.org", Now: "10.0.0.11:443 serves another certificate (sha256 bbbbbbbbbbbb)", Will: "verify",
					Addresses: []plan.Address{{Address: "[2001:db8::1]:443", Unrouted: true}}},
				{ID: "probe.example.org:443", Now: "serves it", Will: "keep"},
			},
			Warnings: []string{"a wildcard CNAME would catch the challenge", "a wildcard CNAME would catch the challenge"}},
		{Address: "certificate.cdn", Names: []plan.Name{name("cdn.example.org")}, Issuer: "issuer.acme.letsencrypt", KeyType: cert.RSA2048,
			Steps: []plan.Step{{Kind: plan.Renew, Class: plan.Time, Urgent: true, Why: "little of its life is left, until 2026-11-24 12:00 UTC", WaitTill: "2026-11-23T13:00:00Z"}},
			Busy:  "pid 4711 on ops1"},
		{Address: "certificate.shop", Names: []plan.Name{{Name: "shop.example.com", Err: "no dns block serves it"}}, Issuer: "issuer.acme.letsencrypt", KeyType: cert.RSA2048,
			Steps:  []plan.Step{{Kind: plan.Resume, Class: plan.Intent, Why: "an order begun 2026-11-23 11:00 UTC is under way (ordered)"}},
			Errors: []string{"name shop.example.com: no dns block serves it\nand a second line"}},
		{Address: "certificate.edge", Steps: []plan.Step{{Kind: plan.Put, Class: plan.Drift, Place: "sink.file.web", PlaceOp: "activate"}, {Kind: plan.Prove, Class: plan.Drift}},
			Places: []plan.PlaceView{
				{ID: "sink.file.web", Now: "the current certificate", Will: "activate", Why: "10.0.0.1:443: serves another certificate"},
				{ID: "sink.file.two", Now: "no certificate: key missing", Will: "repair", Why: "what is there is no certificate: key missing"},
				{ID: "sink.file.three", Now: "a certificate that is not ours", Will: "adopt", Why: "a certificate that is not ours is replaced (adopt)"},
			},
			Endpoints: []plan.EndpointView{{ID: "10.0.0.1:443", Now: "10.0.0.1:443 serves another certificate", Will: "prove"}}},
		{Address: "certificate.theirs", Steps: []plan.Step{{Kind: plan.Blocked, Class: plan.Drift}},
			Places: []plan.PlaceView{{ID: "sink.file.web", Now: "a certificate that is not ours", Will: "blocked", Why: "it holds a certificate that is not ours; say adopt = true in the sink to replace it"}}},
		{Address: "certificate.late", Steps: []plan.Step{{Kind: plan.Put, Class: plan.Intent}},
			Places: []plan.PlaceView{{ID: "sink.file.web", Now: "an earlier certificate of ours", Will: "update", Why: "the new certificate; 2 tries failed, last: disk full"}}},
		{Address: "certificate.tidy", Steps: []plan.Step{{Kind: plan.Clean, Class: plan.Intent, Why: "1 TXT value of an earlier order may still be in DNS"}},
			Owed: []state.Value{{Zone: "example.org.", Name: "_acme-challenge.tidy.example.org.", Type: "TXT", Value: "abc", Why: "403"}}},
		{Address: "certificate.old", Steps: []plan.Step{{Kind: plan.Forget, Class: plan.Intent, Why: "it is no longer in the configuration; what was delivered is kept, nothing is revoked"}}},
	}
	return p
}

func TestPlanView(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("TERM", "xterm")
	for _, c := range []struct {
		name  string
		o     *options
		saved string
		plan  *plan.Plan
	}{
		{"plan.txt", &options{given: given{command: "plan", flags: []string{"-chdir=prod", "-target=site"}}}, "", everything()},
		{"plan.ascii.txt", &options{noColor: true, full: true, given: given{command: "plan", flags: []string{"-chdir=prod", "-target=site"}}}, "my plan", everything()},
		{"plan.none.txt", &options{given: given{command: "plan"}}, "", &plan.Plan{AsOf: noon, Quiet: 1, Later: plan.Later{Due: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			c.o.out = &b
			if err := c.o.showPlan(c.plan, c.saved); err != nil {
				t.Fatal(err)
			}
			if c.o.noColor {
				for i, r := range b.String() {
					if r > 127 && r != 'ü' {
						t.Errorf("%q at %d is not ASCII", r, i)
					}
				}
			}
			golden(t, c.name, b.Bytes())
		})
	}
}

// Certificates fold when only what is their own differs.
func TestFold(t *testing.T) {
	make := func(change func(i int, it *plan.Item)) []*plan.Item {
		var out []*plan.Item
		for i := range few + 2 {
			n := fmt.Sprintf("s%d.example.com", i)
			it := &plan.Item{Address: fmt.Sprintf("certificate.site[%q]", n), Issuer: "i", KeyType: cert.RSA2048, Names: []plan.Name{{Name: n, Providers: []string{"dns.a.b"}}},
				Steps:     []plan.Step{{Kind: plan.Put, Place: "sink.file.web", Why: "sha256 " + string(fingerprint('a' + byte(i%6))[:12]) + ", until 2026-01-0" + fmt.Sprint(i%9)}},
				Places:    []plan.PlaceView{{ID: "sink.file.web", Now: n + " at 10.0.0." + fmt.Sprint(i) + ":443", Will: "update"}},
				Endpoints: []plan.EndpointView{{ID: n + ":443", Now: n + ": [2001:db8::" + fmt.Sprint(i) + "]:443 refused", Will: "verify"}}}
			change(i, it)
			out = append(out, it)
		}
		return out
	}
	odd := func(change func(it *plan.Item)) []*plan.Item {
		return make(func(i int, it *plan.Item) {
			if i == 3 {
				change(it)
			}
		})
	}
	same := make(func(int, *plan.Item) {})
	if got := fold(same, false); len(got) != 1 || len(got[0].more) != few+1 {
		t.Errorf("equal changes are shown %d times", len(got))
	}
	if got := fold(same, true); len(got) != few+2 {
		t.Errorf("-full shows %d", len(got))
	}
	if got := fold(same[:few], false); len(got) != few {
		t.Errorf("a few are shown %d times", len(got))
	}
	for name, items := range map[string][]*plan.Item{
		"issuer":   odd(func(it *plan.Item) { it.Issuer = "other" }),
		"provider": odd(func(it *plan.Item) { it.Names[0].Providers = []string{"dns.c.d"} }),
		"step":     odd(func(it *plan.Item) { it.Steps[0].Kind = plan.Prove }),
		"why":      odd(func(it *plan.Item) { it.Steps[0].Why = "something else" }),
		"place":    odd(func(it *plan.Item) { it.Places[0].Will = "create" }),
		"now":      odd(func(it *plan.Item) { it.Places[0].Now = "nothing" }),
		"endpoint": odd(func(it *plan.Item) { it.Endpoints[0].Now = "serves it" }),
		"warning":  odd(func(it *plan.Item) { it.Warnings = []string{"beware"} }),
		"error":    odd(func(it *plan.Item) { it.Errors = []string{"no"} }),
		"busy":     odd(func(it *plan.Item) { it.Busy = "somebody" }),
	} {
		if got := fold(items, false); len(got) != 2 {
			t.Errorf("with another %s there are %d groups", name, len(got))
		}
	}
}

func TestStatusOf(t *testing.T) {
	live := func(left time.Duration) *state.Bundle {
		return &state.Bundle{Leaf: fingerprint('a'), Seq: 2, NotBefore: noon.Add(left - 90*24*time.Hour), NotAfter: noon.Add(left)}
	}
	day := 24 * time.Hour
	want := plan.Want{Address: "certificate.site", Places: []sinks.Place{{ID: "sink.file.web"}}, Endpoints: []cert.Endpoint{{Address: "h.example.com", Port: 443, ServerName: "h.example.com"}}}
	serves := plan.Seen{Endpoints: map[string]plan.EndpointStatus{"h.example.com:443": {Addresses: []plan.Address{{Address: "192.0.2.1:443", Leaf: fingerprint('a')}}}}}
	record := func(change func(r *state.Record)) *state.Record {
		r := &state.Record{Address: want.Address, Live: live(80 * day), Places: map[string]*state.Place{"sink.file.web": {Leaf: fingerprint('a'), Proven: fingerprint('a')}}}
		change(r)
		return r
	}
	for _, c := range []struct {
		name       string
		rec        *state.Record
		seen       plan.Seen
		configured bool
		rest       bool
		check      func(certStatus) bool
	}{
		{"at rest", record(func(*state.Record) {}), serves, true, true, func(s certStatus) bool { return s.Places[0].Proven && !s.Due && !s.Short }},
		{"nothing yet", nil, serves, true, false, func(s certStatus) bool {
			return s.Live == nil && s.Places[0].Holds == "nothing" && s.Endpoints[0].Why != ""
		}},
		{"due", record(func(r *state.Record) { r.Live = live(25 * day) }), serves, true, true, func(s certStatus) bool { return s.Due && !s.Short }},
		{"short life", record(func(r *state.Record) { r.Live = live(10 * day) }), serves, true, false, func(s certStatus) bool { return s.Short }},
		{"expired", record(func(r *state.Record) { r.Live = live(-day) }), serves, true, false, func(s certStatus) bool { return s.Short }},
		{"under way", record(func(r *state.Record) { r.Work = &state.Work{Phase: state.Ordered} }), serves, true, false, func(s certStatus) bool { return s.Work.Phase == state.Ordered }},
		{"owned", record(func(r *state.Record) { r.Owner = "id" }), serves, true, false, func(s certStatus) bool { return s.Owner == "pid 1 on h" }},
		{"owing", record(func(r *state.Record) { r.Owed = []state.Value{{Name: "x"}} }), serves, true, false, func(s certStatus) bool { return len(s.Owed) == 1 }},
		{"earlier", record(func(r *state.Record) { r.Places["sink.file.web"].Leaf = fingerprint('b') }), serves, true, false, func(s certStatus) bool { return s.Places[0].Holds == "earlier" }},
		{"failed", record(func(r *state.Record) { r.Places["sink.file.web"].Tries = &state.Tries{N: 2} }), serves, true, false, func(s certStatus) bool { return s.Places[0].Tries.N == 2 }},
		{"not served", record(func(*state.Record) {}), plan.Seen{Endpoints: map[string]plan.EndpointStatus{"h.example.com:443": {Err: "no address"}}}, true, false, func(s certStatus) bool { return s.Endpoints[0].Why == "no address" }},
		{"not looked", record(func(*state.Record) {}), plan.Seen{}, true, true, func(s certStatus) bool { return len(s.Endpoints) == 0 }},
		{"unknown", record(func(r *state.Record) { r.Live.Names = []string{"a.example"} }), serves, false, false, func(s certStatus) bool { return s.Names[0] == "a.example" }},
		{"left place", record(func(r *state.Record) { r.Places["sink.file.gone"] = &state.Place{Leaf: fingerprint('a')} }), serves, true, true, func(s certStatus) bool { return len(s.Places) == 2 && !s.Places[1].Wanted }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := statusOf(want, c.configured, c.rec, c.seen, map[string]string{"id": "pid 1 on h"}, noon)
			if got.Rest != c.rest || !c.check(got) {
				t.Errorf("%+v", got)
			}
			var b bytes.Buffer
			o := &options{out: &b, full: true}
			if err := o.showStatus(&statusDoc{AsOf: noon, Exists: true, Certificates: []certStatus{got}}); err != nil || b.Len() == 0 {
				t.Errorf("%v %q", err, b.String())
			}
		})
	}
}

func TestMatches(t *testing.T) {
	const site = `certificate.site["example.com"]`
	for pattern, want := range map[string]bool{
		site: true, `site["example.com"]`: true, "site": true, "certificate.site": true, "sit": false, "sit*": true, "*": true, "*com*": true,
		`site["example.org"]`: false, "certificate.*.x": false, "*site*exa*": true, "**": true, "": false,
	} {
		if got := matches(pattern, site); got != want {
			t.Errorf("%q: got %v", pattern, got)
		}
	}
}

func BenchmarkFold(b *testing.B) {
	var items []*plan.Item
	for i := range 10000 {
		n := fmt.Sprintf("s%d.example.com", i)
		way := plan.Name{Name: n, Zone: "example.com.", Providers: []string{"dns.a.b"}, How: "declared by dns.a.b"}
		items = append(items, &plan.Item{
			Address: fmt.Sprintf("certificate.site[%q]", n), Issuer: "issuer.acme.test", Names: []plan.Name{way, way},
			Steps:  []plan.Step{{Kind: plan.Issue, Class: plan.Intent, Why: "new in the configuration"}, {Kind: plan.Put, Place: "sink.file.web", Why: "it is listed and holds nothing yet", PlaceOp: "create"}},
			Places: []plan.PlaceView{{ID: "sink.file.web", Target: "file:/x/" + n, Now: "nothing", Will: "create", Why: "it is listed and holds nothing yet"}},
		})
	}
	for b.Loop() {
		if got := fold(items, false); len(got) != 1 {
			b.Fatal(len(got))
		}
	}
}
