package cloudflare_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	official "github.com/cloudflare/cloudflare-go/v6"
	"github.com/cloudflare/cloudflare-go/v6/dns"
	"github.com/cloudflare/cloudflare-go/v6/option"
	"github.com/cloudflare/cloudflare-go/v6/zones"
	upstream "github.com/libdns/cloudflare"
	"github.com/libdns/libdns"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/cloudflare"
	"github.com/certform/certform/providers/cloudflare/cloudflaretest"
	"github.com/certform/certform/providers/providertest"
)

func opener() *world.World {
	return &world.World{Secret: func(_ context.Context, ref string) (string, error) { return "canary-" + ref, nil }}
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/client/v4"
}

func TestConformance(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	fake := cloudflaretest.New(n, cloudflaretest.Config{Token: "canary-env:T", ReadToken: "canary-env:R", MaxBatch: 40, MostPerPage: 3, Propagation: 20 * time.Millisecond})
	for i := range 5 {
		fake.AddZone(fmt.Sprintf("other%d.test", i), "active", nil)
	}
	fake.AddZone("example.com", "pending", nil)
	id := fake.AddZone("example.com", "active", z)
	fake.AddZone("child.example.com", "active", n.AddZone("child.example.com", z.Servers()...))
	faulty := &providertest.Faulty{Handler: fake, Only: func(r *http.Request) bool { return r.Method == http.MethodPost }}
	addr, err := n.ServeLoopback(z.Servers()[0], "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := cloudflare.Kind().Quirks
	q.PerSecond = 0
	url := serve(t, faulty)
	var puts atomic.Int32 // rows run in parallel
	providertest.Run(t, providertest.Fixture{
		Level: providers.Stricter,
		World: opener(), Zone: "example.com", Nameservers: []string{addr.String()}, TXT: fake.TXT, Fault: faulty.Next,
		DNS: providers.DNS{Address: "dns.cloudflare.m", Kind: "cloudflare", Zones: []string{"example.com"}, Quirks: q,
			Spec: &cloudflare.Spec{APIToken: block.NewSecret("env:T"), BaseURL: url}},
		Child:   "child.example.com",
		Lacking: &cloudflare.Spec{APIToken: block.NewSecret("env:R"), BaseURL: url}, Right: "Zone.DNS:Edit",
		Foreign: func(name, value string) {
			if puts.Add(1)%2 == 1 {
				value = `"` + value + `"`
			}
			fake.Put(id, "_acme-challenge."+name, "TXT", value)
		},
	})
	if st := fake.Stats(); st.Largest < 10 {
		t.Errorf("nothing travelled together: %+v", st)
	}
}

// The official client understands the fake.
func TestOfficialClient(t *testing.T) {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := cloudflaretest.New(n, cloudflaretest.Config{Token: "x", MostPerPage: 2})
	id := ""
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		id = fake.AddZone(name, "active", n.AddZone(name))
	}
	c := official.NewClient(option.WithAPIToken("x"), option.WithBaseURL(serve(t, fake)+"/"), option.WithMaxRetries(0))
	ctx := t.Context()
	pages := c.Zones.ListAutoPaging(ctx, zones.ZoneListParams{})
	var names []string
	for pages.Next() {
		names = append(names, pages.Current().Name)
	}
	if pages.Err() != nil || !slices.Equal(names, []string{"a.test", "b.test", "c.test"}) {
		t.Errorf("zones %q, %v", names, pages.Err())
	}
	post := dns.TXTRecordParam{Name: official.F("x.c.test"), TTL: official.F(dns.TTL(60)), Type: official.F(dns.TXTRecordTypeTXT), Content: official.F(`"v"`)}
	made, err := c.DNS.Records.Batch(ctx, dns.RecordBatchParams{ZoneID: official.F(id), Posts: official.F([]dns.RecordBatchParamsPostUnion{post})})
	if err != nil || len(made.Posts) != 1 || made.Posts[0].Content != `"v"` || made.Posts[0].ID == "" {
		t.Fatalf("batch %+v, %v", made, err)
	}
	list, err := c.DNS.Records.List(ctx, dns.RecordListParams{ZoneID: official.F(id), Name: official.F(dns.RecordListParamsName{Exact: official.F("x.c.test")})})
	if err != nil || len(list.Result) != 1 || list.Result[0].ID != made.Posts[0].ID {
		t.Errorf("list %+v, %v", list, err)
	}
	_, err = c.DNS.Records.Batch(ctx, dns.RecordBatchParams{ZoneID: official.F(id), Posts: official.F([]dns.RecordBatchParamsPostUnion{post})})
	var e *official.Error
	if !errors.As(err, &e) || len(e.Errors) != 1 || e.Errors[0].Code != 81058 {
		t.Errorf("the same again: %v", err)
	}
	_, err = c.DNS.Records.Batch(ctx, dns.RecordBatchParams{ZoneID: official.F(id),
		Deletes: official.F([]dns.RecordBatchParamsDelete{{ID: official.F(made.Posts[0].ID)}})})
	if err != nil || len(n.TXT("x.c.test")) > 0 {
		t.Errorf("delete: %v", err)
	}
}

