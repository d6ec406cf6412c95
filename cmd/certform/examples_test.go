package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exampleSecrets are what the examples ask the environment for.
var exampleSecrets = []string{"CLOUDFLARE_API_TOKEN", "VAULT_SECRET_ID", "TSIG_KEY", "PDNS_API_KEY"}

// TestExamples validates and plans every example as its user would: every
// name finds its zone, every certificate is new, and nothing is made.
func TestExamples(t *testing.T) {
	configs, err := filepath.Glob("../../examples/*/certform.hcl")
	if err != nil || len(configs) < 5 {
		t.Fatalf("the examples are not where they were: %v %v", configs, err)
	}
	for _, file := range configs {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			for _, name := range exampleSecrets {
				t.Setenv(name, "canary-"+name)
			}
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(file))); err != nil {
				t.Fatal(err)
			}
			// Their state is at a place of their own; here it is beside them.
			text, err := os.ReadFile(filepath.Join(dir, "certform.hcl"))
			if err != nil {
				t.Fatal(err)
			}
			local := bytes.ReplaceAll(text, []byte("/var/lib/certform/"), []byte(dir+"/"))
			if err := os.WriteFile(filepath.Join(dir, "certform.hcl"), local, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"validate"}, {"plan"}} {
				var out, errs bytes.Buffer
				code := run(append([]string{"-chdir=" + dir}, args...), strings.NewReader(""), &out, &errs)
				if code != 0 {
					t.Fatalf("certform %s: exit %d\n%s%s", args[0], code, &out, &errs)
				}
				if all := out.String() + errs.String(); strings.Contains(all, "canary-") {
					t.Errorf("certform %s shows a secret:\n%s", args[0], all)
				}
				if args[0] == "plan" && !strings.Contains(out.String(), "to issue") {
					t.Errorf("nothing to issue:\n%s", &out)
				}
			}
			if made, _ := filepath.Glob(filepath.Join(dir, "*.db*")); len(made) > 0 {
				t.Errorf("a plan made %v", made)
			}
			if _, err := os.Stat(filepath.Join(dir, ".certform")); err == nil {
				t.Error("a plan made .certform")
			}
		})
	}
}
