package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	day     = 24 * time.Hour
	address = `certificate.site["example.com"]`
	file    = "sink.file.web"
)

// want is a certificate with one place and one endpoint that proves it.
func want(edit ...func(*plan.Want)) plan.Want {
	w := plan.Want{
		Address: address, Name: "site-example.com",
		Names:     []cert.Name{{Kind: cert.DNS, Value: "example.com"}, {Kind: cert.DNS, Value: "*.example.com"}},
		Issuers:   []plan.Issuer{{Address: "issuer.acme.le", Account: "le"}, {Address: "issuer.acme.other", Account: "other"}},
		KeyType:   cert.ECDSAP256,
		Places:    []sinks.Place{{ID: file, Endpoints: []string{endpoint.ID()}}},
		Endpoints: []cert.Endpoint{endpoint},
	}
	for _, e := range edit {
		e(&w)
	}
	return w
}

var endpoint = cert.Endpoint{Address: "www.example.com", Port: 443, ServerName: "www.example.com", Family: "ecdsa"}

var second = cert.Endpoint{Address: "example.com", Port: 443, ServerName: "example.com", Family: "ecdsa"}

func bundle(leaf string, seq int, age, life time.Duration) state.Bundle {
	return state.Bundle{
		Leaf: cert.Fingerprint(leaf), Chain: cert.Fingerprint(leaf + "-chain"), Seq: seq, Names: []string{"*.example.com", "example.com"},
		KeyType: cert.ECDSAP256, Issuer: "issuer.acme.le", Account: "le", NotBefore: now.Add(-age), NotAfter: now.Add(life - age),
	}
}

// good is a record at rest: ten days into ninety, delivered.
func good(edit ...func(*state.Record)) *state.Record {
	b := bundle("live", 2, 10*day, 90*day)
	r := &state.Record{
		Address: address, Live: &b, Past: []state.Bundle{bundle("old", 1, 70*day, 90*day)},
		Places: map[string]*state.Place{file: {Leaf: "live", Seq: 2, Ref: "/etc/tls/site"}},
	}
	for _, e := range edit {
		e(r)
	}
	return r
}

