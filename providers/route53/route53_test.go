package route53_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	r53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/libdns/libdns"
	upstream "github.com/libdns/route53"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/certform/certform/providers/route53"
	"github.com/certform/certform/providers/route53/route53test"
)

const keyID = "AKIAIOSFODNN7EXAMPLE"

func opener() *world.World {
	return &world.World{Secret: func(context.Context, string) (string, error) { return "canary-secret-key", nil }}
}

func spec(url string) *route53.Spec {
	return &route53.Spec{EndpointURL: url, AccessKeyID: keyID, SecretAccessKey: block.NewSecret("env:S"), MaxRetries: 5, MaxWait: time.Minute}
}

func blockOf(s providers.Spec, zone string) providers.DNS {
	q := route53.Kind().Quirks
	q.PerSecond = 0 // the fakes have a pace of their own
	return providers.DNS{Address: "dns.route53.m", Kind: "route53", Zones: []string{zone}, Spec: s, Quirks: q}
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestStrict(t *testing.T) {
	t.Parallel()
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	z := n.AddZone("example.com")
	fake := route53test.New(n, route53test.Config{KeyID: keyID, ReadKeyID: "AKIAREADER", Busy: time.Millisecond, Propagation: 20 * time.Millisecond, PageSize: 7})
	fake.AddZone("ZPRIVATE", "example.com", true, nil)
	fake.AddZone("ZPUBLIC", "example.com", false, z)
	fake.AddZone("ZCHILD", "child.example.com", false, n.AddZone("child.example.com", z.Servers()...))
	faulty := &providertest.Faulty{Handler: fake, Only: func(r *http.Request) bool { return r.Method == http.MethodPost }}
	addr, err := n.ServeLoopback(z.Servers()[0], "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := map[string][]string{}
	whole := spec(serve(t, faulty))
	reader := *whole
	reader.AccessKeyID = "AKIAREADER"
	providertest.Run(t, providertest.Fixture{
		Level: providers.Stricter,
		World: opener(), Zone: "example.com", DNS: blockOf(whole, "example.com"),
		Child: "child.example.com", Lacking: &reader, Right: "route53:ChangeResourceRecordSets",
		Nameservers: []string{addr.String()}, TXT: fake.TXT, Fault: faulty.Next,
		Foreign: func(name, value string) {
			fake.Put("ZPUBLIC", "_acme-challenge."+name, "TXT", 300, append(held[name], value)...)
		},
	})
	if st := fake.Stats(); st.Largest < 10 {
		t.Errorf("nothing travelled together: %+v", st)
	}
}

func TestMoto(t *testing.T) {
	t.Parallel()
	m := rig.Moto(t)
	u, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	faulty := &providertest.Faulty{Handler: httputil.NewSingleHostReverseProxy(u), Only: func(r *http.Request) bool { return r.Method == http.MethodPost }}
	s := spec(serve(t, faulty))
	api := r53.New(r53.Options{Region: "us-east-1", BaseEndpoint: aws.String(m.URL), Credentials: credentials.NewStaticCredentialsProvider(keyID, "x", "")})
	made, err := api.CreateHostedZone(t.Context(), &r53.CreateHostedZoneInput{Name: aws.String("example.com."), CallerReference: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []string {
		out, err := api.ListResourceRecordSets(context.Background(), &r53.ListResourceRecordSetsInput{
			HostedZoneId: made.HostedZone.Id, StartRecordName: aws.String(name + "."), StartRecordType: types.RRTypeTxt, MaxItems: aws.Int32(1),
		})
		if err != nil {
			return nil // asked while the test ends
		}
		var values []string
		for _, set := range out.ResourceRecordSets {
			if strings.TrimSuffix(aws.ToString(set.Name), ".") != name {
				continue
			}
			for _, r := range set.ResourceRecords {
				values = append(values, strings.NewReplacer(`" "`, "", `\"`, `"`, `\\`, `\`).Replace(strings.Trim(aws.ToString(r.Value), `"`)))
			}
		}
		return values
	}
	providertest.Run(t, providertest.Fixture{
		Level: providers.Emulator,
		World: opener(), Zone: "example.com", DNS: blockOf(s, "example.com"), TXT: read, Fault: faulty.Next,
		Without: "no Child and no Lacking: moto serves no DNS, and lets every key do everything",
		Foreign: func(name, value string) {
			_, err := api.ChangeResourceRecordSets(t.Context(), &r53.ChangeResourceRecordSetsInput{HostedZoneId: made.HostedZone.Id,
				ChangeBatch: &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{
					Name: aws.String("_acme-challenge." + name + "."), Type: types.RRTypeTxt, TTL: aws.Int64(300),
					ResourceRecords: []types.ResourceRecord{{Value: aws.String(`"` + value + `"`)}},
				}}}}})
			if err != nil {
				t.Error(err)
			}
		},
	})
}

// scene is the strict fake with a provider of its own, without a broker.
type scene struct {
	*route53test.Server
	p providers.Changer
}

func open(t *testing.T, c route53test.Config, change func(*route53.Spec)) *scene {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	fake := route53test.New(n, c)
	fake.AddZone("Z0", "aaa.test", false, n.AddZone("aaa.test"))
	fake.AddZone("ZPRIVATE", "example.com", true, nil)
	fake.AddZone("ZPUBLIC", "example.com", false, n.AddZone("example.com"))
	s := spec(serve(t, fake))
	if change != nil {
		change(s)
	}
	p, err := s.Open(t.Context(), opener())
	if err != nil {
		t.Fatal(err)
	}
	return &scene{fake, p.(providers.Changer)}
}

func txts(n int, name, value string) (out []libdns.RR) {
	for i := range n {
		out = append(out, libdns.RR{Name: fmt.Sprintf(name, i), Type: "TXT", Data: fmt.Sprintf(value, i), TTL: time.Minute})
	}
	return out
}

func one(name, value string) []libdns.RR {
	return []libdns.RR{{Name: name, Type: "TXT", Data: value, TTL: time.Minute}}
}

// A hundred names cost one call to add and one to remove.
func TestCalls(t *testing.T) {
	t.Parallel()
	s := open(t, route53test.Config{}, nil)
	rrs := append(txts(100, "_acme-challenge.h%d", "one-%d"), txts(100, "_acme-challenge.h%d", "two-%d")...)
	if err := s.p.Change(t.Context(), "example.com.", rrs, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.p.Change(t.Context(), "example.com.", nil, rrs); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Calls["POST rrset"] != 2 || st.Total > 5 || st.Invalid > 0 {
		t.Errorf("%+v", st)
	}
	// Too much for one request: still only what the limits need.
	rrs = txts(1500, "_acme-challenge.x%d", strings.Repeat("x", 40)+"%d")
	if err := s.p.Change(t.Context(), "example.com.", rrs, nil); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Calls["POST rrset"] != 5 || st.Invalid > 0 {
		t.Errorf("%+v", st)
	}
	before := s.Stats().Calls["GET rrset"]
	got, err := s.p.(providers.Reader).ReadTXT(t.Context(), "example.com.", []string{"_acme-challenge.x1", "_acme-challenge.x1499", "_acme-challenge.x", "zzz"})
	if err != nil || len(got) != 2 {
		t.Errorf("read %v, %v", got, err)
	}
	if reads := s.Stats().Calls["GET rrset"] - before; reads > 4 {
		t.Errorf("%d reads", reads)
	}
}

// What another writer did in between is kept.
func TestCompareAndSwap(t *testing.T) {
	s := open(t, route53test.Config{PageSize: 3}, nil)
	ctx := t.Context()
	ours := one("x", "ours")
	s.Put("ZPUBLIC", "x.example.com", "TXT", 300, "foreign")
	if err := s.p.Change(ctx, "example.com.", ours, nil); err != nil {
		t.Fatal(err)
	}
	s.Put("ZPUBLIC", "x.example.com", "TXT", 600, "foreign", "ours", "later")
	if err := s.p.Change(ctx, "example.com.", one("x", "second"), nil); err != nil {
		t.Fatal(err)
	}
	if got := s.TXT("x.example.com"); !slices.Equal(got, []string{"foreign", "later", "ours", "second"}) {
		t.Errorf("%q", got)
	}
	// Somebody removed ours: it is added again although it was seen before.
	s.Put("ZPUBLIC", "x.example.com", "TXT", 600, "foreign")
	if err := s.p.Change(ctx, "example.com.", ours, one("x", "second")); err != nil {
		t.Fatal(err)
	}
	if got := s.TXT("x.example.com"); !slices.Equal(got, []string{"foreign", "ours"}) {
		t.Errorf("%q", got)
	}
	// What can never be is refused, so that the broker can find it.
	s.Put("ZPUBLIC", "c.example.com", "CNAME", 300, "elsewhere.test.")
	err := s.p.Change(ctx, "example.com.", one("c", "v"), nil)
	if !errors.Is(err, providers.ErrRefused) || !strings.Contains(err.Error(), "conflicting RRSet of type CNAME") {
		t.Errorf("error %v", err)
	}
}

func TestThrottling(t *testing.T) {
	t.Parallel()
	s := open(t, route53test.Config{Rate: 5, Burst: 2, Busy: 20 * time.Millisecond}, nil)
	for i := range 2 {
		if err := s.p.Change(t.Context(), "example.com.", one("h", fmt.Sprint("v", i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Throttled+st.Prior == 0 {
		t.Errorf("nothing was refused: %+v", st)
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about  string
		change func(*route53.Spec)
		add    func(*route53test.Server)
		zone   string
		calls  string // must be in the calls
		err    string
		never  bool
	}{
		{about: "the public one of two", zone: "example.com."},
		{about: "the one that is named", zone: "example.com.", change: func(s *route53.Spec) { s.HostedZoneID = "/hostedzone/ZPUBLIC" }},
		{about: "one that is named and has another name", zone: "example.com.", change: func(s *route53.Spec) { s.HostedZoneID = "Z0" }},
		{about: "two public ones", zone: "example.com.", add: func(s *route53test.Server) { s.AddZone("ZTWO", "example.com", false, nil) }, err: "2 hosted zones example.com: ZPUBLIC, ZTWO", never: true},
		{about: "none", zone: "example.net.", err: "this account has no hosted zone example.net", never: true},
		{about: "a wrong key", zone: "example.com.", change: func(s *route53.Spec) { s.AccessKeyID = "AKIAWRONG" }, err: "InvalidClientTokenId", never: true},
		{about: "waiting for Route 53's own servers", zone: "example.com.", change: func(s *route53.Spec) { s.WaitForSync = true }},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := open(t, route53test.Config{KeyID: keyID, PageSize: 1, Propagation: 10 * time.Millisecond}, c.change)
			if c.add != nil {
				c.add(s.Server)
			}
			err := s.p.Change(t.Context(), c.zone, one("x", "v"), nil)
			if c.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := s.TXT("x.example.com"); !slices.Equal(got, []string{"v"}) {
					t.Errorf("in the public zone: %q", got)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "canary") {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if _, again := world.RetryAt(err); again == c.never {
				t.Errorf("again: %v", again)
			}
		})
	}
	s := open(t, route53test.Config{PageSize: 1}, nil)
	zones, err := s.p.(libdns.ZoneLister).ListZones(t.Context())
	if err != nil || !slices.Equal(zones, []libdns.Zone{{Name: "example.com."}, {Name: "aaa.test."}}) {
		t.Errorf("zones %v, %v", zones, err)
	}
}

func TestCheck(t *testing.T) {
	providertest.Arguments(t, &route53.Spec{}, &upstream.Provider{})
	for _, s := range []route53.Spec{
		{AccessKeyID: "x"}, {SecretAccessKey: block.NewSecret("env:S")}, {EndpointURL: "x"}, {EndpointURL: "https://u:p@localhost"},
		{AccessKeyID: "x", SecretAccessKey: block.NewSecret("env:S"), Profile: "p"},
	} {
		if len(s.Check()) != 1 {
			t.Errorf("%+v: %v", s, s.Check())
		}
	}
}
