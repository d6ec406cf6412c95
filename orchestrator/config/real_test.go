package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rfc2136"
	"github.com/certform/certform/providers/webhook"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/haproxy"
)

// TestExamplesOfKinds loads the example of real kinds, as docs show them.
func TestExamplesOfKinds(t *testing.T) {
	o := options("")
	o.Sinks = []sinks.Kind{file.Kind(), haproxy.Kind()}
	o.Providers = []providers.Kind{rfc2136.Kind(), webhook.Kind()}
	try := func(kind, example, use string) {
		t.Run(kind, func(t *testing.T) {
			o := o
			o.Dir = write(t, map[string]string{"sound.hcl": sound, "example.hcl": example, "use.hcl": use})
			c, diags := config.Load(o)
			if len(diags) > 0 {
				t.Error(show(c, diags))
			}
		})
	}
	for _, k := range o.Sinks {
		address := strings.Split(k.Example, `"`)
		try("sink "+k.Name, k.Example, fmt.Sprintf("certificate \"c\" {\n  names = [\"www.example.com\"]\n  sinks = [sink.%s.%s]\n}\n", address[1], address[3]))
	}
	for _, k := range o.Providers {
		try("dns "+k.Name, k.Example, aCertificate)
	}
	for _, k := range []config.Kind{config.LocalKind, config.AgeKind} {
		try(k.Name, "certform {\n"+k.Example+"}\n", aCertificate)
	}
	try("issuer", strings.Replace(config.ACMEKind.Example, `"letsencrypt" {`, `"other" {`, 1), aCertificate+"certform {\n  issuers = [issuer.acme.other]\n}\n")
}

// TestOneFile: two certificates cannot write one file, whichever sinks and
// spellings they use.
func TestOneFile(t *testing.T) {
	at := t.TempDir()
	if err := os.Symlink(at, at+"/link"); err != nil {
		t.Fatal(err)
	}
	const first = "sink \"file\" \"a\" {\n  combined = \"AT/x/tls.pem\"\n}\n"
	const folder = "sink \"file\" \"a\" {\n  directory = \"AT/x\"\n}\n"
	for _, c := range []struct {
		name, a, b string
		line       int // of the second sink's argument; 0: no mistake
	}{
		{"another path", first, "sink \"file\" \"b\" {\n  combined = \"AT/y/tls.pem\"\n}\n", 0},
		{"another spelling", first, "sink \"file\" \"b\" {\n  combined = \"AT/./y//../x/tls.pem\"\n}\n", 5},
		{"relative", first, "sink \"file\" \"b\" {\n  combined = \"REL/x/tls.pem\"\n}\n", 5},
		{"a symbolic link", first, "sink \"file\" \"b\" {\n  combined = \"AT/link/x/tls.pem\"\n}\n", 5},
		{"haproxy here", first, "sink \"haproxy\" \"b\" {\n  address = \"/run/h.sock\"\n  file = \"AT/x/tls.pem\"\n}\n", 6},
		{"haproxy here, by TCP", first, "sink \"haproxy\" \"b\" {\n  address = \"127.0.0.1:9999\"\n  file = \"AT/x/tls.pem\"\n  local = true\n}\n", 6},
		{"haproxy elsewhere", first, "sink \"haproxy\" \"b\" {\n  address = \"10.0.0.1:9999\"\n  file = \"AT/x/tls.pem\"\n}\n", 0},
		{"inside the directory", folder, "sink \"file\" \"b\" {\n  combined = \"AT/link/x/fullchain.pem\"\n}\n", 5},
		{"beside the four names", folder, first[:len("sink \"file\" \"")] + "b" + first[len("sink \"file\" \"a"):], 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options("")
			o.Sinks = []sinks.Kind{file.Kind(), haproxy.Kind()}
			text := c.a + c.b + "certificate \"a\" {\n  names = [\"a.example.com\"]\n  sinks = [sink.file.a]\n}\ncertificate \"b\" {\n  names = [\"b.example.com\"]\n  sinks = [sink." + strings.Split(c.b, `"`)[1] + ".b]\n}\n"
			o.Dir = write(t, map[string]string{"sound.hcl": sound})
			rel, err := filepath.Rel(o.Dir, at)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, o.Dir, "main.hcl", strings.NewReplacer("AT", at, "REL", rel).Replace(text))
			cfg, diags := config.Load(o)
			var want []string
			if c.line > 0 {
				want = []string{fmt.Sprintf("main.hcl:%d Two certificates write one target", c.line)}
			}
			if got := found(o.Dir, diags); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v\n%s", got, want, show(cfg, diags))
			}
		})
	}
}

// TestOneFileTwice: two instances of HAProxy on this machine may share the
// file of a certificate.
func TestOneFileTwice(t *testing.T) {
	o := options(write(t, map[string]string{"sound.hcl": sound, "main.hcl": "sink \"haproxy\" \"h\" {\n  for_each = [\"a\", \"b\"]\n  address = \"/run/${each.key}.sock\"\n  file = \"/etc/h/${certificate.name}.pem\"\n}\ncertificate \"c\" {\n  names = [\"c.example.com\"]\n  sinks = [sink.haproxy.h]\n}\n"}))
	o.Sinks = []sinks.Kind{haproxy.Kind()}
	if c := load(t, o); len(c.Certificates[0].Places) != 2 {
		t.Errorf("%+v", c.Certificates[0].Places)
	}
}
