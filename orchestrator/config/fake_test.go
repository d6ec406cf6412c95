package config_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
)

// Kinds with the shapes of real ones, which connect to nothing.

type fakeFile struct {
	Directory string       `arg:"directory"`
	Combined  string       `arg:"combined"`
	Password  block.Secret `arg:"password"`
	Reload    []string     `arg:"reload"`
	base      string
	name      string
}

func (f *fakeFile) Rebase(dir string)       { f.base = dir }
func (f *fakeFile) SetCertificate(n string) { f.name = n }
func (f *fakeFile) Check() (out []block.Problem) {
	if f.Directory == "" && f.Combined == "" {
		out = append(out, block.Problem{Summary: "No path", Detail: "Say directory or combined."})
	}
	if f.Directory != "" && f.Combined != "" {
		out = append(out, block.Problem{Argument: "combined", Summary: "Two ways to write", Detail: "Say directory or combined."})
	}
	return out
}
func (f *fakeFile) Target() string {
	p := f.Directory + f.Combined
	if !filepath.IsAbs(p) {
		p = filepath.Join(f.base, p)
	}
	return "file:" + p
}
func (f *fakeFile) Notes() []string {
	if f.Password.Zero() {
		return nil
	}
	return []string{"for " + f.name}
}

var errOpen = errors.New("opened")

func (f *fakeFile) Open(context.Context, *world.World) (sinks.Sink, error) { return nil, errOpen }

type fakeHAProxy struct {
	Address string `arg:"address,required"`
	File    string `arg:"file,required"`
}

func (f *fakeHAProxy) Check() []block.Problem { return nil }
func (f *fakeHAProxy) Target() string         { return "haproxy:" + f.Address + " " + f.File }
func (f *fakeHAProxy) Open(context.Context, *world.World) (sinks.Sink, error) {
	return nil, errOpen
}

type fakeVault struct {
	Address string       `arg:"address,required"`
	Mount   string       `arg:"mount" default:"secret"`
	Path    string       `arg:"path,required"`
	Token   block.Secret `arg:"token,required"`
}

func (f *fakeVault) Check() []block.Problem { return nil }
func (f *fakeVault) Target() string         { return "vault:" + f.Address + "/" + f.Mount + "/" + f.Path }
func (f *fakeVault) Open(context.Context, *world.World) (sinks.Sink, error) {
	return nil, errOpen
}

type fakePull struct{}

func (f *fakePull) Check() []block.Problem { return nil }
func (f *fakePull) Target() string         { return "" }
func (f *fakePull) Open(context.Context, *world.World) (sinks.Sink, error) {
	return nil, errOpen
}

type fakeDNS struct {
	APIToken block.Secret `arg:"api_token"`
	Server   string       `arg:"server"`
}

func (f *fakeDNS) Check() []block.Problem { return nil }
func (f *fakeDNS) Account() string        { return f.APIToken.Ref() }
func (f *fakeDNS) Open(context.Context, *world.World) (providers.Provider, error) {
	return nil, errOpen
}

func options(dir string) config.Options {
	return config.Options{
		Dir: dir, Version: "0.1.0",
		Env: func(string) (string, bool) { return "", false },
		Sinks: []sinks.Kind{
			{Name: "file", New: func() sinks.Spec { return &fakeFile{} }},
			{Name: "haproxy", New: func() sinks.Spec { return &fakeHAProxy{} }},
			{Name: "vault", New: func() sinks.Spec { return &fakeVault{} }},
			{Name: "pull", New: func() sinks.Spec { return &fakePull{} }, Blind: true, Passive: true},
		},
		Providers: []providers.Kind{
			{Name: "cloudflare", New: func() providers.Spec { return &fakeDNS{} }, Quirks: providers.Quirks{Batch: 7}},
			{Name: "rfc2136", New: func() providers.Spec { return &fakeDNS{} }},
		},
	}
}

// write makes a directory from "name: contents" pairs.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// show prints diagnostics as people see them.
func show(c *config.Config, diags hcl.Diagnostics) string {
	var b strings.Builder
	if err := hcl.NewDiagnosticTextWriter(&b, c.Files(), 100, false).WriteDiagnostics(diags); err != nil {
		return err.Error()
	}
	return b.String()
}

func load(t testing.TB, o config.Options) *config.Config {
	t.Helper()
	c, diags := config.Load(o)
	if diags.HasErrors() {
		t.Fatal(show(c, diags))
	}
	return c
}

func overwrite(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
