package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/providers"
)

// providerPage is what the page of a provider shows.
type providerPage struct {
	Kind                       providers.Kind
	Arguments                  []block.Argument
	Host, Values, Batch, Proof string
	Treated                    []string
	Proven                     []string
}

func pageOf(k providers.Kind) providerPage {
	host, _, _ := strings.Cut(k.Doc, ". ")
	p := providerPage{Kind: k, Arguments: block.Arguments(k.New()), Host: strings.TrimSuffix(host, "."),
		Values: "several", Batch: "1", Treated: treated(k.Quirks)}
	switch {
	case k.Quirks.OneValue:
		p.Values = "one"
	case k.Quirks.Rolls:
		p.Values = "the newest"
	}
	if k.Quirks.Batch > 1 {
		p.Batch = strconv.Itoa(k.Quirks.Batch)
	}
	for i, f := range p.Kind.Cites {
		p.Kind.Cites[i].Where = strings.ReplaceAll(f.Where, "|", `\|`)
	}
	for _, l := range k.Proven {
		p.Proof = l.Level.String()
		p.Proven = append(p.Proven, proofWords(k, l))
	}
	return p
}

// treated is how the broker lives with quirks, in sentences.
func treated(q providers.Quirks) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	switch {
	case q.OneValue:
		say("It holds one TXT value at a name: challenges that share a name, as those of a name and its wildcard, go one after the other. Writing replaces what is there, whoever wrote it; the plan recommends delegation.")
	case q.Rolls:
		say("It keeps the newest values and lets none be removed: nothing is cleaned.")
	default:
		say("It holds several TXT values at a name.")
	}
	if q.Replaces {
		say("It can replace all values at a name only: what is there is read first and written again together with what is new, and other machines are kept out meanwhile. The plan recommends delegation.")
	}
	if q.DeletesByName {
		say("A removal takes every value at a name: those that are to stay are read first and written again, and other machines are kept out meanwhile. The plan recommends delegation.")
	}
	if q.WholeZone {
		say("Every change writes the whole zone: other machines that run certform are kept out meanwhile, what anybody else changes at that moment is lost. The plan recommends delegation.")
	}
	if q.NeedsID {
		say("A record is removed as the host returned it, with its id or its TTL: it is found again by reading the zone, also after a restart.")
	}
	if q.Batch > 1 {
		say("Up to %d changes go in one call.", q.Batch)
	} else {
		say("A call makes one change.")
	}
	if q.PerSecond > 0 {
		say("Calls a second, for all dns blocks of one account together: at most %s.", strconv.FormatFloat(q.PerSecond, 'g', -1, 64))
	} else {
		say("Calls are not paced; a 429 with its Retry-After is obeyed.")
	}
	if q.MinTTL > 0 {
		say("The least TTL is %s.", plainly(q.MinTTL))
	}
	if q.Wait > 0 {
		say("Propagation is waited for up to %s.", plainly(q.Wait))
	}
	return out
}

// plainly is a duration as the language writes it.
func plainly(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func proofWords(k providers.Kind, p providers.Proof) string {
	by := strings.Join(p.By, ", ")
	switch p.Level {
	case providers.Compiled:
		return "Compiled: it builds, and nobody has read it."
	case providers.Read:
		return "Read: its code was read, see the citations above."
	case providers.Scripted:
		if k.Module == "" {
			return "Scripted fake: the suite of all providers, at a fake of what it speaks to."
		}
		return "Scripted fake: values are added, removed and listed at a fake of its API, beside a value of somebody else."
	case providers.Stricter:
		return "Stricter fake: the suite of all providers, at a fake that refuses what the host refuses, and whose answers are made or understood by `" + by + "`."
	case providers.Emulator:
		return "Third-party emulator: the suite of all providers, at " + by + "."
	}
	return "Real server: the suite of all providers, at " + by + "."
}

// TestProviderPages makes docs/providers from the code and insists that it is
// up to date: a page for each dns type, and no other.
func TestProviderPages(t *testing.T) {
	const dir = "../../docs/providers"
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pages := map[string][]byte{}
	var all []providerPage
	for _, k := range providerKinds() {
		p := pageOf(k)
		all = append(all, p)
		pages[k.Name+".md"] = filled(t, "provider.md", p)
	}
	pages["README.md"] = filled(t, "providers.md", all)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		golden(t, "../"+dir+"/"+name, pages[name])
	}
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if pages[filepath.Base(f)] != nil {
			continue
		}
		if !*update {
			t.Errorf("%s is of no provider", f)
		} else if err := os.Remove(f); err != nil {
			t.Error(err)
		}
	}
}

