package providers_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/miekg/dns"
)

// Where a zone block allows so many values at a name, more certificates wait
// their turn, and none waits longer than that.
func TestMaxValues(t *testing.T) {
	for _, c := range []struct {
		about    string
		most, n  int
		own      int // values of one certificate at the name
		holds    time.Duration
		within   time.Duration
		together bool
		err      string
	}{
		{about: "three at a time", most: 3, n: 10, own: 1, holds: time.Second, within: 12 * time.Second},
		{about: "two each, three at a time", most: 3, n: 5, own: 2, holds: time.Second, within: 15 * time.Second},
		{about: "one", most: 1, n: 4, own: 1, holds: time.Second, within: 12 * time.Second},
		{about: "no limit", most: 0, n: 10, own: 2, holds: time.Second, within: 4 * time.Second, together: true},
		{about: "one certificate needs more", most: 2, n: 1, own: 3, err: "one certificate needs more than 2 TXT values at t.example.com at once, and max_values of zone example.com allows no more"},
	} {
		t.Run(c.about, func(t *testing.T) {
			play(t, setup{zones: []providers.Zone{{Address: "zone.x", Name: "example.com", DNS: []string{"dns.m.a"}, MaxValues: c.most}}}, func(s *scene) {
				const name = "t.example.com"
				var high atomic.Int32
				var wg sync.WaitGroup
				began := time.Now()
				for i := range c.n {
					found := s.find("example.com")
					ticket := s.zones.Expect([]providers.Found{found})
					wg.Go(func() {
						defer ticket.Done()
						var values []providers.Value
						for j := range c.own {
							values = append(values, value(name, fmt.Sprint(i, " ", j)))
						}
						err := s.zones.Present(s.t.Context(), ticket, values)
						if c.err != "" {
							if err == nil || !strings.Contains(err.Error(), c.err) {
								t.Errorf("error %v", err)
							}
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						for have := int32(len(s.net.TXT(name))); ; {
							if old := high.Load(); have <= old || high.CompareAndSwap(old, have) {
								break
							}
						}
						time.Sleep(c.holds)
						ticket.Done()
						if left := s.zones.Clean(s.t.Context(), values); len(left) > 0 {
							t.Error(left[0].Err)
						}
					})
				}
				wg.Wait()
				if c.most > 0 && int(high.Load()) > c.most {
					t.Errorf("%d values at once", high.Load())
				}
				if c.together && int(high.Load()) != c.n*c.own {
					t.Errorf("%d values at once", high.Load())
				}
				if took := time.Since(began); c.err == "" && took > c.within {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// A zone's own resolvers are asked in the way that the block says, and only
// they.
func TestResolvers(t *testing.T) {
	n := dnstest.New()
	defer n.Close()
	ns := n.AddServer("ns1.dns.test", "192.0.2.1")
	n.AddZone("example.com", ns).Add("_acme-challenge.c CNAME c.example.net.")
	n.AddZone("example.net")
	recursor := n.AddResolver("192.0.2.99")
	addr, err := n.ServeLoopback(recursor, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mode atomic.Value
	mode.Store("")
	var asked atomic.Int32
	web := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		q := new(dns.Msg)
		if err := q.Unpack(body); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/dns-message" || q.Id != 0 || !q.RecursionDesired {
			t.Errorf("%s %v %v: %v", r.Method, r.Header, q, err)
		}
		switch mode.Load() {
		case "503":
			http.Error(rw, "busy", http.StatusServiceUnavailable)
			return
		case "html":
			fmt.Fprint(rw, "<html>")
			return
		}
		c := &dns.Client{Net: "tcp"}
		a, _, err := c.Exchange(q, addr.String())
		if err != nil {
			t.Error(err)
			return
		}
		packed, _ := a.Pack()
		rw.Header().Set("Content-Type", "application/dns-message")
		_, _ = rw.Write(packed)
	}))
	defer web.Close()
	at, _ := url.Parse(web.URL)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, root, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		resolver, mode, network, warn string
		caFile                        string
	}{
		{resolver: addr.String(), network: "udp"},
		{resolver: "udp://" + addr.String(), network: "udp"},
		{resolver: "tcp://" + addr.String(), network: "tcp"},
		{resolver: "https://" + at.Host + "/dns-query", network: "https"},
		{resolver: "https://" + at.Host + "/dns-query", mode: "ca_file", network: "https", caFile: caFile},
		{resolver: "https://" + at.Host + "/dns-query", mode: "no roots", warn: "unknown authority"},
		{resolver: "https://" + at.Host + "/dns-query", mode: "no file", caFile: caFile + ".not", warn: "read ca_file"},
		{resolver: "https://" + at.Host + "/dns-query", mode: "503", warn: "HTTP status 503"},
		{resolver: "https://" + at.Host + "/dns-query", mode: "html", warn: "which is no DNS message"},
		{resolver: "https://127.0.0.1:1/dns-query", warn: "resolver https://127.0.0.1:1/dns-query does not answer"},
		{resolver: "tcp://127.0.0.1:1", warn: "resolver tcp://127.0.0.1:1 does not answer"},
	} {
		t.Run(c.resolver+" "+c.mode, func(t *testing.T) {
			mode.Store(c.mode)
			before, web := recursor.Stats(), asked.Load()
			// Only what the block names can be reached.
			w := &world.World{Roots: pool, Lookup: n.LookupHost, Resolvers: func() []string { return []string{"192.0.2.1:53"} }}
			d := net.Dialer{}
			w.Dial = d.DialContext
			if c.caFile != "" || c.mode == "no roots" {
				w.Roots = x509.NewCertPool()
			}
			zones := providers.NewZones(w, providers.Options{
				DNS:   []providers.DNS{providertest.Memory("dns.m.a", "a", n.NewHost(dnstest.HostConfig{}), "example.com", "example.net")},
				Zones: []providers.Zone{{Address: "zone.x", Name: "example.com", Resolvers: []string{c.resolver}, ResolversCA: c.caFile, Nameservers: []string{"127.0.0.1:1"}}},
			})
			defer zones.Close()
			f, err := zones.Find(t.Context(), dnsName("c.example.com"))
			if err != nil {
				t.Fatal(err)
			}
			if c.warn != "" {
				if warned := strings.Join(f.Warnings, "\n"); !strings.Contains(warned, c.warn) {
					t.Errorf("warnings %q", warned)
				}
				return
			}
			if f.Target != "c.example.net." {
				t.Errorf("target %s, warnings %q", f.Target, f.Warnings)
			}
			after := recursor.Stats()
			switch c.network {
			case "udp":
				if after.UDP == before.UDP {
					t.Error("not asked over UDP")
				}
			case "tcp":
				if after.UDP > before.UDP || after.TCP == before.TCP {
					t.Errorf("before %+v, after %+v", before, after)
				}
			case "https":
				if asked.Load() == web {
					t.Error("not asked over HTTPS")
				}
			}
		})
	}
}
