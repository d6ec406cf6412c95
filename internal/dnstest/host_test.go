package dnstest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/libdns/libdns"
)

var _ interface {
	libdns.RecordAppender
	libdns.RecordDeleter
	libdns.RecordGetter
	libdns.ZoneLister
} = (*dnstest.Host)(nil)

func txt(name, value string) []libdns.RR {
	return []libdns.RR{{Name: name, Type: "TXT", Data: value, TTL: time.Minute}}
}

func TestHostAsLibdns(t *testing.T) {
	n := dnstest.New()
	defer n.Close()
	z := n.AddZone("example.com")
	h := n.NewHost(dnstest.HostConfig{MaxChanges: 3}, z)
	ctx := t.Context()
	long := strings.Repeat("long ", 80)
	recs := []libdns.Record{
		libdns.TXT{Name: "_acme-challenge", Text: "one", TTL: time.Minute},
		libdns.TXT{Name: "_acme-challenge", Text: "two", TTL: time.Minute},
		libdns.TXT{Name: "x", Text: long},
	}
	if _, err := h.AppendRecords(ctx, "example.com.", recs); err != nil {
		t.Fatal(err)
	}
	var e *dnstest.HostError
	if _, err := h.AppendRecords(ctx, "example.com", append(recs, recs...)); !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("over the most changes: %v", err)
	}
	if got := n.TXT("x.example.com"); len(got) != 1 || got[0] != long {
		t.Errorf("a long value came back as %q", got)
	}
	// Without TTL, exact value: the sibling stays.
	deleted, err := h.DeleteRecords(ctx, "example.com", []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "one"}})
	if err != nil || len(deleted) != 1 {
		t.Errorf("delete: %v %v", deleted, err)
	}
	if _, ok := deleted[0].(libdns.TXT); !ok {
		t.Errorf("deleted record is a %T", deleted[0])
	}
	if deleted, err := h.DeleteRecords(ctx, "example.com", []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "one"}}); err != nil || len(deleted) != 0 {
		t.Errorf("delete of nothing: %v %v", deleted, err)
	}
	got, err := h.GetRecords(ctx, "example.com")
	if err != nil || len(got) != 2 {
		t.Errorf("records: %v %v", got, err)
	}
	if _, err := h.GetRecords(ctx, "example.net"); !errors.As(err, &e) || e.Status != 404 {
		t.Errorf("foreign zone: %v", err)
	}
	if zones, err := h.ListZones(ctx); err != nil || len(zones) != 1 || zones[0].Name != "example.com." {
		t.Errorf("zones: %v %v", zones, err)
	}

	h.FailNext(dnstest.Refuse, dnstest.Fail, dnstest.LoseReply)
	for i, kept := range []bool{false, true, true} {
		name := fmt.Sprintf("f%d", i)
		if err := h.Change(ctx, "example.com", txt(name, "v"), nil); err == nil {
			t.Errorf("outcome %d: no error", i)
		}
		if got := n.TXT(name + ".example.com"); (len(got) == 1) != kept {
			t.Errorf("outcome %d: holds %v", i, got)
		}
	}
	if s := h.Stats(); s.Calls["append"] != 2 || s.Calls["change"] != 3 || s.Total != 10 || s.Largest != 3 {
		t.Errorf("stats: %+v", s)
	}
}

func TestHostPaceAndLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		z := n.AddZone("example.com")
		h := n.NewHost(dnstest.HostConfig{Latency: 100 * time.Millisecond, Rate: 5, Burst: 2}, z)
		begin := time.Now()
		var e *dnstest.HostError
		for i := range 3 {
			err := h.Change(t.Context(), "example.com", txt("t", fmt.Sprint(i)), nil)
			if err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if d := time.Since(begin); d != 300*time.Millisecond {
			t.Errorf("three calls took %s", d)
		}
		paced := 0
		for range 5 {
			if err := h.Change(t.Context(), "example.com", txt("t", "x"), nil); errors.As(err, &e) && e.Status == 429 && e.RetryAfter == time.Second {
				paced++
			}
		}
		if paced != 3 || h.Stats().Paced != 3 {
			t.Errorf("%d of 5 calls in half a second were refused, counted %d; want 3", paced, h.Stats().Paced)
		}
		h.Configure(func(c *dnstest.HostConfig) { c.Rate = 0 })
		h.FailNext(dnstest.NoAnswer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin = time.Now()
		if _, err := h.ListZones(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("no answer: %v after %s", err, time.Since(begin))
		}
	})
}