// seen is a world in which everything is as it should be.
func seen(edit ...func(*plan.Seen)) plan.Seen {
	s := plan.Seen{
		Places:    map[string]plan.Place{file: {Exists: true, Held: sinks.Held{Leaf: "live", Chain: "live-chain", NotAfter: now.Add(80 * day)}}},
		Endpoints: map[string]plan.EndpointStatus{endpoint.ID(): {Addresses: []plan.Address{{Address: "192.0.2.1:443", Leaf: "live"}}}},
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func holding(leaf string, edit ...func(*plan.Place)) func(*plan.Seen) {
	return func(s *plan.Seen) {
		p := plan.Place{Exists: true, Held: sinks.Held{Leaf: cert.Fingerprint(leaf), Chain: cert.Fingerprint(leaf + "-chain"), NotAfter: now.Add(20 * day)}}
		for _, e := range edit {
			e(&p)
		}
		s.Places[file] = p
	}
}

func serving(addresses ...plan.Address) func(*plan.Seen) {
	return func(s *plan.Seen) { s.Endpoints[endpoint.ID()] = plan.EndpointStatus{Addresses: addresses} }
}

func adopt(how string) func(*plan.Want) {
	return func(w *plan.Want) { w.Places[0].Adopt = how }
}

func TestDecide(t *testing.T) {
	for _, tt := range []struct {
		name string
		want plan.Want
		have *state.Record
		seen plan.Seen
		// steps as "kind class place-op", in order
		steps []string
		why   string // in the first step's sentence
	}{
		{"at rest nothing is done", want(), good(), seen(), nil, ""},
		{"new: ordered, then created", want(), nil, plan.Seen{}, []string{"issue intent", "deliver intent create"}, "new in the configuration"},
		{"a foreign certificate at a new place is left alone", want(), nil, seen(holding("foreign")), []string{"issue intent", "blocked drift"}, "new"},
		{"with adopt it is replaced", want(adopt("yes")), nil, seen(holding("foreign")), []string{"issue intent", "deliver intent adopt"}, "new"},
		{"names changed: another certificate", want(func(w *plan.Want) { w.Names = w.Names[:1] }), good(), seen(), []string{"issue intent", "deliver intent update"}, "-*.example.com"},
		{"key type changed", want(func(w *plan.Want) { w.KeyType = cert.RSA2048 }), good(), seen(), []string{"issue intent", "deliver intent update"}, "key type"},
		{"profile changed", want(func(w *plan.Want) { w.Profile = "shortlived" }), good(), seen(), []string{"issue intent", "deliver intent update"}, "profile"},
		{"issuer no longer listed", want(func(w *plan.Want) { w.Issuers = w.Issuers[1:] }), good(), seen(), []string{"issue intent", "deliver intent update"}, "issuer has changed"},
		{"a fallback's certificate is kept", want(), good(func(r *state.Record) { r.Live.Account, r.Live.Issuer = "other", "issuer.acme.other" }), seen(), nil, ""},
		{"an issuer block renamed changes nothing", want(func(w *plan.Want) { w.Issuers[0].Address = "issuer.acme.renamed" }), good(), seen(), nil, ""},
		{"due: renewed as upkeep", want(), good(func(r *state.Record) { *r.Live = bundle("live", 2, 61*day, 90*day) }), seen(), []string{"renew upkeep", "deliver intent update"}, "two thirds"},
		{"a ten-day life is renewed at its half", want(), good(func(r *state.Record) { *r.Live = bundle("live", 2, 4*day, 6*day) }), seen(), []string{"renew upkeep", "deliver intent update"}, "half"},
		{"the CA's window decides before two thirds", want(), good(func(r *state.Record) {
			r.Renewal = &state.Renewal{Leaf: "live", Start: now.Add(-2 * day), End: now.Add(-day)}
		}), seen(), []string{"renew upkeep", "deliver intent update"}, "CA's renewal window"},
		{"a window for another leaf counts nothing", want(), good(func(r *state.Record) {
			r.Renewal = &state.Renewal{Leaf: "old", Start: now.Add(-2 * day), End: now.Add(-day)}
		}), seen(), nil, ""},
		{"an order under way is gone on with", want(), good(func(r *state.Record) { r.Work = work() }), seen(), []string{"resume intent", "deliver intent update"}, "under way"},
		{"an order for other names is given up", want(), good(func(r *state.Record) { r.Work = work(); r.Work.Names = []string{"example.com"} }), seen(), []string{"issue intent", "deliver intent update"}, "given up"},

		{"a place that lost it is drift", want(), good(), seen(func(s *plan.Seen) { s.Places[file] = plan.Place{} }), []string{"deliver drift create"}, "gone"},
		{"our previous version put back is drift", want(), good(), seen(holding("old")), []string{"deliver drift update"}, "put back"},
		{"a delivery that failed stays in the plan", want(), good(func(r *state.Record) {
			r.Places[file] = &state.Place{Leaf: "old", Tries: &state.Tries{N: 2, Why: "connection refused", Next: now.Add(time.Hour)}}
		}), seen(holding("old")), []string{"deliver intent update"}, "2 tries failed, last: connection refused"},
		{"garbage is repaired", want(), good(), seen(holding("", func(p *plan.Place) { p.Held = sinks.Held{Broken: "no PEM in it"} })), []string{"deliver drift repair"}, "no certificate"},
		{"something else where nothing of ours ever was is left alone", want(), nil, seen(holding("", func(p *plan.Place) { p.Held = sinks.Held{Broken: "no PEM in it"} })), []string{"issue intent", "blocked drift"}, "new"},
		{"with adopt it goes too", want(adopt("yes")), nil, seen(holding("", func(p *plan.Place) { p.Held = sinks.Held{Broken: "no PEM in it"} })), []string{"issue intent", "deliver intent adopt"}, "new"},
		{"a broken pair is repaired", want(), good(), seen(holding("live", func(p *plan.Place) { p.Held.Broken = "the key does not fit" })), []string{"deliver drift repair"}, "does not fit"},
		{"another chain under the right leaf is repaired", want(), good(), seen(holding("live", func(p *plan.Place) { p.Held.Chain = "x" })), []string{"deliver drift repair"}, "another chain"},
		{"an interrupted delivery is activated again", want(), good(func(r *state.Record) { r.Places[file].Putting = "live" }), seen(), []string{"deliver intent activate"}, "interrupted"},
		{"foreign at our place is left alone", want(), good(), seen(holding("foreign")), []string{"blocked drift"}, "not ours"},
		{"with adopt ours comes back", want(adopt("yes")), good(), seen(holding("foreign")), []string{"deliver intent adopt"}, "adopt"},
		{"what another password opens is left alone at our place, too", want(), good(), seen(holding("", func(p *plan.Place) {
			p.Held = sinks.Held{Strange: true, Rev: "other", Broken: "the password does not open it"}
		})), []string{"blocked drift"}, "not put there by us"},
		{"and repaired where the password is what changed", want(), good(func(r *state.Record) { r.Places[file].Rev = "rev" }), seen(holding("", func(p *plan.Place) {
			p.Held = sinks.Held{Strange: true, Rev: "rev", Broken: "the password does not open it"}
		})), []string{"deliver drift repair"}, "no certificate"},
		{"one that outlives ours needs force", want(adopt("yes")), good(), seen(holding("foreign", func(p *plan.Place) { p.Held.NotAfter = now.Add(300 * day) })), []string{"blocked drift"}, "force"},
		{"and with force it goes", want(adopt("force")), good(), seen(holding("foreign", func(p *plan.Place) { p.Held.NotAfter = now.Add(300 * day) })), []string{"deliver intent adopt"}, "adopt"},
		{"an unread place is no step", want(), good(), seen(holding("", func(p *plan.Place) { *p = plan.Place{Unread: "403"} })), nil, ""},
		{"but what was never delivered there stays in the plan", want(), good(func(r *state.Record) { r.Places[file].Leaf = "old" }), seen(holding("", func(p *plan.Place) { *p = plan.Place{Unread: "403"} })), []string{"deliver intent unread"}, "not been delivered"},
		{"a sink that cannot look goes by the record", want(), good(), seen(holding("", func(p *plan.Place) { *p = plan.Place{Blind: true} })), nil, ""},
		{"and gets what the record says it has not", want(), good(func(r *state.Record) { r.Places[file].Leaf = "old" }), seen(holding("", func(p *plan.Place) { *p = plan.Place{Blind: true} })), []string{"deliver intent update"}, "not been delivered"},

		{"an endpoint that serves the old one activates its place", want(), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), []string{"deliver drift activate"}, "another certificate"},
		{"one lagging address is enough", want(), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "live"}, plan.Address{Address: "192.0.2.2:443", Leaf: "old"})), []string{"deliver drift activate"}, "192.0.2.2"},
		{"an address without a route is not counted", want(), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "live"}, plan.Address{Address: "[2001:db8::1]:443", Unrouted: true, Err: "no route"})), nil, ""},
		{"no address at all is not serving", want(), good(), seen(serving()), []string{"prove drift"}, "no address"},
		{"nobody answers: looked at again, nothing activated", want(), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Err: "connection refused"})), []string{"prove drift"}, "connection refused"},
		{"a chain that does not build is not serving", want(), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "live", Err: "the chain is incomplete"})), []string{"deliver drift activate"}, "incomplete"},
		{"a consumer that pulls is only proven", want(func(w *plan.Want) { w.Places[0].Passive = true }), good(), seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), []string{"prove drift"}, "another certificate"},

		{"two endpoints of one place activate it once", want(func(w *plan.Want) {
			w.Endpoints = append(w.Endpoints, second)
			w.Places[0].Endpoints = append(w.Places[0].Endpoints, second.ID())
		}), good(), seen(func(s *plan.Seen) {
			old := plan.EndpointStatus{Addresses: []plan.Address{{Address: "192.0.2.1:443", Leaf: "old"}}}
			s.Endpoints[endpoint.ID()], s.Endpoints[second.ID()] = old, old
		}), []string{"deliver drift activate"}, "another certificate"},
		{"a lost key orders another certificate", want(), good(func(r *state.Record) { r.Live.KeyLost = true }), seen(), []string{"issue drift", "deliver intent update"}, "key is lost"},
		{"after a rollback other names wait", want(func(w *plan.Want) { w.Names = w.Names[:1] }), good(func(r *state.Record) { r.Wanted = "old"; r.Places[file].Leaf = "old" }), seen(holding("old"), serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), nil, ""},
		{"but not for the end of what is served", want(), good(func(r *state.Record) {
			r.Wanted, r.Past[0] = "old", bundle("old", 1, 80*day, 90*day)
		}), seen(holding("old"), serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), []string{"renew upkeep", "deliver intent update"}, "little of its life"},

		{"owed values are cleaned", want(), good(func(r *state.Record) {
			r.Owed = []state.Value{{Zone: "example.com.", Name: "_acme-challenge.example.com."}}
		}), seen(), []string{"clean intent"}, "1 TXT value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := plan.Decide(tt.want, tt.have, tt.seen, now, false)
			var got []string
			for _, s := range it.Steps {
				got = append(got, strings.TrimSpace(string(s.Kind)+" "+string(s.Class)+" "+s.PlaceOp))
			}
			if strings.Join(got, ", ") != strings.Join(tt.steps, ", ") {
				t.Errorf("steps\n got %v\nwant %v", got, tt.steps)
			}
			if tt.why != "" && (len(it.Steps) == 0 || !strings.Contains(it.Steps[0].Why, tt.why)) {
				t.Errorf("why of the first step: got %+v, want %q in it", it.Steps, tt.why)
			}
		})
	}
}

