package cert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

func TestParseDNS(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	long := strings.Repeat(label63+".", 3) // 192 octets
	for _, c := range []struct {
		in, want, fails string
	}{
		{in: "example.com", want: "example.com"},
		{in: "Example.COM.", want: "example.com"},
		{in: "*.Example.com", want: "*.example.com"},
		{in: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{in: "bücher.example", want: "xn--bcher-kva.example"},
		{in: "*.BÜCHER.example.", want: "*.xn--bcher-kva.example"},
		{in: "faß.example", want: "xn--fa-hia.example"},
		{in: "a-b.c1.example", want: "a-b.c1.example"},
		{in: "1.example", want: "1.example"},
		{in: label63 + ".example", want: label63 + ".example"},
		{in: long + strings.Repeat("b", 61), want: long + strings.Repeat("b", 61)}, // 253
		{in: "", fails: "empty"},
		{in: ".", fails: "empty"},
		{in: "*.", fails: "wildcard"},
		{in: "*", fails: "wildcard"},
		{in: "a.*.example", fails: "first label"},
		{in: "*.*.example", fails: "first label"},
		{in: "w*.example.com", fails: "first label"},
		{in: "localhost", fails: "two labels"},
		{in: "*.com", fails: "two labels"},
		{in: "a..example", fails: "empty"},
		{in: ".example.com", fails: "empty"},
		{in: "example.com..", fails: "empty"},
		{in: "-a.example", fails: "not a DNS name"},
		{in: "a-.example", fails: "not a DNS name"},
		{in: "a_b.example", fails: `'_'`},
		{in: "_acme-challenge.example.com", fails: `'_'`},
		{in: "a b.example", fails: `' '`},
		{in: "https://example.com", fails: `':'`},
		{in: "example.com:443", fails: `':'`},
		{in: "ops@example.com", fails: `'@'`},
		{in: "192.0.2.1", fails: "IP address"},
		{in: "a.example.1", fails: "IP address"},
		{in: label63 + "a.example", fails: "63"},
		{in: long + strings.Repeat("b", 62), fails: "253"},
		{in: "xn--zzzzzzzzzz-.example", fails: "not a DNS name"},
		{in: "example\x00.com", fails: "DNS name"},
		{in: "example.com\n", fails: "DNS name"},
	} {
		got, err := cert.ParseDNS(c.in)
		switch {
		case c.fails == "" && (err != nil || got != cert.Name{Kind: cert.DNS, Value: c.want}):
			t.Errorf("%q: %v, %v, should be %q", c.in, got, err, c.want)
		case c.fails != "" && err == nil:
			t.Errorf("%q is %q, and should not be a name", c.in, got)
		case c.fails != "" && !strings.Contains(err.Error(), c.fails):
			t.Errorf("%q: %q does not say %q", c.in, err, c.fails)
		}
		if err != nil {
			continue
		}
		if again, err := cert.ParseDNS(got.Value); err != nil || again != got {
			t.Errorf("%q is canonical as %q, which is %q, %v", c.in, got, again, err)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		name, host string
		want       bool
	}{
		{"example.com", "example.com", true},
		{"example.com", "www.example.com", false},
		{"*.example.com", "www.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "a.b.example.com", false},
		{"*.example.com", "www.example.net", false},
		{"*.example.com", "wwwexample.com", false},
		{"*.example.com", "com", false},
		{"*.example.com", ".example.com", false},
	} {
		n, err := cert.ParseDNS(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Covers(c.host); got != c.want {
			t.Errorf("%s covers %q: %v", n, c.host, got)
		}
	}
}

func TestNameForPeople(t *testing.T) {
	n, err := cert.ParseDNS("*.bücher.example")
	if err != nil {
		t.Fatal(err)
	}
	if n.Unicode() != "*.bücher.example" || n.Base() != "xn--bcher-kva.example" || !n.Wildcard() {
		t.Errorf("%q %q %v", n.Unicode(), n.Base(), n.Wildcard())
	}
	if n, _ := cert.ParseDNS("example.com"); n.Unicode() != "" {
		t.Errorf("%q is no different from what it is", n.Unicode())
	}
}

func TestEndpointID(t *testing.T) {
	for want, e := range map[string]cert.Endpoint{
		"www.example.com:443":                {Address: "www.example.com", Port: 443, ServerName: "www.example.com"},
		"10.0.0.1:443/www.example.com":       {Address: "10.0.0.1", Port: 443, ServerName: "www.example.com"},
		"[2001:db8::1]:8443/www.example.com": {Address: "2001:db8::1", Port: 8443, ServerName: "www.example.com"},
		"www.example.com:443 (rsa)":          {Address: "www.example.com", Port: 443, ServerName: "www.example.com", Family: "rsa"},
	} {
		if got := e.ID(); got != want {
			t.Errorf("%q, should be %q", got, want)
		}
	}
}

func TestAnother(t *testing.T) {
	until := time.Date(2026, 12, 6, 15, 0, 0, 0, time.UTC)
	for want, got := range map[string]string{
		"another certificate (sha256 aaaaaaaaaaaa, for a, b, c and 2 more, by R11, until 2026-12-06)": cert.Another("aaaaaaaaaaaabb", []string{"a", "b", "c", "d", "e"}, "R11", until),
		"another certificate (sha256 aaaaaaaaaaaa, for no DNS name, by nobody, until 2026-12-06)":     cert.Another("aaaaaaaaaaaabb", nil, "", until),
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
