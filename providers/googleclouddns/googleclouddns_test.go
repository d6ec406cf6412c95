package googleclouddns_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	upstream "github.com/libdns/googleclouddns"
	"github.com/libdns/libdns"
	official "google.golang.org/api/dns/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/googleclouddns"
	"github.com/certform/certform/providers/googleclouddns/googleclouddnstest"
	"github.com/certform/certform/providers/providertest"
)

func opener(secret string) *world.World {
	return &world.World{Secret: func(context.Context, string) (string, error) { return secret, nil }}
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func spec(url string) *googleclouddns.Spec {
	return &googleclouddns.Spec{Project: "p", AccessToken: block.NewSecret("env:T"), Endpoint: url}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	fake := googleclouddnstest.New(n, googleclouddnstest.Config{Project: "p", Token: "canary-env:T", ReadToken: "canary-env:R", MostInPage: 7, Propagation: 20 * time.Millisecond})
	fake.AddZone("inside", "example.com", "private", nil)
	fake.AddZone("outside", "example.com", "public", z)
	fake.AddZone("child", "child.example.com", "public", n.AddZone("child.example.com", z.Servers()...))
	faulty := &providertest.Faulty{Handler: fake, Only: func(r *http.Request) bool { return r.Method == http.MethodPost }}
	addr, err := n.ServeLoopback(z.Servers()[0], "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := googleclouddns.Kind().Quirks
	q.PerSecond = 0
	whole := spec(serve(t, faulty))
	reader := *whole
	reader.AccessToken = block.NewSecret("env:R")
	w := &world.World{Secret: func(_ context.Context, ref string) (string, error) { return "canary-" + ref, nil }}
	providertest.Run(t, providertest.Fixture{
		Level: providers.Stricter,
		World: w, Zone: "example.com", Nameservers: []string{addr.String()}, TXT: fake.TXT, Fault: faulty.Next,
		DNS:   providers.DNS{Address: "dns.googleclouddns.m", Kind: "googleclouddns", Zones: []string{"example.com"}, Spec: whole, Quirks: q},
		Child: "child.example.com", Lacking: &reader, Right: "dns.changes.create",
		Foreign: func(name, value string) {
			fake.Put("outside", "_acme-challenge."+name, "TXT", 300, value)
		},
	})
	if st := fake.Stats(); st.Largest < 10 {
		t.Errorf("nothing travelled together: %+v", st)
	}
}

// The official client understands the fake.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := googleclouddnstest.New(n, googleclouddnstest.Config{Project: "p", MostInPage: 2})
	for _, name := range []string{"a", "b", "c"} {
		fake.AddZone(name, name+".test", "public", n.AddZone(name+".test"))
	}
	ctx := t.Context()
	client := &http.Client{Transport: bearer{}}
	api, err := official.NewService(ctx, option.WithHTTPClient(client), option.WithEndpoint(serve(t, fake)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = api.ManagedZones.List("p").Pages(ctx, func(r *official.ManagedZonesListResponse) error {
		for _, z := range r.ManagedZones {
			names = append(names, z.DnsName)
		}
		return nil
	})
	if err != nil || !slices.Equal(names, []string{"a.test.", "b.test.", "c.test."}) {
		t.Errorf("zones %q, %v", names, err)
	}
	set := &official.ResourceRecordSet{Name: "x.c.test.", Type: "TXT", Ttl: 60, Rrdatas: []string{`"v"`}}
	other := &official.ResourceRecordSet{Name: "x.c.test.", Type: "TXT", Ttl: 61, Rrdatas: []string{`"v"`}}
	for _, c := range []struct {
		about  string
		change *official.Change
		code   int
	}{
		{"what is not there", &official.Change{Deletions: []*official.ResourceRecordSet{set}}, 404},
		{"made", &official.Change{Additions: []*official.ResourceRecordSet{set}}, 0},
		{"what is there", &official.Change{Additions: []*official.ResourceRecordSet{set}}, 409},
		{"another TTL", &official.Change{Deletions: []*official.ResourceRecordSet{other}}, 412},
		{"replaced", &official.Change{Deletions: []*official.ResourceRecordSet{set}, Additions: []*official.ResourceRecordSet{other}}, 0},
		{"without quotes", &official.Change{Additions: []*official.ResourceRecordSet{{Name: "y.c.test.", Type: "TXT", Ttl: 60, Rrdatas: []string{"v"}}}}, 400},
	} {
		done, err := api.Changes.Create("p", "c", c.change).Context(ctx).Do()
		var e *googleapi.Error
		if c.code == 0 && (err != nil || done.Status != "pending" || done.Id == "") || c.code != 0 && (!errors.As(err, &e) || e.Code != c.code) {
			t.Errorf("%s: %+v, %v", c.about, done, err)
		}
	}
	list, err := api.ResourceRecordSets.List("p", "c").Name("x.c.test.").Type("TXT").Do()
	if err != nil || len(list.Rrsets) != 1 || list.Rrsets[0].Ttl != 61 {
		t.Errorf("list %+v, %v", list, err)
	}
}

type bearer struct{}

func (bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer x")
	return http.DefaultTransport.RoundTrip(r)
}

type scene struct {
	*googleclouddnstest.Server
	p providers.Changer
}

func open(t *testing.T, c googleclouddnstest.Config, change func(*googleclouddns.Spec)) *scene {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	c.Project = "p"
	s := &scene{Server: googleclouddnstest.New(n, c)}
	s.AddZone("first", "aaa.test", "public", nil)
	s.AddZone("forward", "example.com", "forwarding", nil)
	s.AddZone("inside", "example.com", "private", nil)
	s.AddZone("outside", "example.com", "public", n.AddZone("example.com"))
	sp := spec(serve(t, s))
	if change != nil {
		change(sp)
	}
	if p := sp.Check(); len(p) > 0 {
		t.Fatal(p)
	}
	p, err := sp.Open(t.Context(), opener("canary"))
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
// the sets are read first, and never more than the names need.
func TestCalls(t *testing.T) {
	t.Parallel()
	s := open(t, googleclouddnstest.Config{}, nil)
	ctx := t.Context()
	var rrs []libdns.RR
	for i := range 100 {
		rrs = append(rrs, one(fmt.Sprintf("_acme-challenge.h%d", i), "v")...)
	}
	cost := func(what string, most int, work func() error) {
		t.Helper()
		before := s.Stats().Total
		if err := work(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if calls := s.Stats().Total - before; calls > most {
			t.Errorf("%s: %d requests, want %d", what, calls, most)
		}
	}
	cost("add", 2, func() error { return s.p.Change(ctx, "example.com.", rrs, nil) })
	cost("remove", 1, func() error { return s.p.Change(ctx, "example.com.", nil, rrs) })
	cost("add again", 1, func() error { return s.p.Change(ctx, "example.com.", rrs, nil) })
	fresh, err := spec(serve(t, s)).Open(ctx, opener("canary"))
	if err != nil {
		t.Fatal(err)
	}
	cost("remove in a new process", 4, func() error { return fresh.(providers.Changer).Change(ctx, "example.com.", nil, rrs) })
	// In a large zone single names are read by themselves.
	for i := range 1200 {
		s.Put("outside", fmt.Sprintf("a%d.example.com", i), "A", 60, "192.0.2.1")
	}
	cost("read one", 1, func() error {
		got, err := s.p.(providers.Reader).ReadTXT(ctx, "example.com.", []string{"_acme-challenge.h7"})
		if len(got) > 0 {
			t.Errorf("left: %v", got)
		}
		return err
	})
	s.Configure(func(c *googleclouddnstest.Config) { c.MostInPage = 20 })
	names := make([]string, 20)
	for i := range names {
		names[i] = fmt.Sprint("none", i)
	}
	cost("read twenty, when the zone's size is not known", 40, func() error {
		_, err := s.p.(providers.Reader).ReadTXT(ctx, "example.com.", names)
		return err
	})
	cost("read twenty, when it is", 20, func() error {
		_, err := s.p.(providers.Reader).ReadTXT(ctx, "example.com.", names)
		return err
	})
}

// A change beyond the limits goes in several.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := open(t, googleclouddnstest.Config{}, nil)
	var rrs []libdns.RR
	for i := range 1500 {
		rrs = append(rrs, one(fmt.Sprintf("x%d", i), strings.Repeat("x", 80))...)
	}
	if err := s.p.Change(t.Context(), "example.com.", rrs, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.p.Change(t.Context(), "example.com.", nil, rrs); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Calls["POST changes"] != 4 || len(s.TXT("x7.example.com")) > 0 {
		t.Errorf("%+v", st)
	}
}

// What another writer did in between is kept, and so is the TTL of a set.
func TestCompareAndSwap(t *testing.T) {
	t.Parallel()
	s := open(t, googleclouddnstest.Config{}, nil)
	ctx := t.Context()
	is := func(what string, ttl int64, want ...string) {
		t.Helper()
		sets := s.Sets("x.example.com")
		if got := s.TXT("x.example.com"); !slices.Equal(got, want) || len(want) > 0 && sets[0].Ttl != ttl {
			t.Errorf("%s: %q, TTL %+v", what, got, sets)
		}
	}
	change := func(add, del []libdns.RR) {
		t.Helper()
		if err := s.p.Change(ctx, "example.com.", add, del); err != nil {
			t.Fatal(err)
		}
	}
	s.Put("outside", "x.example.com", "TXT", 300, "foreign")
	change(one("x", "ours"), nil)
	is("added to a foreign set", 300, "foreign", "ours")
	s.Put("outside", "x.example.com", "TXT", 600, "foreign", "ours", "later")
	change(one("x", "second"), nil)
	is("another value and TTL came in between", 600, "foreign", "later", "ours", "second")
	s.Put("outside", "x.example.com", "TXT", 600, "foreign")
	change(one("x", "ours"), one("x", "second"))
	is("somebody removed ours", 600, "foreign", "ours")
	s.Put("outside", "x.example.com", "TXT", 600, "foreign")
	change(one("x", "ours"), nil)
	is("what was there is added again", 600, "foreign", "ours")
	s.Put("outside", "x.example.com", "TXT", 0)
	change(nil, one("x", "ours"))
	is("somebody removed the set", 0)
	s.Put("outside", "x.example.com", "TXT", 60, "ours", "new")
	change(nil, one("x", "ours"))
	is("somebody made it again", 60, "new")
	s.Put("outside", "c.example.com", "CNAME", 300, "elsewhere.test.")
	err := s.p.Change(ctx, "example.com.", one("c", "v"), nil)
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "cnameResourceRecordSetConflict") {
		t.Errorf("error %v", err)
	}
	// A zone that was made anew has another name at the host.
	s.Remove("outside")
	if err := s.p.Change(ctx, "example.com.", one("z", "v"), nil); err == nil {
		t.Error("changed a zone that is gone")
	}
	s.AddZone("anew", "example.com", "public", nil)
	change(one("z", "v"), nil)
}

func TestZonesAndRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about       string
		conf        googleclouddnstest.Config
		change      func(*googleclouddns.Spec)
		add         func(*scene)
		zone        string
		err, advice string
		again       bool
	}{
		{about: "the public one of three", conf: googleclouddnstest.Config{MostInPage: 1}},
		{about: "the one that is named", change: func(s *googleclouddns.Spec) { s.ManagedZone = "outside" }, add: func(s *scene) { s.AddZone("two", "example.com", "public", nil) }},
		{about: "two public ones", add: func(s *scene) { s.AddZone("two", "example.com", "public", nil) }, err: "2 managed zones example.com: outside, two", advice: "managed_zone"},
		{about: "none", zone: "example.net.", err: "project p has no managed zone example.net"},
		{about: "a wrong token", conf: googleclouddnstest.Config{Token: "other"}, err: "HTTP 401: Request had invalid authentication credentials"},
		{about: "no right to list zones", conf: googleclouddnstest.Config{Lacks: []string{"dns.managedZones.list"}}, err: "lacks the right dns.managedZones.list in project p", advice: "roles/dns.admin"},
		{about: "no right to change", conf: googleclouddnstest.Config{Lacks: []string{"dns.changes.create"}}, err: "lacks the right dns.changes.create in project p", advice: "roles/dns.admin"},
		{about: "too fast, as 403", conf: googleclouddnstest.Config{Rate: 0.001, Forbids: true}, err: "HTTP 403: Rate Limit Exceeded", again: true},
		{about: "too fast", conf: googleclouddnstest.Config{Rate: 0.001}, err: "HTTP 429: Quota exceeded", again: true},
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
				if got := s.TXT("x.example.com"); err != nil || !slices.Equal(got, []string{"v"}) || !slices.Equal(listed, []libdns.Zone{{Name: "aaa.test."}, {Name: "example.com."}}) {
					t.Errorf("in the public zone %q, zones %v, %v", got, listed, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if advice := strings.Join(world.Advice(err), "\n"); !strings.Contains(advice, c.advice) {
				t.Errorf("advice %q", advice)
			}
			if _, again := world.RetryAt(err); again != c.again {
				t.Errorf("again %v", again)
			}
		})
	}
}

// A service account, a federated workload and the metadata server all become
// an access token.
func TestCredentials(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	bad := false
	var asked []string
	tokens := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		asked = append(asked, r.URL.Path+" "+r.Form.Get("grant_type"))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/project/project-id"):
			w.Write([]byte("p"))
		case bad:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
		default:
			fmt.Fprint(w, `{"access_token":"canary","expires_in":3600,"token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`)
		}
	}))
	text := func(v map[string]any) string {
		b, _ := json.Marshal(v)
		return string(b)
	}
	dir := t.TempDir()
	subject := filepath.Join(dir, "subject")
	os.WriteFile(subject, []byte("jwt"), 0o600)
	account := text(map[string]any{"type": "service_account", "project_id": "p", "private_key": private, "private_key_id": "1", "client_email": "a@p.test", "token_uri": tokens + "/token"})
	file := filepath.Join(dir, "account.json")
	os.WriteFile(file, []byte(account), 0o600)
	federated := text(map[string]any{"type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": tokens + "/sts", "credential_source": map[string]any{"file": subject}})
	for _, c := range []struct {
		about, secret string
		spec          googleclouddns.Spec
		env           map[string]string
		bad           bool
		want, err     string
	}{
		{about: "a service account", secret: account, spec: googleclouddns.Spec{Credentials: block.NewSecret("env:C")}, want: "/token urn:ietf:params:oauth:grant-type:jwt-bearer"},
		{about: "its file", spec: googleclouddns.Spec{Default: file}, want: "/token urn:ietf:params:oauth:grant-type:jwt-bearer"},
		{about: "the environment", env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": file}, want: "/token urn:ietf:params:oauth:grant-type:jwt-bearer"},
		{about: "a federated workload", secret: federated, spec: googleclouddns.Spec{Project: "p", Credentials: block.NewSecret("env:C")}, want: "/sts urn:ietf:params:oauth:grant-type:token-exchange"},
		{about: "the metadata server", env: map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(tokens, "http://"), "HOME": dir}, want: "/computeMetadata/v1/instance/service-accounts/default/token "},
		{about: "a key that was revoked", secret: account, spec: googleclouddns.Spec{Credentials: block.NewSecret("env:C")}, bad: true, err: "get an access token: HTTP 400: invalid_grant Invalid JWT Signature."},
		{about: "no JSON", secret: "canary", spec: googleclouddns.Spec{Credentials: block.NewSecret("env:C")}, err: `secret "env:C": this is no credential file of Google`},
		{about: "a workload without a project", secret: federated, spec: googleclouddns.Spec{Credentials: block.NewSecret("env:C")}, err: "the credential belongs to no project"},
	} {
		t.Run(c.about, func(t *testing.T) {
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			n := dnstest.New()
			defer n.Close()
			fake := googleclouddnstest.New(n, googleclouddnstest.Config{Project: "p", Token: "canary"})
			fake.AddZone("z", "example.com", "public", nil)
			c.spec.Endpoint = serve(t, fake)
			if p := c.spec.Check(); len(p) > 0 {
				t.Fatal(p)
			}
			bad, asked = c.bad, nil
			p, err := c.spec.Open(t.Context(), opener(c.secret))
			if err == nil {
				err = p.(providers.Changer).Change(t.Context(), "example.com.", one("x", "v"), nil)
			}
			if c.err == "" {
				if err != nil || !slices.Contains(asked, c.want) {
					t.Errorf("asked %q, %v", asked, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "PRIVATE") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if _, again := world.RetryAt(err); again {
				t.Error("it would be tried again")
			}
		})
	}
}

func TestCheck(t *testing.T) {
	providertest.Arguments(t, &googleclouddns.Spec{}, &upstream.Provider{})
	secret := block.NewSecret("env:S")
	for _, s := range []googleclouddns.Spec{
		{Default: "f", Credentials: secret}, {AccessToken: secret}, {Default: `{"type":"service_account"}`}, {Endpoint: "x"}, {Endpoint: "https://u:p@localhost"},
	} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
	// Google counts by project, whoever asks.
	for _, c := range []struct {
		a, b googleclouddns.Spec
		same bool
	}{
		{googleclouddns.Spec{Project: "p", Credentials: secret}, googleclouddns.Spec{Project: "p", Default: "f", ManagedZone: "z"}, true},
		{googleclouddns.Spec{Project: "p", Credentials: secret}, googleclouddns.Spec{Project: "q", Credentials: secret}, false},
		{googleclouddns.Spec{Credentials: secret}, googleclouddns.Spec{Credentials: secret, ManagedZone: "z"}, true},
		{googleclouddns.Spec{Credentials: secret}, googleclouddns.Spec{Default: "f"}, false},
	} {
		if same := c.a.Account() == c.b.Account(); same != c.same {
			t.Errorf("accounts %q and %q", c.a.Account(), c.b.Account())
		}
	}
}