func work() *state.Work {
	return &state.Work{ID: "w", Phase: state.Ordered, Account: "le", Names: []string{"*.example.com", "example.com"}, KeyType: cert.ECDSAP256, Begun: now.Add(-time.Hour)}
}

func facts(rec *state.Record, s plan.Seen) plan.Facts {
	return plan.Facts{Now: now, Wants: []plan.Want{want()}, Records: map[string]*state.Record{address: rec}, Seen: map[string]plan.Seen{address: s}, Lineage: "l", ConfigDigest: "c"}
}

func due() *state.Record {
	return good(func(r *state.Record) { *r.Live = bundle("live", 2, 61*day, 90*day) })
}

func TestMakeLeavesUpkeepToUpkeep(t *testing.T) {
	p := plan.Make(facts(due(), seen()))
	if p.Changes() || p.Later.Due != 1 {
		t.Errorf("a due renewal is in the plan of a pull request: %+v", p)
	}
	f := facts(due(), seen(holding("old")))
	p = plan.Make(f)
	if p.Summary.Deliver != 1 || p.Summary.Renew != 0 {
		t.Errorf("drift beside a due renewal: %+v", p.Summary)
	}
	f.Upkeep = plan.Include
	if p = plan.Make(f); p.Summary.Renew != 1 {
		t.Errorf("-upkeep=include: %+v", p.Summary)
	}
	f = facts(nil, plan.Seen{})
	f.Upkeep = plan.Only
	if p = plan.Make(f); p.Changes() {
		t.Errorf("-upkeep=only issued a certificate that no apply has seen: %+v", p.Summary)
	}
	f = facts(good(func(r *state.Record) { *r.Live = bundle("live", 2, 75*day, 90*day) }), seen())
	if p = plan.Make(f); p.Summary.Renew != 1 || len(p.Items[0].Warnings) == 0 {
		t.Errorf("little life left: any apply renews, with a warning: %+v", p.Summary)
	}
}

