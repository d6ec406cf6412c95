package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/rig"
	"github.com/certform/certform/providers/cloudflare/cloudflaretest"
	"github.com/certform/certform/providers/route53/route53test"
)

const hostZone = "host.test"

// dnsHost is a DNS host with a zone, host.test, in which somebody else has a
// TXT value, "foreign", at _acme-challenge.host.test.
type dnsHost struct {
	w     *town
	block string          // dns "..." "h"
	read  func() []string // what the zone holds
}

// foreignTXT is somebody else's value where ours come and go.
const foreignTXT = "foreign"

var dnsHosts = []struct {
	name  string
	start func(t *testing.T, d *desk) *dnsHost
}{
	{"BIND", func(t *testing.T, d *desk) *dnsHost {
		s := rig.BIND(t, rig.BINDConfig{Zones: []string{hostZone}})
		s.Add(t, hostZone, "_acme-challenge."+hostZone+". 300 IN TXT "+foreignTXT)
		w := townAt(t, s.Nameserver, hostZone)
		return &dnsHost{w: w, block: w.dns("h", hostZone), read: func() []string { return w.zone(hostZone) }}
	}},
	{"Knot", func(t *testing.T, d *desk) *dnsHost {
		s := rig.Knot(t, rig.KnotConfig{Zones: []string{hostZone}})
		s.Add(t, hostZone, "_acme-challenge."+hostZone+". 300 IN TXT "+foreignTXT)
		w := townAt(t, s.Nameserver, hostZone)
		return &dnsHost{w: w, block: w.dns("h", hostZone), read: func() []string { return w.zone(hostZone) }}
	}},
	{"PowerDNS", func(t *testing.T, d *desk) *dnsHost {
		s := rig.PowerDNS(t, rig.PowerDNSConfig{Zones: []string{hostZone}})
		s.Do(t, http.MethodPatch, "/api/v1/servers/localhost/zones/"+hostZone+".", map[string]any{"rrsets": []any{map[string]any{
			"name": "_acme-challenge." + hostZone + ".", "type": "TXT", "ttl": 300, "changetype": "REPLACE",
			"records": []any{map[string]any{"content": `"` + foreignTXT + `"`}},
		}}})
		w := townAt(t, s.Nameserver, hostZone)
		d.env = append(d.env, "PDNS_KEY="+s.Key)
		return &dnsHost{w: w, read: func() []string { return w.zone(hostZone) }, block: fmt.Sprintf(`dns "powerdns" "h" {
  server_url = %q
  api_token  = secret("env:PDNS_KEY")
}
`, s.URL)}
	}},
	{"a program at BIND", startProgram},
	{"Route 53 by moto", startMoto},
	{"Route 53, strict", func(t *testing.T, d *desk) *dnsHost {
		w := newTown(t, hostZone)
		fake := route53test.New(w.net, route53test.Config{KeyID: "AKIAIOSFODNN7EXAMPLE", Rate: 5, Burst: 5,
			Busy: 100 * time.Millisecond, Propagation: 700 * time.Millisecond, PageSize: 2})
		fake.AddZone("ZPRIVATE", hostZone, true, nil)
		fake.AddZone("ZPUBLIC", hostZone, false, w.net.Zone(hostZone))
		fake.Put("ZPUBLIC", "_acme-challenge."+hostZone, "TXT", 300, foreignTXT)
		return &dnsHost{w: w, block: route53Block(d, httpServer(t, fake)), read: func() []string { return append(fake.TXT("_acme-challenge."+hostZone), w.net.AllTXT()...) }}
	}},
	{"Cloudflare, strict", func(t *testing.T, d *desk) *dnsHost {
		w := newTown(t, hostZone)
		fake := cloudflaretest.New(w.net, cloudflaretest.Config{Token: "canary-token-of-cloudflare", MostPerPage: 5, Rate: 4, Burst: 8,
			RetryAfter: time.Second, Propagation: 400 * time.Millisecond})
		id := fake.AddZone(hostZone, "active", w.net.Zone(hostZone))
		fake.Put(id, "_acme-challenge."+hostZone, "TXT", `"`+foreignTXT+`"`)
		d.env = append(d.env, "CF_TOKEN=canary-token-of-cloudflare")
		return &dnsHost{w: w, read: func() []string { return append(fake.TXT("_acme-challenge."+hostZone), w.net.AllTXT()...) }, block: fmt.Sprintf(`dns "cloudflare" "h" {
  api_token = secret("env:CF_TOKEN")
  base_url  = "%s/client/v4"
}
`, httpServer(t, fake))}
	}},
}

