package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/event"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestReference makes docs/configuration.md and docs/events.md from the code
// and insists that they are up to date.
func TestReference(t *testing.T) {
	for name, data := range map[string]any{"configuration.md": languageReference(), "events.md": eventReference(t)} {
		golden(t, "../../../docs/"+name, filled(t, name, data))
	}
}

// filled is the template of that name with data in it.
func filled(t *testing.T, name string, data any) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".tmpl")
	if err != nil {
		t.Fatal(err)
	}
	page, err := template.New(name).Funcs(template.FuncMap{"args": argumentTable}).Option("missingkey=error").Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type backend struct {
	Name, Doc, Example string
	Arguments          []block.Argument
}

func backends(kinds ...config.Kind) (out []backend) {
	for _, k := range kinds {
		out = append(out, backend{k.Name, k.Doc, k.Example, block.Arguments(k.New())})
	}
	return out
}

func languageReference() any {
	kinds := func(all []kind) (out []backend) {
		for _, k := range all {
			out = append(out, backend{k.Name, k.Doc, k.Example, k.arguments})
		}
		return out
	}
	return map[string]any{
		"States": backends(config.LocalKind), "Seals": backends(config.AgeKind), "Issuers": backends(config.ACMEKind),
		"CAs": config.CAs, "DNS": dnsArguments, "Zone": append(config.ZoneArguments(), forEach),
		"Sink": append(config.SinkArguments(), forEach), "Endpoint": config.EndpointArguments(),
		"Certificate": append(config.CertificateArguments(), forEach), "Functions": config.FunctionNames(),
		"Providers": providerCatalogue(), "Protocols": protocols(), "Sinks": kinds(sinkCatalogue()),
	}
}

// protocols are the providers that a user puts something of his own behind.
func protocols() (out []providerPage) {
	for _, k := range providerKinds() {
		if k.Name == "exec" || k.Name == "webhook" {
			out = append(out, pageOf(k))
		}
	}
	return out
}

// argumentTable is arguments as a table.
func argumentTable(list []block.Argument) string {
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	var b strings.Builder
	b.WriteString("| argument | type | meaning |\n|---|---|---|\n")
	for _, a := range list {
		about := a.Type
		if a.Required {
			about += ", required"
		}
		doc := cell.Replace(a.Doc)
		if a.Default != "" {
			doc = strings.TrimSpace(doc + " Default: `" + a.Default + "`.")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Name, about, doc)
	}
	return b.String()
}

type documented struct{ Name, Type, Doc string }

// eventReference reads the comments of the code itself.
func eventReference(t *testing.T) any {
	t.Helper()
	comments := comments(t, "../../orchestrator/event/event.go")
	var kinds []documented
	var errs, warnings []string
	for _, k := range event.Kinds {
		doc := comments[string(k)]
		if doc == "" {
			t.Errorf("event %s has no comment", k)
		}
		kinds = append(kinds, documented{Name: string(k), Doc: doc})
		switch level(k) {
		case "error":
			errs = append(errs, "`"+string(k)+"`")
		case "warn":
			warnings = append(warnings, "`"+string(k)+"`")
		}
	}
	var fields []documented
	doc := fieldComments(t, "json.go", "line")
	for f := range reflect.TypeFor[line]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if doc[f.Name] == "" {
			t.Errorf("field %s has no comment", f.Name)
		}
		fields = append(fields, documented{name, jsonType(f.Type), doc[f.Name]})
	}
	var words []string
	for _, s := range statuses {
		words = append(words, "`"+string(s)+"`")
	}
	return map[string]any{"Kinds": kinds, "Fields": fields, "Errors": strings.Join(errs, ", "), "Warnings": strings.Join(warnings, ", "),
		"Statuses": strings.Join(words, ", ")}
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of string"
	case reflect.Pointer, reflect.Struct:
		return "time, RFC 3339"
	}
	return "string"
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// comments are those beside string constants, by their values.
func comments(t *testing.T, file string) map[string]string {
	out := map[string]string{}
	ast.Inspect(parse(t, file), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, _ := strconv.Unquote(lit.Value)
				out[value] = strings.TrimSpace(v.Comment.Text())
			}
		}
		return true
	})
	return out
}

// fieldComments are those beside the fields of a struct.
func fieldComments(t *testing.T, file, name string) map[string]string {
	out := map[string]string{}
	ast.Inspect(parse(t, file), func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			out[f.Names[0].Name] = strings.TrimSpace(f.Comment.Text())
		}
		return false
	})
	return out
}

// Every kind says what it is, its example is a valid block, and nothing that
// is a secret takes text.
func TestCatalogue(t *testing.T) {
	for _, k := range slices.Concat(providerCatalogue(), sinkCatalogue()) {
		t.Run(k.Type+" "+k.Name, func(t *testing.T) {
			if k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
				t.Errorf("its doc is no sentence: %q", k.Doc)
			}
			if _, diags := hclsyntax.ParseConfig([]byte(k.Example), "example.hcl", hcl.InitialPos); diags.HasErrors() || k.Example == "" {
				t.Errorf("example: %v", diags)
			}
			for _, a := range slices.Concat(k.arguments, k.common, k.endpoint) {
				if a.Doc == "" {
					t.Errorf("argument %s has no doc", a.Name)
				}
				// oraclecloud's auth says where its credential comes from.
				mode := k.Name == "oraclecloud" && a.Name == "auth"
				if block.LooksSecret(a.Name) && !a.Secret && a.Type == "string" && !mode {
					t.Errorf("argument %s looks like a secret and takes text", a.Name)
				}
			}
		})
	}
}
