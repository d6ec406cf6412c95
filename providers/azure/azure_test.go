package azure_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"
	upstream "github.com/libdns/azure"
	"github.com/libdns/libdns"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/azure"
	"github.com/certform/certform/providers/azure/azuretest"
	"github.com/certform/certform/providers/providertest"
)

const (
	subscription = "0a1b2c3d-0000-4000-8000-000000000001"
	tenant       = "0a1b2c3d-0000-4000-8000-000000000002"
	application  = "0a1b2c3d-0000-4000-8000-000000000003"
	audience     = "https://management.core.windows.net/"
)

func opener(secret string) *world.World {
	return &world.World{Secret: func(context.Context, string) (string, error) { return secret, nil }}
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// identify serves an identity service, and returns its URL and its roots.
func identify(t *testing.T, i *azuretest.Identity) (url, caFile string) {
	s := httptest.NewTLSServer(i)
	t.Cleanup(s.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, caFile
}

func identity(secret string) *azuretest.Identity {
	return &azuretest.Identity{Tenant: tenant, ClientID: application, Secret: secret, Assertion: "assertion-canary", Audience: audience, Token: "token-canary"}
}

// spec is a block whose tokens come from an identity service.
func spec(t *testing.T, endpoint string) *azure.Spec {
	authority, caFile := identify(t, identity("secret-canary"))
	return &azure.Spec{Subscription: subscription, Tenant: tenant, ClientID: application, ClientSecret: block.NewSecret("env:S"),
		Endpoint: endpoint, Authority: authority, CAFile: caFile}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	fake := azuretest.New(n, azuretest.Config{Subscription: subscription, Token: "token-canary", ReadToken: "reader-canary", MostInPage: 7, Propagation: 20 * time.Millisecond})
	fake.AddZone("inside", "example.com", armdns.ZoneTypePrivate, nil)
	fake.AddZone("outside", "example.com", armdns.ZoneTypePublic, z)
	fake.AddZone("outside", "child.example.com", armdns.ZoneTypePublic, n.AddZone("child.example.com", z.Servers()...))
	faulty := &providertest.Faulty{Handler: fake, Only: func(r *http.Request) bool { return r.Method != http.MethodGet }}
	addr, err := n.ServeLoopback(z.Servers()[0], "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := azure.Kind().Quirks
	q.PerSecond = 0
	whole := spec(t, serve(t, faulty))
	reader := *whole
	limited := identity("secret-canary")
	limited.Token = "reader-canary"
	reader.Authority, reader.CAFile = identify(t, limited)
	providertest.Run(t, providertest.Fixture{
		Level: providers.Stricter,
		World: opener("secret-canary"), Zone: "example.com", Child: "child.example.com",
		Lacking: &reader, Right: "Microsoft.Network/dnsZones/TXT/",
		Nameservers: []string{addr.String()}, TXT: fake.TXT, Fault: faulty.Next,
		DNS: providers.DNS{Address: "dns.azure.m", Kind: "azure", Zones: []string{"example.com"}, Spec: whole, Quirks: q},
		Foreign: func(name, value string) {
			relative := strings.TrimSuffix(strings.TrimSuffix("_acme-challenge."+name, "example.com"), ".")
			fake.Put("outside", "example.com", "TXT", relative, azuretest.Values(300, append(fake.TXT("_acme-challenge."+name), value)...))
		},
	})
}

type credential struct{}

func (credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "x", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// The official client understands the fake, and is refused what Azure refuses.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := azuretest.New(n, azuretest.Config{Subscription: subscription, MostInPage: 2})
	for _, name := range []string{"a", "b", "c"} {
		fake.AddZone("g", name+".test", armdns.ZoneTypePublic, n.AddZone(name+".test"))
	}
	fake.Put("g", "c.test", "CNAME", "alias", &armdns.RecordSetProperties{TTL: to.Ptr(int64(60)), CnameRecord: &armdns.CnameRecord{Cname: to.Ptr("a.test")}})
	s := httptest.NewTLSServer(fake)
	t.Cleanup(s.Close)
	factory, err := armdns.NewClientFactory(subscription, credential{}, &arm.ClientOptions{DisableRPRegistration: true, ClientOptions: policy.ClientOptions{
		Transport: s.Client(), Retry: policy.RetryOptions{MaxRetries: -1},
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {Endpoint: s.URL, Audience: "x"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var names []string
	for pages := factory.NewZonesClient().NewListPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range page.Value {
			names = append(names, *z.Name)
		}
	}
	if !slices.Equal(names, []string{"a.test", "b.test", "c.test"}) {
		t.Errorf("zones %q", names)
	}
	sets := factory.NewRecordSetsClient()
	etag := "other"
	for _, c := range []struct {
		about, zone, name, match, none string
		put                            *armdns.RecordSetProperties // nil: remove
		code                           string
	}{
		{about: "no condition", put: azuretest.Values(60, "v"), code: "PreconditionRequired"},
		{about: "made", none: "*", put: azuretest.Values(60, "v")},
		{about: "what is there", none: "*", put: azuretest.Values(60, "v"), code: "PreconditionFailed"},
		{about: "another etag", match: "other", put: azuretest.Values(60, "v"), code: "PreconditionFailed"},
		{about: "whatever it is", match: "*", put: azuretest.Values(60, "v"), code: "BadRequest"},
		{about: "replaced", match: "last", put: azuretest.Values(61, "v", "w")},
		{about: "an etag of what is not there", name: "y", match: "last", put: azuretest.Values(60, "v"), code: "PreconditionFailed"},
		{about: "TTL 0", name: "y", none: "*", put: azuretest.Values(0, "v"), code: "BadRequest"},
		{about: "21 records", name: "y", none: "*", put: azuretest.Values(60, strings.Split("abcdefghijklmnopqrstu", "")...), code: "BadRequest"},
		{about: "4,097 characters", name: "y", none: "*", put: azuretest.Values(60, strings.Repeat("x", 4097)), code: "BadRequest"},
		{about: "a string of 256", name: "y", none: "*", put: &armdns.RecordSetProperties{TTL: to.Ptr(int64(60)), TxtRecords: []*armdns.TxtRecord{{Value: []*string{to.Ptr(strings.Repeat("x", 256))}}}}, code: "BadRequest"},
		{about: "twice the same", name: "y", none: "*", put: azuretest.Values(60, "v", "v"), code: "BadRequest"},
		{about: "beside a CNAME", name: "alias", none: "*", put: azuretest.Values(60, "v"), code: "BadRequest"},
		{about: "another zone", zone: "d.test", none: "*", put: azuretest.Values(60, "v"), code: "ParentResourceNotFound"},
		{about: "removed without condition", code: "PreconditionRequired"},
		{about: "removed with another etag", match: "other", code: "PreconditionFailed"},
		{about: "removed", match: "last"},
	} {
		if c.zone == "" {
			c.zone = "c.test"
		}
		if c.name == "" {
			c.name = "x"
		}
		header := func(v string) *string {
			switch v {
			case "":
				return nil
			case "last":
				return &etag
			}
			return &v
		}
		var err error
		if c.put == nil {
			_, err = sets.Delete(ctx, "g", c.zone, c.name, armdns.RecordTypeTXT, &armdns.RecordSetsClientDeleteOptions{IfMatch: header(c.match)})
		} else {
			var made armdns.RecordSetsClientCreateOrUpdateResponse
			made, err = sets.CreateOrUpdate(ctx, "g", c.zone, c.name, armdns.RecordTypeTXT, armdns.RecordSet{Properties: c.put},
				&armdns.RecordSetsClientCreateOrUpdateOptions{IfMatch: header(c.match), IfNoneMatch: header(c.none)})
			if err == nil {
				etag = *made.Etag
			}
		}
		var e *azcore.ResponseError
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &e) || e.ErrorCode != c.code) {
			t.Errorf("%s: %v, want %s", c.about, err, c.code)
		}
		if c.about == "replaced" {
			have, err := sets.Get(ctx, "g", "c.test", "x", armdns.RecordTypeTXT, nil)
			if err != nil || *have.Properties.TTL != 61 || len(have.Properties.TxtRecords) != 2 || *have.Properties.Fqdn != "x.c.test." {
				t.Errorf("read %+v, %v", have, err)
			}
		}
	}
	res, err := s.Client().Do(func() *http.Request {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/subscriptions/"+subscription+"/providers/Microsoft.Network/dnsZones?api-version=2016-04-01", nil)
		r.Header.Set("Authorization", "Bearer x")
		return r
	}())
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("another API version: %v, %v", res, err)
	}
}

type scene struct {
	*azuretest.Server
	p providers.Changer
}

func open(t *testing.T, c azuretest.Config, change func(*azure.Spec)) *scene {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	c.Subscription = subscription
	s := &scene{Server: azuretest.New(n, c)}
	s.AddZone("first", "aaa.test", armdns.ZoneTypePublic, nil)
	s.AddZone("inside", "example.com", armdns.ZoneTypePrivate, nil)
	s.AddZone("outside", "example.com", armdns.ZoneTypePublic, n.AddZone("example.com"))
	s.p = another(t, s, change)
	return s
}

// another is the provider in a new process.
func another(t *testing.T, h http.Handler, change func(*azure.Spec)) providers.Changer {
	sp := spec(t, serve(t, h))
	if change != nil {
		change(sp)
	}
	if p := sp.Check(); len(p) > 0 {
		t.Fatal(p)
	}
	p, err := sp.Open(t.Context(), opener("secret-canary"))
	if err != nil {
		t.Fatal(err)
	}
	return p.(providers.Changer)
}

func one(name, value string) []libdns.RR {
	return []libdns.RR{{Name: name, Type: "TXT", Data: value, TTL: time.Minute}}
}

// put makes a foreign set in the public zone.
func (s *scene) put(name string, p *armdns.RecordSetProperties) {
	s.Put("outside", "example.com", "TXT", name, p)
}

// A new name costs one request to add and one to remove; in a new process the
// sets are read first, many of them at once.
func TestRequestsAreFew(t *testing.T) {
	t.Parallel()
	s := open(t, azuretest.Config{}, nil)
	var all []libdns.RR
	for i := range 30 {
		all = append(all, one(fmt.Sprint("h", i), "v")...)
	}
	want := func(what string, p providers.Changer, add, del []libdns.RR, want map[string]int) {
		t.Helper()
		before := s.Stats()
		if err := p.Change(t.Context(), "example.com.", add, del); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := map[string]int{}
		for op, n := range s.Stats().Calls {
			if n > before.Calls[op] {
				got[op] = n - before.Calls[op]
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: requests %v, want %v", what, got, want)
		}
	}
	want("add", s.p, all, nil, map[string]int{"GET zones": 1, "PUT TXT": 30})
	want("a second value", s.p, one("h1", "w"), nil, map[string]int{"PUT TXT": 1})
	want("remove", s.p, nil, all, map[string]int{"PUT TXT": 1, "DELETE TXT": 29})
	want("add again", s.p, all, nil, map[string]int{"PUT TXT": 30})
	again := another(t, s, func(sp *azure.Spec) { sp.Group = "outside" })
	want("remove in a new process", again, nil, all, map[string]int{"LIST TXT": 1, "PUT TXT": 1, "DELETE TXT": 29})
	want("remove the last", again, nil, one("h1", "w"), map[string]int{"DELETE TXT": 1})
	want("remove what is not there", again, nil, one("h1", "w"), map[string]int{"GET TXT": 1})
}

// What somebody else does between our look and our write survives, for each
// way in which a set can change under us.
func TestOthersMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about     string
		before    *armdns.RecordSetProperties // the set when we begin
		seen      bool                        // and we have seen it
		meanwhile *armdns.RecordSetProperties // the set when we write
		add, del  []libdns.RR
		want      []string
	}{
		{about: "made under a creation", meanwhile: azuretest.Values(300, "foreign"), add: one("x", "ours"), want: []string{"foreign", "ours"}},
		{about: "grown under an addition", before: azuretest.Values(300, "old"), seen: true, meanwhile: azuretest.Values(300, "foreign", "old"), add: one("x", "ours"), want: []string{"foreign", "old", "ours"}},
		{about: "gone under an addition", before: azuretest.Values(300, "old"), seen: true, add: one("x", "ours"), want: []string{"ours"}},
		{about: "ours added by another runner", before: azuretest.Values(300, "old"), seen: true, meanwhile: azuretest.Values(300, "old", "ours"), add: one("x", "ours"), want: []string{"old", "ours"}},
		{about: "grown under a removal of the last", before: azuretest.Values(300, "ours"), seen: true, meanwhile: azuretest.Values(300, "foreign", "ours"), del: one("x", "ours"), want: []string{"foreign"}},
		{about: "grown under a removal", before: azuretest.Values(300, "old", "ours"), seen: true, meanwhile: azuretest.Values(300, "foreign", "old", "ours"), del: one("x", "ours"), want: []string{"foreign", "old"}},
		{about: "gone under a removal", before: azuretest.Values(300, "ours"), seen: true, del: one("x", "ours")},
		{about: "replaced after a look of this change", before: azuretest.Values(300, "ours"), meanwhile: azuretest.Values(300, "foreign", "ours"), del: one("x", "ours"), want: []string{"foreign"}},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := open(t, azuretest.Config{}, nil)
			s.put("x", c.before)
			if c.seen {
				if _, err := s.p.(providers.Reader).ReadTXT(t.Context(), "example.com.", []string{"x"}); err != nil {
					t.Fatal(err)
				}
			}
			var first sync.Once
			s.Configure(func(conf *azuretest.Config) {
				conf.Before = func(r *http.Request) {
					if r.Method != http.MethodGet {
						first.Do(func() { s.put("x", c.meanwhile) })
					}
				}
			})
			if err := s.p.Change(t.Context(), "example.com.", c.add, c.del); err != nil {
				t.Fatal(err)
			}
			if got := s.TXT("x.example.com"); !slices.Equal(got, c.want) {
				t.Errorf("the host has %q, want %q", got, c.want)
			}
			if got := s.Stats().Conflict; got != 1 {
				t.Errorf("%d conflicts: the change did not meet", got)
			}
		})
	}
}