func httpServer(t testing.TB, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func route53Block(d *desk, url string) string {
	d.env = append(d.env, "R53_SECRET=canary-secret-of-route53")
	return fmt.Sprintf(`dns "route53" "h" {
  endpoint_url      = %q
  access_key_id     = "AKIAIOSFODNN7EXAMPLE"
  secret_access_key = secret("env:R53_SECRET")
}
`, url)
}

// startMoto starts moto with a name server that shows what moto holds: moto
// itself answers no DNS.
func startMoto(t *testing.T, d *desk) *dnsHost {
	s := rig.Moto(t)
	client := route53.New(route53.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "rig", "")})
	zone, err := client.CreateHostedZone(t.Context(), &route53.CreateHostedZoneInput{Name: aws.String(hostZone), CallerReference: aws.String("1")})
	must(t, err)
	_, err = client.ChangeResourceRecordSets(t.Context(), &route53.ChangeResourceRecordSetsInput{HostedZoneId: zone.HostedZone.Id,
		ChangeBatch: &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: &types.ResourceRecordSet{
			Name: aws.String("_acme-challenge." + hostZone), Type: types.RRTypeTxt, TTL: aws.Int64(300),
			ResourceRecords: []types.ResourceRecord{{Value: aws.String(`"` + foreignTXT + `"`)}},
		}}}}})
	must(t, err)
	list := func(name string) (out []string) {
		got, err := client.ListResourceRecordSets(context.Background(), &route53.ListResourceRecordSetsInput{HostedZoneId: zone.HostedZone.Id})
		if err != nil {
			return nil
		}
		for _, set := range got.ResourceRecordSets {
			if set.Type != types.RRTypeTxt || name != "" && dns.CanonicalName(*set.Name) != dns.CanonicalName(name) {
				continue
			}
			for _, r := range set.ResourceRecords {
				out = append(out, strings.Trim(*r.Value, `"`))
			}
		}
		return sorted(out)
	}
	w := townAt(t, rig.Nameserver{Addr: nameServer(t, list)}, hostZone)
	return &dnsHost{w: w, block: route53Block(d, s.URL), read: func() []string { return list("") }}
}

// nameServer answers for TXT what lookup says, with authority, and nothing else.
func nameServer(t *testing.T, lookup func(name string) []string) (addr string) {
	t.Helper()
	handler := dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		a.Authoritative = true
		if q.Question[0].Qtype == dns.TypeTXT {
			for _, v := range lookup(q.Question[0].Name) {
				a.Answer = append(a.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{v}})
			}
		}
		_ = rw.WriteMsg(a) // whoever asked may have gone
	})
	addr = rig.Addr(t)
	packets, err := net.ListenPacket("udp", addr)
	must(t, err)
	stream, err := net.Listen("tcp", addr)
	must(t, err)
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.ActivateAndServe() // ends by Shutdown
		}()
		t.Cleanup(func() {
			_ = s.Shutdown()
			<-ended
		})
	}
	return addr
}