// TestWebhook runs the protocol in a bubble through an http.Server on an in-memory listener, over TLS.
func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		z := n.AddZone("example.com")
		h := n.NewHost(dnstest.HostConfig{Token: "tok", Rate: 5, Burst: 20, MaxChanges: 4}, z)
		ts := httptest.NewUnstartedServer(nil)
		ts.StartTLS() // only for its certificate
		cert := ts.TLS.Certificates[0]
		ts.Close()
		srv := &http.Server{Handler: http.StripPrefix("/api", h.Handler())}
		l := n.Listen("dns-host.test:443")
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}))
		}()
		defer func() { srv.Close(); <-done }()
		tr := &http.Transport{DialContext: n.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer tr.CloseIdleConnections()
		do := func(method, path, token, body string) (int, string, http.Header) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, "https://dns-host.test/api"+path, bytes.NewReader([]byte(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := tr.RoundTrip(req)
			if err != nil {
				return 0, err.Error(), nil
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, strings.TrimSpace(string(b)), res.Header
		}
		const v = `{"op":"add","name":"_acme-challenge.example.com.","type":"TXT","value":"v1","ttl":60}`
		for _, tt := range []struct {
			method, path, token, body string
			status                    int
			want                      string
		}{
			{"GET", "/zones", "tok", "", 200, `["example.com"]`},
			{"GET", "/zones", "no", "", 401, ""},
			{"POST", "/zones/example.com/changes", "tok", `{"changes":[` + v + `,` + strings.Replace(v, "v1", "v2", 1) + `]}`, 200, ""},
			{"GET", "/zones/example.com./records", "tok", "", 200,
				`[{"name":"_acme-challenge.example.com","type":"TXT","value":"v1","ttl":60},{"name":"_acme-challenge.example.com","type":"TXT","value":"v2","ttl":60}]`},
			{"POST", "/zones/example.com./changes", "tok", `{"changes":[` + strings.Replace(v, "add", "delete", 1) + `]}`, 200, ""},
			{"POST", "/zones/example.com/changes", "tok", `{"changes":[` + strings.Repeat(v+",", 4) + v + `]}`, 400, ""},
			{"POST", "/zones/example.com/changes", "tok", `{"changes":[` + strings.Replace(v, "example.com", "example.net", 1) + `]}`, 400, ""},
			{"POST", "/zones/example.com/changes", "tok", `{"changes":[` + strings.Replace(v, "add", "set", 1) + `]}`, 400, ""},
			{"POST", "/zones/example.com/changes", "tok", `{`, 400, ""},
			{"GET", "/zones/example.net/records", "tok", "", 404, ""},
		} {
			status, body, _ := do(tt.method, tt.path, tt.token, tt.body)
			if status != tt.status || tt.want != "" && body != tt.want {
				t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
			}
		}
		if got := n.TXT("_acme-challenge.example.com"); !slices.Equal(got, []string{"v2"}) {
			t.Errorf("left: %v", got)
		}
		var paced http.Header
		for range 30 {
			status, _, hd := do("GET", "/zones", "tok", "")
			if status == 429 {
				paced = hd
				break
			}
		}
		if paced.Get("Retry-After") != "1" {
			t.Errorf("over the pace: %v", paced)
		}
		h.Configure(func(c *dnstest.HostConfig) { c.Rate = 0 })
		h.FailNext(dnstest.LoseReply)
		if status, msg, _ := do("POST", "/zones/example.com/changes", "tok", `{"changes":[`+strings.Replace(v, "v1", "v3", 1)+`]}`); status != 0 {
			t.Errorf("a lost reply: %d %s", status, msg)
		}
		if got := n.TXT("_acme-challenge.example.com"); !slices.Equal(got, []string{"v2", "v3"}) {
			t.Errorf("left: %v", got)
		}
		if _, err := n.Dial(t.Context(), "tcp", "unknown.test:443"); err == nil {
			t.Error("an unknown name is dialled")
		}
		n.Unroute("::/0")
		var d *net.OpError
		if _, err := n.Dial(t.Context(), "tcp", "[2001:db8::1]:443"); !errors.As(err, &d) || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("no route: %v", err)
		}
	})
}