// What is to be said of a zone is said once, not for each of the names in it.
func TestAZoneIsWarnedOfOnce(t *testing.T) {
	s := seen()
	s.Names = map[string]plan.Name{}
	for _, n := range want().Names {
		s.Names[n.Value] = plan.Name{Name: n.Value, Zone: "example.com.", Warnings: []string{"dns.a.b can only replace all values at a name of zone example.com"}}
	}
	if it := plan.Decide(want(), nil, s, now, false); len(want().Names) < 2 || len(it.Warnings) != 1 {
		t.Errorf("%d names, warnings %q", len(want().Names), it.Warnings)
	}
}

func TestShortLivesAreNotUrgentFromTheFirst(t *testing.T) {
	b := bundle("live", 1, time.Minute, 24*time.Hour)
	if !plan.Deadline(&b).After(now) {
		t.Error("a certificate of 24 hours is past its deadline a minute after it was issued")
	}
	b = bundle("live", 1, 50*time.Hour, 72*time.Hour)
	if plan.Deadline(&b).After(now) {
		t.Error("22 hours left of three days are not urgent")
	}
}

// TestUnservedIsNoRest: a place that could not be looked at is no change, but an
// endpoint that was seen to serve something else is not as described.
func TestUnservedIsNoRest(t *testing.T) {
	unread := holding("", func(p *plan.Place) { *p = plan.Place{Unread: "403"} })
	for _, tt := range []struct {
		name             string
		seen             plan.Seen
		unread, unserved int
	}{
		{"it serves", seen(unread), 1, 0},
		{"it serves another", seen(unread, serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), 1, 1},
		{"it does not answer", seen(unread, serving(plan.Address{Address: "192.0.2.1:443", Err: "refused", NoAnswer: true})), 1, 1},
		{"all is read, and repaired", seen(serving(plan.Address{Address: "192.0.2.1:443", Leaf: "old"})), 0, 0},
	} {
		p := plan.Make(facts(good(), tt.seen))
		s := p.Summary
		if s.Unread != tt.unread || s.Unserved != tt.unserved {
			t.Errorf("%s: %+v", tt.name, s)
		}
		if want := tt.unserved > 0 || tt.unread == 0; p.Changes() != want {
			t.Errorf("%s: changes %v, want %v", tt.name, p.Changes(), want)
		}
	}
}