// Every DNS host takes and gives back exactly our values: a wildcard beside its
// apex, many certificates at once, somebody else's value in the middle.
func TestDNSHosts(t *testing.T) {
	t.Parallel()
	for _, c := range dnsHosts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			h := c.start(t, d)
			before := h.read()
			if !strings.Contains(strings.Join(before, "\n"), foreignTXT) {
				t.Fatalf("the foreign value is not there: %q", before)
			}
			h.w.config(d) // its files
			d.config(h.w.issuer("ca"), h.block, h.w.zoneBlocks(), fmt.Sprintf(`sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "site" {
  names = ["%[1]s", "*.%[1]s"]
  sinks = [sink.file.web]
}
certificate "deep" {
  names = ["*.a.b.%[1]s", "a.b.%[1]s", "c.%[1]s"]
  sinks = [sink.file.web]
}
certificate "h" {
  for_each = [for i in range(8) : tostring(i)]
  names    = ["h${each.key}.%[1]s"]
  sinks    = [sink.file.web]
}
`, hostZone))
			d.want(2, "plan", "-detailed-exitcode").says(t, "zone "+hostZone)
			for i, args := range [][]string{nil, {"-replace=site", "-replace=deep"}} {
				if i == 1 { // the proofs of the first time are good for nothing now
					h.w.ca.Configure(func(c *acmetest.Config) { c.AuthzReuse = -1 })
				}
				r := d.apply(args...)
				t.Logf("%.1f s", r.took.Seconds())
				// Hosts take changes back at once; their servers may lag.
				until(t, 3*time.Second, "the zone is as it was", func() error {
					if after := h.read(); !slices.Equal(after, before) {
						return fmt.Errorf("it held %q and holds %q: %s", before, after, r)
					}
					return nil
				})
			}
			d.atRest()
			if n := h.w.ordersMade(); n != 12 {
				t.Errorf("%d orders, want 12", n)
			}
			secrets := canaries{}
			for _, e := range d.env {
				if name, value, _ := strings.Cut(e, "="); strings.HasSuffix(name, "_KEY") || strings.HasSuffix(name, "_TOKEN") || strings.HasSuffix(name, "_SECRET") {
					secrets.secret(name, value)
				}
			}
			secrets.searchDesk(t, d, "tsig.key")
		})
	}
}

// Where a server has addresses of both families both are asked, and an account
// may be reached by either.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	const zone = "six.test"
	both := rig.BIND(t, rig.BINDConfig{Zones: []string{zone}, IPv6: true})
	four := rig.BIND(t, rig.BINDConfig{Zones: []string{zone}})
	_, port, _ := net.SplitHostPort(both.Addr)
	_, deaf, _ := net.SplitHostPort(four.Addr)
	for _, s := range []*rig.BINDServer{both, four} {
		s.Add(t, zone, "ns1."+zone+". 60 IN AAAA ::1")
	}
	w := townAt(t, both.Nameserver, zone)
	d := newDesk(t)
	w.config(d)
	config := func(port string) {
		d.config(w.issuer("ca"), strings.ReplaceAll(w.dns("ns", zone), "127.0.0.1", "[::1]"), fmt.Sprintf(`zone %q {
  nameservers = ["ns1.%[1]s:%s"]
  resolvers   = ["127.0.0.1:%[2]s"]
  max_wait    = "10s"
}
sink "file" "web" {
  directory = "tls"
}
certificate "site" {
  names = ["%[1]s", "*.%[1]s"]
  sinks = [sink.file.web]
}
`, zone, port))
	}
	config(port)
	d.want(0, "doctor", "-write").says(t, "seen at 2 servers")
	d.apply()
	d.atRest()
	config(deaf)
	d.want(0, "plan", "-replace=site").says(t, "[::1]:"+deaf+") does not answer")
}