type scene struct {
	*cloudflaretest.Server
	id string
	p  providers.Changer
}

func open(t *testing.T, c cloudflaretest.Config, spec cloudflare.Spec) *scene {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	s := &scene{Server: cloudflaretest.New(n, c)}
	for i := range 4 {
		s.AddZone(fmt.Sprintf("other%d.test", i), "active", nil)
	}
	s.id = s.AddZone("example.com", "active", n.AddZone("example.com"))
	spec.BaseURL = serve(t, s)
	if spec.APIToken.Zero() {
		spec.APIToken = block.NewSecret("env:T")
	}
	p, err := spec.Open(t.Context(), opener())
	if err != nil {
		t.Fatal(err)
	}
	s.p = p.(providers.Changer)
	return s
}

func one(name, value string) []libdns.RR {
	return []libdns.RR{{Name: name, Type: "TXT", Data: value, TTL: time.Minute}}
}

// A hundred names cost one request to add and one to remove; in a new process
// the ids are looked up first.
func TestCalls(t *testing.T) {
	s := open(t, cloudflaretest.Config{}, cloudflare.Spec{})
	var rrs []libdns.RR
	for i := range 100 {
		rrs = append(rrs, one(fmt.Sprintf("_acme-challenge.h%d", i), "v")...)
	}
	for _, step := range []struct {
		add, del []libdns.RR
		most     int
	}{{rrs, nil, 2}, {nil, rrs, 1}, {rrs, nil, 1}} {
		before := s.Stats().Total
		if err := s.p.Change(t.Context(), "example.com.", step.add, step.del); err != nil {
			t.Fatal(err)
		}
		if calls := s.Stats().Total - before; calls > step.most {
			t.Errorf("%d requests, want %d", calls, step.most)
		}
	}
	fresh, err := (&cloudflare.Spec{APIToken: block.NewSecret("env:T"), BaseURL: serve(t, s)}).Open(t.Context(), opener())
	if err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Total
	if err := fresh.(providers.Changer).Change(t.Context(), "example.com.", nil, rrs); err != nil {
		t.Fatal(err)
	}
	if calls := s.Stats().Total - before; calls > 3 {
		t.Errorf("%d requests in a new process", calls)
	}
	if got := s.TXT("_acme-challenge.h7.example.com"); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

// A batch is as large as the zone's plan allows; a plan that is not known is
// taken for the free one.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plan  string
		posts int
	}{{"", 3}, {"free", 3}, {"pro", 1}, {"business", 1}, {"enterprise", 1}} {
		t.Run(c.plan, func(t *testing.T) {
			s := open(t, cloudflaretest.Config{}, cloudflare.Spec{})
			s.SetPlan(s.id, c.plan)
			var rrs []libdns.RR
			for i := range 450 {
				rrs = append(rrs, one(fmt.Sprintf("_acme-challenge.h%d", i), "v")...)
			}
			for i, step := range [][2][]libdns.RR{{rrs, nil}, {nil, rrs}, {rrs[:225], nil}, {rrs[225:], rrs[:225]}} {
				before := s.Stats()
				if err := s.p.Change(t.Context(), "example.com.", step[0], step[1]); err != nil {
					t.Fatal(err)
				}
				after := s.Stats()
				want := c.posts
				if i == 2 {
					want = (c.posts + 1) / 2
				}
				if got := after.Calls["POST batch"] - before.Calls["POST batch"]; got != want || after.Refused > 0 {
					t.Errorf("step %d: %d batches, want %d; %+v", i, got, want, after)
				}
			}
			if a, b := s.TXT("_acme-challenge.h7.example.com"), s.TXT("_acme-challenge.h449.example.com"); len(a) != 0 || len(b) != 1 {
				t.Errorf("%q and %q", a, b)
			}
		})
	}
}