func TestMakeForgets(t *testing.T) {
	f := facts(good(), seen())
	f.Wants = nil
	p := plan.Make(f)
	if p.Summary.Forget != 1 {
		t.Fatalf("a record without a certificate: %+v", p.Summary)
	}
	f.Records[address].Gone = now
	if p = plan.Make(f); p.Changes() {
		t.Errorf("what is forgotten stays forgotten: %+v", p.Summary)
	}
	f.Records[address].Owed = []state.Value{{Name: "x"}}
	if p = plan.Make(f); p.Summary.Clean != 1 {
		t.Errorf("what it owes is not forgotten: %+v", p.Summary)
	}
}

func TestDigestIsOfDecisionsNotOfTime(t *testing.T) {
	a := plan.Make(facts(nil, plan.Seen{}))
	f := facts(nil, plan.Seen{})
	f.Now = now.Add(time.Hour)
	if b := plan.Make(f); a.Digest != b.Digest {
		t.Error("the same decisions an hour later have another digest")
	}
	f = facts(nil, seen(holding("foreign")))
	if b := plan.Make(f); a.Digest == b.Digest {
		t.Error("another world has the same digest")
	}
}

func TestPatienceKeepsThePauses(t *testing.T) {
	rec := good(func(r *state.Record) {
		r.Places[file] = &state.Place{Leaf: "old", Tries: &state.Tries{N: 1, Next: now.Add(time.Minute)}}
	})
	it := plan.Decide(want(), rec, seen(holding("old")), now, true)
	if it.Steps[0].WaitTill == "" {
		t.Error("a pause that has not ended is not kept")
	}
	it = plan.Decide(want(), rec, seen(holding("old")), now.Add(2*time.Minute), true)
	if it.Steps[0].WaitTill != "" {
		t.Error("a pause that has ended is kept")
	}
}

// TestPausedOrder: while the order waits, places are kept right with what is
// live, and nothing else is done.
func TestPausedOrder(t *testing.T) {
	rec := due()
	rec.Issuing = map[string]*state.Tries{"issuer.acme.le": {N: 4, First: now.Add(-time.Hour), Next: now.Add(time.Hour)}}
	w := want(func(w *plan.Want) { w.Issuers = w.Issuers[:1] })
	it := plan.Decide(w, rec, seen(), now, true)
	if len(it.Steps) != 1 || it.Steps[0].Kind != plan.Renew || it.Steps[0].WaitTill == "" {
		t.Errorf("at rest: %+v", it.Steps)
	}
	it = plan.Decide(w, rec, seen(holding("old")), now, true)
	if len(it.Steps) != 2 || it.Steps[1].Kind != plan.Put || it.Steps[1].WaitTill != "" {
		t.Errorf("after drift: %+v", it.Steps)
	}
	if it = plan.Decide(w, rec, seen(), now, false); it.Steps[0].WaitTill != "" {
		t.Errorf("an apply waits: %+v", it.Steps)
	}
}

