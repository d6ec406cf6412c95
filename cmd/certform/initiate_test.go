package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/config"
)

// Whatever init is told, what it writes is valid, laid out, and plans.
func TestInitIsValid(t *testing.T) {
	try := func(provider, ca, name string) {
		dir := t.TempDir()
		var out, errs bytes.Buffer
		args := []string{"-chdir=" + dir, "init", "-dns=" + provider, "-ca=" + ca, "-name=" + name, "-email=ops@example.com", `-directory=t"l$s`}
		if code := run(args, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Fatalf("%v: exit %d\n%s%s", args, code, &out, &errs)
		}
		path := filepath.Join(dir, "certform.hcl")
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if laid, diags := config.Format(path, src); diags.HasErrors() || !bytes.Equal(laid, src) {
			t.Errorf("%v: it is not laid out: %v\n%s", args, diags, src)
		}
		errs.Reset()
		if code := run([]string{"-chdir=" + dir, "validate"}, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Errorf("%v: not valid\n%s\n%s", args, &errs, src)
		}
		for _, file := range []struct {
			path string
			mode fs.FileMode
		}{{"certform.hcl", 0o644}, {".certform/age.key", 0o600}, {".certform/state.db", 0o600}} {
			if info, err := os.Stat(filepath.Join(dir, file.path)); err != nil || info.Mode().Perm() != file.mode {
				t.Errorf("%s: %v %v", file.path, info, err)
			}
		}
	}
	for _, provider := range providerKinds() {
		try(provider.Name, "letsencrypt", "*.sub.example.co.uk")
	}
	for _, ca := range append(knownCAs(), "https://ca.example.com/directory") {
		try("rfc2136", ca, "bücher.example")
	}
	try("webhook", "letsencrypt", "example.com")
}