// Somebody who changes a set all the time is told of.
func TestSomebodyAllTheTime(t *testing.T) {
	t.Parallel()
	s := open(t, azuretest.Config{}, nil)
	s.Configure(func(conf *azuretest.Config) {
		n := 0
		conf.Before = func(r *http.Request) {
			if r.Method != http.MethodGet {
				n++
				s.put("x", azuretest.Values(300, fmt.Sprint("foreign", n)))
			}
		}
	})
	err := s.p.Change(t.Context(), "example.com.", one("x", "ours"), nil)
	if err == nil || !slices.Contains(world.Advice(err), "somebody else changes the same records all the time") {
		t.Fatalf("error %v, advice %q", err, world.Advice(err))
	}
	if got := s.TXT("x.example.com"); len(got) != 1 || !strings.HasPrefix(got[0], "foreign") {
		t.Errorf("the host has %q", got)
	}
}

// What a set has besides values stays: its TTL, what its owner wrote to it, and
// what a later version of the service may add.
func TestTheRestStays(t *testing.T) {
	t.Parallel()
	s := open(t, azuretest.Config{}, nil)
	long := strings.Repeat("0123456789", 30)
	owned := azuretest.Values(300, "foreign", long)
	owned.Metadata = map[string]*string{"owner": to.Ptr("mail")}
	s.put("x", owned)
	// A property of later: shown in every answer, and to be sent back.
	kept := 0
	p := another(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body, _ := io.ReadAll(r.Body)
			if text := strings.Replace(string(body), `"later":{"a":[1]},`, "", 1); text != string(body) {
				kept++
				body = []byte(text)
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		w.WriteHeader(answer.Code)
		io.WriteString(w, strings.Replace(answer.Body.String(), `"metadata":`, `"later":{"a":[1]},"metadata":`, 1))
	}), func(sp *azure.Spec) { sp.Group = "outside" })
	check := func(values ...string) {
		t.Helper()
		sets := s.Sets("x.example.com")
		if got := s.TXT("x.example.com"); len(sets) != 1 || !slices.Equal(got, values) {
			t.Fatalf("values %q in %d sets", got, len(sets))
		}
		if p := sets[0].Properties; *p.TTL != 300 || *p.Metadata["owner"] != "mail" {
			t.Errorf("TTL %d, metadata %v", *p.TTL, p.Metadata)
		}
		for _, record := range sets[0].Properties.TxtRecords {
			if len(record.Value) > 1 && len(*record.Value[0]) != 255 {
				t.Errorf("strings of %d", len(*record.Value[0]))
			}
		}
	}
	for _, c := range []struct {
		add, del []libdns.RR
		want     []string
	}{
		{one("x", "ours"), nil, []string{long, "foreign", "ours"}},
		{nil, one("x", long), []string{"foreign", "ours"}},
		{nil, slices.Concat(one("x", "ours"), one("x", "foreign")), nil},
		{one("x", long), nil, []string{long}},
	} {
		if err := p.Change(t.Context(), "example.com.", c.add, c.del); err != nil {
			t.Fatal(err)
		}
		check(c.want...)
	}
	if kept != 4 {
		t.Errorf("of 4 writes %d kept what they do not know", kept)
	}
	// A set that was ours alone goes.
	for _, c := range [][2][]libdns.RR{{one("y", "v"), nil}, {nil, one("y", "v")}} {
		if err := s.p.Change(t.Context(), "example.com.", c[0], c[1]); err != nil {
			t.Fatal(err)
		}
	}
	if sets := s.Sets("y.example.com"); len(sets) != 0 {
		t.Errorf("left %d sets", len(sets))
	}
}