// TestPaused: an order waits for the first who may be asked again.
func TestPaused(t *testing.T) {
	first, second := "issuer.acme.le", "issuer.acme.other"
	tries := func(ago, next time.Duration) *state.Tries {
		return &state.Tries{N: 1, First: now.Add(-ago), Next: now.Add(next)}
	}
	under := func(account string) *state.Work { return &state.Work{Account: account} }
	for _, tt := range []struct {
		name string
		rec  state.Record
		want time.Duration
	}{
		{"nothing failed", state.Record{}, 0},
		{"the first waits, the fallback's time is sooner", state.Record{Issuing: map[string]*state.Tries{first: tries(5*time.Minute, time.Hour)}}, 10 * time.Minute},
		{"the first is sooner than the fallback's time", state.Record{Issuing: map[string]*state.Tries{first: tries(5*time.Minute, time.Minute)}}, time.Minute},
		{"the fallback's time has come", state.Record{Issuing: map[string]*state.Tries{first: tries(20*time.Minute, time.Hour)}}, 0},
		{"both wait", state.Record{Issuing: map[string]*state.Tries{first: tries(20*time.Minute, time.Hour), second: tries(time.Minute, 9*time.Minute)}}, 9 * time.Minute},
		{"the fallback has the order", state.Record{Work: under("other"), Issuing: map[string]*state.Tries{first: tries(time.Minute, time.Hour)}}, 0},
		{"the fallback has the order and waits", state.Record{Work: under("other"), Issuing: map[string]*state.Tries{first: tries(time.Minute, time.Hour), second: tries(time.Minute, 3*time.Minute)}}, 3 * time.Minute},
	} {
		got := plan.Paused(want(), &tt.rec, now)
		if tt.want == 0 && !got.IsZero() || tt.want != 0 && got.Sub(now) != tt.want {
			t.Errorf("%s: until %v, want %v from now", tt.name, got, tt.want)
		}
	}
}

func TestMoment(t *testing.T) {
	b := bundle("live", 1, 0, 90*day)
	at, _ := plan.Moment(address, &b, nil)
	if got := at.Sub(b.NotBefore); got != 60*day {
		t.Errorf("two thirds of 90 days: got %v", got)
	}
	win := &state.Renewal{Leaf: "live", Start: now, End: now.Add(day)}
	first, _ := plan.Moment(address, &b, win)
	again, _ := plan.Moment(address, &b, win)
	other, _ := plan.Moment("certificate.other", &b, win)
	if first != again || first == other || first.Before(win.Start) || !first.Before(win.End) {
		t.Errorf("moments in the window: %v %v %v", first, again, other)
	}
}

func TestMayFallBack(t *testing.T) {
	failed := func(ago time.Duration) *state.Record {
		return &state.Record{Issuing: map[string]*state.Tries{"issuer.acme.le": {N: 1, First: now.Add(-ago)}}}
	}
	for _, tt := range []struct {
		rec  *state.Record
		want bool
	}{
		{nil, false}, {failed(time.Minute), false}, {failed(16 * time.Minute), true}, {good(), false},
		{good(func(r *state.Record) { *r.Live = bundle("live", 2, 80*day, 90*day) }), true},
	} {
		if got := plan.MayFallBack(tt.rec, "issuer.acme.le", now); got != tt.want {
			t.Errorf("%+v: got %v", tt.rec, got)
		}
	}
}

// FuzzDecide: never two orders for one certificate, never an order when the
// live one is good, never a step on a place that could not be read.
func FuzzDecide(f *testing.F) {
	f.Add(uint16(0), uint8(10), "live", "live")
	f.Add(uint16(0xffff), uint8(80), "foreign", "")
	f.Fuzz(func(t *testing.T, bits uint16, age uint8, held, line string) {
		rec := good(func(r *state.Record) {
			*r.Live = bundle("live", 2, time.Duration(age%120)*day, 90*day)
			r.Places[file].Leaf = cert.Fingerprint(line)
			if bits&1 != 0 {
				r.Work = work()
			}
			if bits&2 != 0 {
				r.Places[file].Putting = "live"
			}
			if bits&4 != 0 {
				r.Live, r.Past = nil, nil
			}
		})
		s := seen(holding(held, func(p *plan.Place) {
			p.Exists = bits&8 == 0
			if bits&16 != 0 {
				p.Unread = "no"
			}
			p.Blind = bits&32 != 0
		}))
		it := plan.Decide(want(), rec, s, now, bits&64 != 0)
		orders := 0
		for _, st := range it.Steps {
			if st.Kind == plan.Issue || st.Kind == plan.Renew || st.Kind == plan.Resume {
				orders++
			}
			if st.Why == "" {
				t.Errorf("a step without a why: %+v", st)
			}
		}
		if orders > 1 {
			t.Errorf("%d orders: %+v", orders, it.Steps)
		}
		if rec.Live != nil && rec.Work == nil && age%120 < 60 && orders != 0 {
			t.Errorf("ordered though the live one is good: %+v", it.Steps)
		}
	})
}