// TestArguments keeps all arguments of all dns types in testdata: what
// configurations say must go on meaning what it means.
func TestArguments(t *testing.T) {
	var b strings.Builder
	for _, k := range providerKinds() {
		for _, a := range block.Arguments(k.New()) {
			about := a.Type
			if a.Secret != strings.HasSuffix(a.Type, "secret") {
				t.Errorf("%s.%s: secret is %v, and its type is %s", k.Name, a.Name, a.Secret, a.Type)
			}
			if a.Required {
				about += ", required"
			}
			if a.Default != "" {
				about += ", default " + strconv.Quote(a.Default)
			}
			fmt.Fprintf(&b, "%s.%s: %s\n", k.Name, a.Name, about)
		}
	}
	golden(t, "arguments.txt", []byte(b.String()))
}

// The example of each provider's page is valid in a whole configuration.
func TestProviderExamples(t *testing.T) {
	for _, k := range providerKinds() {
		t.Run(k.Name, func(t *testing.T) {
			dir := t.TempDir()
			whole := k.Example + `
issuer "acme" "letsencrypt" {
  directory = "letsencrypt"
  email     = "ops@example.com"
}

sink "file" "web" {
  directory = "tls/${certificate.name}"
  endpoint {}
}

certificate "site" {
  names = ["example.com", "*.example.com"]
  sinks = [sink.file.web]
}
`
			if err := os.WriteFile(filepath.Join(dir, "certform.hcl"), []byte(whole), 0o644); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			if code := run([]string{"-chdir=" + dir, "validate"}, strings.NewReader(""), &out, &errs); code != exitOK {
				t.Errorf("certform validate: exit %d\n%s%s\n%s", code, &out, &errs, whole)
			}
		})
	}
}

// What a provider is said to be proven at is what tests of ours try it at, no
// more and no less: for a back end of ours, the calls of providertest.Run in
// its folder. What the catalogue says of libdns's is checked by its own test
// against the fakes that it has.
func TestProofs(t *testing.T) {
	for _, k := range providerKinds() {
		if k.Module != "" {
			if last := k.Proven[len(k.Proven)-1].Level; last > providers.Scripted {
				t.Errorf("%s: the catalogue has scripted fakes only, and it says %s", k.Name, last)
			}
			continue
		}
		tried := suites(t, "../../providers/"+k.Name)
		for _, p := range k.Proven {
			source, ok := tried[p.Level.String()]
			if !ok {
				t.Errorf("%s says that it was proven at a %s, and no test gives a providertest.Fixture of that level", k.Name, p.Level)
				continue
			}
			delete(tried, p.Level.String())
			switch p.Level {
			case providers.Stricter:
				if len(p.By) != 1 || !fakeImports(t, "../../providers/"+k.Name, p.By[0]) {
					t.Errorf("%s: its fake is said to be of %s, which its tests do not import", k.Name, p.By)
				}
			case providers.Emulator, providers.Real:
				if !slices.Equal(p.By, source) {
					t.Errorf("%s: it is said to be tried at %s, and the test starts %s", k.Name, p.By, source)
				}
			default:
				if p.By != nil {
					t.Errorf("%s: %s is by %s", k.Name, p.Level, p.By)
				}
			}
		}
		for level := range tried {
			t.Errorf("%s: a test tries it at a %s, and its Kind does not say so", k.Name, level)
		}
	}
}

// suites finds the calls of providertest.Run in the tests of a folder: by their
// level, the servers of package rig that the same test starts, sorted.
func suites(t *testing.T, dir string) map[string][]string {
	t.Helper()
	levels := map[string]providers.Level{"Scripted": providers.Scripted, "Stricter": providers.Stricter, "Emulator": providers.Emulator, "Real": providers.Real}
	out := map[string][]string{}
	for _, file := range testFiles(t, dir+"/*_test.go") {
		for _, d := range parse(t, file).Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			var servers []string
			var level string
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch of, name := selector(call.Fun); {
				case of == "rig":
					servers = append(servers, name)
				case of == "providertest" && name == "Run" && len(call.Args) == 2:
					level = fixtureLevel(call.Args[1])
				}
				return true
			})
			if l, ok := levels[level]; ok {
				slices.Sort(servers)
				out[l.String()] = slices.Compact(servers)
			}
		}
	}
	return out
}

// fixtureLevel is the Level that a providertest.Fixture is written with.
func fixtureLevel(e ast.Expr) string {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	for _, field := range lit.Elts {
		if kv, ok := field.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Level" {
				_, name := selector(kv.Value)
				return name
			}
		}
	}
	return ""
}

func selector(e ast.Expr) (of, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if x, ok := s.X.(*ast.Ident); ok {
		return x.Name, s.Sel.Name
	}
	return "", ""
}

// fakeImports reports whether the fake of a provider, or the test that asks the
// fake, is made with a module.
func fakeImports(t *testing.T, dir, module string) bool {
	t.Helper()
	for _, file := range testFiles(t, dir+"/*_test.go", dir+"/*test/*.go") {
		for _, i := range parse(t, file).Imports {
			if path, _ := strconv.Unquote(i.Path.Value); path == module || strings.HasPrefix(path, module+"/") {
				return true
			}
		}
	}
	return false
}

func testFiles(t *testing.T, patterns ...string) (out []string) {
	t.Helper()
	for _, p := range patterns {
		files, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, files...)
	}
	return out
}