// What is refused is told in Azure's words, and a zone that is gone passes for
// nothing; made anew elsewhere it is found again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t, azuretest.Config{}, nil)
	s.Put("outside", "example.com", "CNAME", "alias", &armdns.RecordSetProperties{TTL: to.Ptr(int64(60)), CnameRecord: &armdns.CnameRecord{Cname: to.Ptr("a.test")}})
	err := s.p.Change(t.Context(), "example.com.", one("alias", "v"), nil)
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "a CNAME record with the same name already exists in this zone. (BadRequest)") {
		t.Errorf("error %v", err)
	}
	if err := s.p.Change(t.Context(), "example.com.", []libdns.RR{{Name: "zero", Type: "TXT", Data: "v"}}, nil); err != nil {
		t.Errorf("without a TTL: %v", err)
	}
	s.Remove("outside", "example.com")
	if err := s.p.Change(t.Context(), "example.com.", one("z", "v"), nil); err == nil || !strings.Contains(err.Error(), "ResourceGroupNotFound") {
		t.Errorf("changed a zone that is gone: %v", err)
	}
	if err := s.p.Change(t.Context(), "example.com.", nil, one("zero", "v")); err == nil {
		t.Error("a zone that is gone passed for clean")
	}
	elsewhere := another(t, s, func(sp *azure.Spec) { sp.Group = "inside" })
	if err := elsewhere.Change(t.Context(), "example.net.", nil, one("zero", "v")); err == nil {
		t.Error("a zone in the wrong group passed for clean")
	}
	s.AddZone("anew", "example.com", armdns.ZoneTypePublic, nil)
	if err := s.p.Change(t.Context(), "example.com.", one("z", "v"), nil); err != nil {
		t.Error(err)
	}
}

func TestZonesAndRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about       string
		conf        azuretest.Config
		change      func(*azure.Spec)
		add         func(*scene)
		zone        string
		listed      []string
		err, advice string
		again       bool
	}{
		{about: "the public one of two", conf: azuretest.Config{MostInPage: 1}, listed: []string{"aaa.test.", "example.com."}},
		{about: "those of one group", change: func(s *azure.Spec) { s.Group = "outside" }, listed: []string{"example.com."},
			add: func(s *scene) { s.AddZone("other", "example.com", armdns.ZoneTypePublic, nil) }},
		{about: "two public ones", add: func(s *scene) { s.AddZone("other", "example.com", armdns.ZoneTypePublic, nil) }, err: "2 public zones example.com, in the resource groups outside, other", advice: "resource_group_name"},
		{about: "none", zone: "example.net.", err: "subscription " + subscription + " shows no public zone example.net", advice: "resource_group_name"},
		{about: "a private one alone", zone: "corp.test.", add: func(s *scene) { s.AddZone("inside", "corp.test", armdns.ZoneTypePrivate, nil) }, err: "shows no public zone corp.test", advice: "resource_group_name"},
		{about: "none in the group", zone: "example.net.", change: func(s *azure.Spec) { s.Group = "outside" }, err: "Parent resource 'example.net' not found. (ParentResourceNotFound)"},
		{about: "no such group", change: func(s *azure.Spec) { s.Group = "else" }, err: "Resource group 'else' could not be found. (ResourceGroupNotFound)"},
		{about: "another subscription", change: func(s *azure.Spec) { s.Subscription = tenant }, err: "SubscriptionNotFound"},
		{about: "a token that is not good", conf: azuretest.Config{Token: "other"}, err: "HTTP 401: The access token is invalid: (secret)"},
		{about: "no right to list zones", conf: azuretest.Config{Lacks: []string{"Microsoft.Network/dnsZones/read"}}, err: "lacks the right Microsoft.Network/dnsZones/read at /subscriptions/" + subscription + "/providers/", advice: "DNS Zone Contributor"},
		{about: "no right to write", conf: azuretest.Config{Lacks: []string{"Microsoft.Network/dnsZones/TXT/write"}}, err: "lacks the right Microsoft.Network/dnsZones/TXT/write at /subscriptions/" + subscription + "/resourceGroups/outside/providers/Microsoft.Network/dnsZones/example.com/TXT/x", advice: "DNS Zone Contributor"},
		{about: "too fast", conf: azuretest.Config{Rate: 0.001}, err: "HTTP 429: The request is being throttled", again: true},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := open(t, c.conf, c.change)
			if c.add != nil {
				c.add(s)
			}
			if c.zone == "" {
				c.zone = "example.com."
			}
			listed, err := s.p.(libdns.ZoneLister).ListZones(t.Context())
			if err == nil {
				err = s.p.Change(t.Context(), c.zone, one("x", "v"), nil)
			}
			if c.err == "" {
				var names []string
				for _, z := range listed {
					names = append(names, z.Name)
				}
				if got := s.TXT("x.example.com"); err != nil || !slices.Equal(got, []string{"v"}) || !slices.Equal(names, c.listed) {
					t.Errorf("in the public zone %q, zones %v, %v", got, names, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if advice := strings.Join(world.Advice(err), "\n"); !strings.Contains(advice, c.advice) {
				t.Errorf("advice %q", advice)
			}
			at, again := world.RetryAt(err)
			if again != c.again || again && time.Until(at) < 500*time.Second {
				t.Errorf("again %v at %v", again, at)
			}
		})
	}
}