// A zone that was removed and added anew has another id.
func TestZoneIDIsFoundAgain(t *testing.T) {
	s := open(t, cloudflaretest.Config{}, cloudflare.Spec{})
	if err := s.p.Change(t.Context(), "example.com.", one("a", "v"), nil); err != nil {
		t.Fatal(err)
	}
	s.Renew(s.id)
	if err := s.p.Change(t.Context(), "example.com.", one("b", "v"), one("a", "v")); err != nil {
		t.Fatal(err)
	}
	if a, b := s.TXT("a.example.com"), s.TXT("b.example.com"); len(a) != 0 || len(b) != 1 {
		t.Errorf("%q and %q", a, b)
	}
}

// Cloudflare counts by user: all blocks wait at one pace unless they name
// different users, and each token keeps a writer of its own.
func TestUserBudget(t *testing.T) {
	spec := func(token, user string) *cloudflare.Spec {
		return &cloudflare.Spec{APIToken: block.NewSecret(token), User: user}
	}
	if a, b := spec("env:A", ""), spec("env:B", ""); a.Account() != b.Account() || a.View() == b.View() {
		t.Errorf("two tokens: accounts %q and %q, views %q and %q", a.Account(), b.Account(), a.View(), b.View())
	}
	if a, b := spec("env:A", "ann"), spec("env:A", "ben"); a.Account() == b.Account() {
		t.Error("two users are paced together")
	}
	q := cloudflare.Kind().Quirks
	if most := q.PerSecond*300 + max(q.PerSecond+1, float64(q.Burst)); most > 1200 {
		t.Errorf("%.0f requests in five minutes, 1,200 are allowed", most)
	}
}

// What is there already, and what is gone already, does not stop its batch.
func TestExisting(t *testing.T) {
	s := open(t, cloudflaretest.Config{Token: "canary-env:T"}, cloudflare.Spec{})
	ctx := t.Context()
	s.Put(s.id, "a.example.com", "TXT", "unquoted")
	both := append(one("a", "unquoted"), one("b", "new")...)
	if err := s.p.Change(ctx, "example.com.", both, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.p.Change(ctx, "example.com.", one("a", "unquoted"), nil); err != nil {
		t.Fatal(err)
	}
	s.Remove(s.id, "b.example.com") // its id is known and wrong now
	if err := s.p.Change(ctx, "example.com.", nil, both); err != nil {
		t.Fatal(err)
	}
	if a, b := s.TXT("a.example.com"), s.TXT("b.example.com"); len(a)+len(b) > 0 {
		t.Errorf("left: %q %q", a, b)
	}
	s.Put(s.id, "c.example.com", "CNAME", "elsewhere.test")
	err := s.p.Change(ctx, "example.com.", one("c", "v"), nil)
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "A CNAME record with that host already exists. (81054)") {
		t.Errorf("error %v", err)
	}
}

func TestZonesAndTokens(t *testing.T) {
	for _, c := range []struct {
		about string
		conf  cloudflaretest.Config
		spec  cloudflare.Spec
		err   string
		after bool
	}{
		{about: "many pages", conf: cloudflaretest.Config{MostPerPage: 2}},
		{about: "a token for zones", conf: cloudflaretest.Config{Token: "canary-env:T", ZoneToken: "canary-env:Z"}, spec: cloudflare.Spec{ZoneToken: block.NewSecret("env:Z")}},
		{about: "a token for zones that is needed", conf: cloudflaretest.Config{Token: "canary-env:T", ZoneToken: "canary-env:Z"}, err: "Authentication error (10000)"},
		{about: "a wrong token", conf: cloudflaretest.Config{Token: "other"}, err: "Invalid access token (9109)"},
		{about: "too fast", conf: cloudflaretest.Config{Rate: 0.001, RetryAfter: 300 * time.Second}, err: "HTTP 429", after: true},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := open(t, c.conf, c.spec)
			listed, err := s.p.(libdns.ZoneLister).ListZones(t.Context())
			if err == nil {
				err = s.p.Change(t.Context(), "example.com.", one("x", "v"), nil)
			}
			if c.err == "" {
				if err != nil || len(listed) != 5 || !slices.Contains(listed, libdns.Zone{Name: "example.com."}) {
					t.Errorf("zones %v, %v", listed, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			at, again := world.RetryAt(err)
			if again != c.after || c.after && time.Until(at) < 4*time.Minute {
				t.Errorf("again %v at %v", again, at)
			}
		})
	}
}

func TestArguments(t *testing.T) {
	providertest.Arguments(t, &cloudflare.Spec{}, &upstream.Provider{})
	if p := (&cloudflare.Spec{BaseURL: "api"}).Check(); len(p) != 1 {
		t.Errorf("problems %v", p)
	}
}
