package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// FuzzLoad: no configuration makes Load panic, and every diagnostic points
// into a file that is there.
func FuzzLoad(f *testing.F) {
	for _, path := range []string{"testdata/site/main.hcl", "testdata/fleet/main.hcl"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), false)
	}
	f.Add("variable \"v\" {\n  type = object({ a = optional(string, \"x\") })\n  validation {\n    condition = can(var.v.a)\n    error_message = \"no\"\n  }\n}\n", false)
	f.Add("locals {\n  a = [for x in local.b : x...]\n  b = { (secret(\"env:X\")) = sink.file.a }\n}\nsink \"file\" \"a\" {\n  for_each = toset([\"x\", null])\n  endpoint {\n    port = certificate.names\n  }\n}\n", false)
	f.Add(`{"certificate": {"x": {"for_each": {"a": 1}, "names": "${each.value}", "sinks": ["${sink}"]}}, "sink": [{"file": {"a": [{"combined": "${certificate}"}]}}]}`, true)
	f.Add("certform {\n  include = [\"/*\"]\n}\n", false)
	f.Add("zone \"*\" {\n  dns = [dns]\n  nameservers = [1, {}]\n}\ndns \"cloudflare\" \"x\" {\n  zones = secret(\"env:A\")\n  api_token = secret(secret(\"env:A\"))\n}\n", false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, json bool) {
		if strings.Contains(text, "include") || strings.Contains(text, "file") && strings.ContainsAny(text, "*") {
			text = strings.NewReplacer("include", "includ", "fileset", "filest").Replace(text) // no walks through the machine
		}
		name := "main.hcl"
		if json {
			name = "main.hcl.json"
		}
		for _, old := range []string{"main.hcl", "main.hcl.json"} {
			_ = os.Remove(filepath.Join(dir, old))
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, diags := config.Load(options(dir))
		for _, d := range diags {
			if d.Summary == "" || d.Detail == "" {
				t.Errorf("a diagnostic without a sentence: %+v", d)
			}
			if d.Subject == nil {
				if d.Summary != "No certificate" {
					t.Errorf("a diagnostic without a place: %v", d)
				}
				continue
			}
			if d.Summary == "File cannot be read" {
				continue
			}
			file := c.Files()[d.Subject.Filename]
			if file == nil || !d.Subject.CanSliceBytes(file.Bytes) {
				t.Errorf("a diagnostic outside of every file: %v", d)
			}
		}
		if text := show(c, diags); text == "" && diags.HasErrors() {
			t.Error("errors that nobody sees")
		}
	})
}