// A removal needs a right of its own.
func TestNoRightToRemove(t *testing.T) {
	t.Parallel()
	s := open(t, azuretest.Config{Lacks: []string{"Microsoft.Network/dnsZones/TXT/delete"}}, nil)
	if err := s.p.Change(t.Context(), "example.com.", one("x", "v"), nil); err != nil {
		t.Fatal(err)
	}
	err := s.p.Change(t.Context(), "example.com.", nil, one("x", "v"))
	if err == nil || !strings.Contains(err.Error(), "lacks the right Microsoft.Network/dnsZones/TXT/delete at") {
		t.Error(err)
	}
}

// A token never goes to a host that an answer names.
func TestNextPageElsewhere(t *testing.T) {
	t.Parallel()
	var other []string
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other = append(other, r.Header.Get("Authorization")) }))
	p := another(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"value": []any{}, "nextLink": elsewhere + "/subscriptions"})
	}), nil)
	if _, err := p.(libdns.ZoneLister).ListZones(t.Context()); err == nil || len(other) > 0 {
		t.Errorf("error %v, elsewhere %q", err, other)
	}
}

// An application with a secret, a workload of a cluster, the environment and a
// managed identity all become an access token.
func TestCredentials(t *testing.T) {
	for _, name := range []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"} {
		if value, ok := os.LookupEnv(name); ok {
			os.Unsetenv(name)
			t.Cleanup(func() { os.Setenv(name, value) })
		}
	}
	assertion := filepath.Join(t.TempDir(), "token")
	os.WriteFile(assertion, []byte("assertion-canary"), 0o600)
	machine := func(t *testing.T, i *azuretest.Identity) map[string]string {
		return map[string]string{"IDENTITY_ENDPOINT": serve(t, i) + "/msi/token", "IDENTITY_HEADER": "header"}
	}
	always := func(env map[string]string) func(*testing.T, *azuretest.Identity) map[string]string {
		return func(*testing.T, *azuretest.Identity) map[string]string { return env }
	}
	secret := block.NewSecret("env:S")
	for _, c := range []struct {
		about, want string
		spec        azure.Spec
		secret      string
		env         func(*testing.T, *azuretest.Identity) map[string]string
		err, advice string
		again       bool
	}{
		{about: "an application", spec: azure.Spec{Tenant: tenant, ClientID: application, ClientSecret: secret}, secret: "secret-canary\n", want: "client_secret"},
		{about: "a secret that is not good", spec: azure.Spec{Tenant: tenant, ClientID: application, ClientSecret: secret}, secret: "bad-canary",
			err: "get an access token: HTTP 401: invalid_client AADSTS7000215: Invalid client secret provided: (secret).", advice: "the credential is wrong"},
		{about: "another application", spec: azure.Spec{Tenant: tenant, ClientID: subscription, ClientSecret: secret}, secret: "secret-canary",
			err: "AADSTS700016: Application with identifier '" + subscription + "' was not found"},
		{about: "another tenant", spec: azure.Spec{Tenant: subscription, ClientID: application, ClientSecret: secret}, secret: "secret-canary",
			err: "AADSTS90002: Tenant '" + subscription + "' not found."},
		{about: "no tenant's name", spec: azure.Spec{Tenant: "a b", ClientID: application, ClientSecret: secret}, secret: "secret-canary", err: "find a credential: "},
		{about: "the environment", env: always(map[string]string{"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": application, "AZURE_CLIENT_SECRET": "secret-canary"}), want: "client_secret"},
		{about: "a wrong secret of the environment", env: always(map[string]string{"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": application, "AZURE_CLIENT_SECRET": "bad-canary"}), err: "provided: (secret)."},
		{about: "a workload", spec: azure.Spec{Tenant: tenant, ClientID: application}, env: always(map[string]string{"AZURE_FEDERATED_TOKEN_FILE": assertion}), want: "client_assertion"},
		{about: "a workload of the environment", env: always(map[string]string{"AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": application, "AZURE_FEDERATED_TOKEN_FILE": assertion}), want: "client_assertion"},
		{about: "the machine", env: machine, want: "managed identity"},
		{about: "one of the machine's", spec: azure.Spec{ClientID: application}, env: machine, want: "managed identity"},
		{about: "none of the machine's", spec: azure.Spec{ClientID: tenant}, env: machine, err: "HTTP 400: invalid_request No identity " + tenant},
		{about: "nothing at all", env: func(t *testing.T, _ *azuretest.Identity) map[string]string {
			return map[string]string{"PATH": t.TempDir()}
		},
			err: "get an access token: DefaultAzureCredential: failed to acquire a token. Attempted credentials: EnvironmentCredential: missing environment variable AZURE_TENANT_ID; ", advice: "give tenant_id, client_id and client_secret"},
		{about: "an identity service that is away", spec: azure.Spec{Tenant: tenant, ClientID: application, ClientSecret: secret, Authority: "https://127.0.0.1:1"}, secret: "secret-canary",
			err: "127.0.0.1:1", again: true},
	} {
		t.Run(c.about, func(t *testing.T) {
			id := identity("secret-canary")
			authority, caFile := identify(t, id)
			if c.env != nil {
				for k, v := range c.env(t, id) {
					t.Setenv(k, v)
				}
			}
			n := dnstest.New()
			defer n.Close()
			fake := azuretest.New(n, azuretest.Config{Subscription: subscription, Token: "token-canary"})
			fake.AddZone("g", "example.com", armdns.ZoneTypePublic, nil)
			c.spec.Subscription, c.spec.Endpoint, c.spec.CAFile = subscription, serve(t, fake), caFile
			if c.spec.Authority == "" {
				c.spec.Authority = authority
			}
			if p := c.spec.Check(); len(p) > 0 {
				t.Fatal(p)
			}
			w := opener(c.secret)
			w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, "169.254.") {
					return nil, errors.New("this is no machine of Azure")
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			p, err := c.spec.Open(t.Context(), w)
			if err == nil {
				err = p.(providers.Changer).Change(t.Context(), "example.com.", one("x", "v"), nil)
			}
			if c.err == "" {
				if err != nil || !slices.Contains(id.Asked(), c.want) {
					t.Errorf("asked %q, %v", id.Asked(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if advice := strings.Join(world.Advice(err), "\n"); !strings.Contains(advice, c.advice) {
				t.Errorf("advice %q", advice)
			}
			if _, again := world.RetryAt(err); again != c.again {
				t.Errorf("again %v: %v", again, err)
			}
		})
	}
}

// Two resource groups may have a zone of the same name: each gets the value.
func TestTwins(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := azuretest.New(n, azuretest.Config{Subscription: subscription})
	endpoint := serve(t, fake)
	var dns []providers.DNS
	var values []providers.Value
	for _, group := range []string{"old", "new"} {
		fake.AddZone(group, "example.com", armdns.ZoneTypePublic, nil)
		sp := spec(t, endpoint)
		sp.Group = group
		address := "dns.azure." + group
		dns = append(dns, providers.DNS{Address: address, Kind: "azure", Zones: []string{"example.com"}, Spec: sp, Quirks: azure.Kind().Quirks})
		values = append(values, providers.Value{Zone: "example.com.", Name: "_acme-challenge.example.com.", Text: "v", Provider: address})
	}
	zones := providers.NewZones(opener("secret-canary"), providers.Options{DNS: dns, Zones: []providers.Zone{{
		Address: "zone.twins", Name: "example.com", DNS: []string{dns[0].Address, dns[1].Address},
		Nameservers: []string{providertest.Serve(t, fake.TXT)}, MaxWait: 30 * time.Second,
	}}})
	t.Cleanup(zones.Close)
	if err := zones.Present(t.Context(), nil, values); err != nil {
		t.Fatal(err)
	}
	if got := fake.TXT("_acme-challenge.example.com"); !slices.Equal(got, []string{"v", "v"}) {
		t.Errorf("the two zones have %q", got)
	}
	for _, l := range zones.Clean(t.Context(), values) {
		t.Errorf("%+v", l)
	}
	if got := fake.TXT("_acme-challenge.example.com"); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

func TestCheck(t *testing.T) {
	providertest.Arguments(t, &azure.Spec{}, &upstream.Provider{})
	secret := block.NewSecret("env:S")
	for _, s := range []azure.Spec{
		{ClientSecret: secret, Tenant: "t"}, {ClientSecret: secret, ClientID: "c"}, {Cloud: "mars"}, {Endpoint: "x"}, {Endpoint: "https://u:p@localhost"}, {Authority: "http://localhost"},
	} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
	// Azure counts by subscription, whoever asks.
	a, b := azure.Spec{Subscription: "S", ClientID: "a", Group: "g"}, azure.Spec{Subscription: "s", ClientID: "b", Cloud: "public"}
	if a.Account() != b.Account() {
		t.Errorf("accounts %q and %q", a.Account(), b.Account())
	}
	if c := (&azure.Spec{Subscription: "s", Cloud: "china"}); c.Account() == a.Account() {
		t.Error("two clouds are one account")
	}
}