// A secondary that lags behind its primary is waited for: a CA that asks it
// right after us finds the value.
func TestLaggingSecondary(t *testing.T) {
	t.Parallel()
	primary := rig.BIND(t, rig.BINDConfig{Zones: []string{"lag.test"}, NotifyDelay: 6})
	secondary := rig.Knot(t, rig.KnotConfig{Primary: primary})
	w := townAt(t, primary.Nameserver, "lag.test")
	w.ca.Configure(func(c *acmetest.Config) { c.Lookup = lookup(secondary.Addr) })
	d := newDesk(t)
	w.config(d)
	d.config(w.issuer("ca"), w.dns("ns", "lag.test"), zoneBlock("lag.test", primary.Addr, secondary.Addr), site("lag.test"))
	// BIND's delay is the least time between two NOTIFYs: the secondary lags only
	// behind a change that comes soon after one that it was told of.
	primary.Add(t, "lag.test", `told.lag.test. 60 IN TXT "now"`)
	until(t, 20*time.Second, "the secondary has the first change", func() error {
		if len(secondary.TXT(t, "told.lag.test")) == 0 {
			return errors.New("it has not")
		}
		return nil
	})
	r := d.apply("-json")
	if r.took < 2*time.Second {
		t.Errorf("it took %s: there was nothing to wait for", r.took)
	}
	// Who is waited for is named, and by whom the time was spent.
	var propagated struct {
		Seconds float64 `json:"took_seconds"`
	}
	for line := range strings.Lines(r.out) {
		var e struct {
			Type    string  `json:"type"`
			Seconds float64 `json:"took_seconds"`
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Type == "propagated" && e.Seconds > propagated.Seconds {
			propagated.Seconds = e.Seconds
		}
	}
	if propagated.Seconds < 1 {
		t.Errorf("the events tell of %.1f s of propagation: %s", propagated.Seconds, r)
	}
	w.clean()
	d.atRest()

	// One that never gets it is named.
	dead := rig.Addr(t)
	d.config(w.issuer("ca"), w.dns("ns", "lag.test"),
		strings.Replace(zoneBlock("lag.test", primary.Addr, dead), "}", "  max_wait = \"6s\"\n}", 1), site("lag.test"))
	w.ca.Configure(func(c *acmetest.Config) { c.AuthzReuse = -1 })
	d.want(3, "apply", "-auto-approve", "-replace=site", "-cleanup-timeout=10s").says(t, dead)
	w.clean()
}

// A secondary of another make that takes changes over in batches of its own:
// the CA asks nobody else, again and again, and never in vain.
func TestLaggingNSD(t *testing.T) {
	t.Parallel()
	const zone = "nsd.test"
	primary := rig.BIND(t, rig.BINDConfig{Zones: []string{zone}, NotifyDelay: 3})
	secondary := rig.NSD(t, rig.NSDConfig{Primary: primary})
	w := townAt(t, primary.Nameserver, zone)
	var looks, vain atomic.Int32
	ask := lookup(secondary.Addr)
	w.ca.Configure(func(c *acmetest.Config) {
		c.AuthzReuse = -1
		c.Lookup = func(ctx context.Context, name string) ([]string, error) {
			values, err := ask(ctx, name)
			looks.Add(1)
			if err != nil || len(values) == 0 {
				vain.Add(1)
			}
			return values, err
		}
	})
	d := newDesk(t)
	w.config(d)
	d.config(w.issuer("ca"), w.dns("ns", zone), zoneBlock(zone, primary.Addr, secondary.Addr), fmt.Sprintf(`sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "h" {
  for_each = [for i in range(20) : tostring(i)]
  names    = ["h${each.key}.%[1]s", "*.h${each.key}.%[1]s"]
  sinks    = [sink.file.web]
}
`, zone))
	lagged := false
	for round := range 3 {
		args := []string{"-json"}
		if round > 0 {
			args = append(args, "-replace=h")
		}
		r := d.apply(args...)
		lagged = lagged || r.took > 2*time.Second
		t.Logf("%.1f s", r.took.Seconds())
	}
	if !lagged {
		t.Error("there was nothing to wait for")
	}
	if vain.Load() > 0 || looks.Load() < 60 {
		t.Errorf("%d of %d looks of the CA were in vain", vain.Load(), looks.Load())
	}
	if n := w.ordersMade(); n != 60 {
		t.Errorf("%d orders, want 60", n)
	}
	w.clean()
	d.atRest()
}

// A zone that two hosts serve: both get the value and both are waited for, so
// that the CA may ask either; one that is down fails what needs it, by name, and
// nothing else.
func TestTwoProviders(t *testing.T) {
	t.Parallel()
	const zone, other = "both.test", "one.test"
	bind := rig.BIND(t, rig.BINDConfig{Zones: []string{zone, other}})
	pdns := rig.PowerDNS(t, rig.PowerDNSConfig{Zones: []string{zone}})
	w := townAt(t, bind.Nameserver, zone, other)
	var looks, vain atomic.Int32
	w.ca.Configure(func(c *acmetest.Config) {
		c.AuthzReuse = -1
		c.Lookup = func(ctx context.Context, name string) ([]string, error) {
			first, err := lookup(bind.Addr)(ctx, name)
			if err != nil || !strings.HasSuffix(name, zone) {
				return first, err
			}
			second, err := lookup(pdns.Addr)(ctx, name)
			looks.Add(1)
			if err != nil || len(second) == 0 || !slices.Equal(sorted(first), sorted(second)) {
				vain.Add(1)
			}
			return second, err
		}
	})
	d := newDesk(t)
	d.env = append(d.env, "PDNS_KEY="+pdns.Key)
	w.config(d)
	d.config(w.issuer("ca"), w.dns("ns", other), fmt.Sprintf(`dns "rfc2136" "bind" {
  server   = %q
  key_name = %q
  key      = secret("file:tsig.key")
}
dns "powerdns" "pdns" {
  server_url = %q
  api_token  = secret("env:PDNS_KEY")
}
zone %q {
  dns         = [dns.rfc2136.bind, dns.powerdns.pdns]
  nameservers = %s
  resolvers   = ["tcp://%s"]
  max_wait    = "10s"
}
sink "file" "web" {
  directory = "tls/${certificate.name}"
}
certificate "both" {
  names = ["%[4]s", "*.%[4]s", "a.b.%[4]s"]
  sinks = [sink.file.web]
}
certificate "one" {
  names = [%[7]q]
  sinks = [sink.file.web]
}
`, bind.Addr, w.ns.TSIG.Name, pdns.URL, zone, argv(bind.Addr, pdns.Addr), bind.Addr, other), zoneBlock(other, bind.Addr))
	d.want(2, "plan", "-detailed-exitcode").says(t, "zone "+zone, "dns.rfc2136.bind", "dns.powerdns.pdns")
	d.apply()
	if vain.Load() > 0 || looks.Load() < 3 {
		t.Errorf("%d of %d looks found the two hosts differ", vain.Load(), looks.Load())
	}
	left := func() (out []string) {
		for _, ns := range []rig.Nameserver{bind.Nameserver, pdns.Nameserver} {
			for _, rr := range ns.Dump(t, zone) {
				if strings.Contains(rr.String(), "_acme-challenge") {
					out = append(out, rr.String())
				}
			}
		}
		return out
	}
	if l := left(); len(l) > 0 {
		t.Errorf("left: %q", l)
	}
	d.atRest()

	pdns.Stop(t)
	r := d.want(3, "apply", "-auto-approve", "-replace=both", "-replace=one", "-cleanup-timeout=5s")
	r.says(t, "dns.powerdns.pdns")
	if n := w.issuedFor(other); n != 2 {
		t.Errorf("the neighbour was issued %d times, want 2: %s", n, r)
	}
	if n := w.issuedFor(zone, "*."+zone, "a.b."+zone); n != 1 {
		t.Errorf("issued %d times, want 1", n)
	}
}
