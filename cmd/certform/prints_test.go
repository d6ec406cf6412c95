package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unreachable says of each package that could end the process why it does not.
var unreachable = map[string]string{
	"github.com/libdns/porkbun":     "log.Fatal if the body of an answer cannot be closed: a panic instead, which the broker survives",
	"github.com/linode/linodego":    "log.Fatal if LINODE_CA of the environment names a file that cannot be read, and for types that do not exist: a panic instead, which the broker survives",
	"github.com/spf13/cobra":        "os.Exit in CheckErr, which is not called, and on Windows when started by a double click",
	"github.com/spf13/pflag":        "os.Exit only for flag sets with ExitOnError; cobra's continue",
	"go.uber.org/zap/internal/exit": "os.Exit only by Fatal of a zap logger; no provider is given one",
	"modernc.org/libc":              "os.Exit is C's exit and abort; not called by SQLite but for its own broken invariants",
}

// TestPrints finds every package linked into the program that can print to the
// standard streams, write to the standard logger or end the process, and
// compares what it finds with testdata/prints.txt. main keeps the streams from
// all of them (see quiet.go); what ends the process has a reason there why it
// cannot be reached.
func TestPrints(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Standard,Module", ".")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var b strings.Builder
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath, Dir string
			GoFiles         []string
			Standard        bool
			Module          *struct{ Main bool }
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		found := map[string]bool{}
		for _, f := range p.GoFiles {
			utters(t, filepath.Join(p.Dir, f), found)
		}
		var what []string
		for w := range found {
			what = append(what, w)
		}
		slices.Sort(what)
		if len(what) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", p.ImportPath, strings.Join(what, ", "))
		}
	}
	all := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	slices.Sort(all)
	ends := map[string]bool{}
	for i, line := range all {
		pkg, _, _ := strings.Cut(line, ":")
		if !strings.Contains(line, "Fatal") && !strings.Contains(line, "Exit") && !strings.Contains(line, "log.Panic") {
			continue
		}
		if ends[pkg] = true; unreachable[pkg] == "" {
			t.Errorf("%s: say in unreachable why it does not end the process", line)
		}
		all[i] += "\n\t" + unreachable[pkg]
	}
	for pkg := range unreachable {
		if !ends[pkg] {
			t.Errorf("%s ends the process no more", pkg)
		}
	}
	golden(t, "prints.txt", []byte(strings.Join(all, "\n")+"\n"))
}

// utters adds to found what a file prints with or ends the process by.
func utters(t *testing.T, file string, found map[string]bool) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Error(err)
		return
	}
	names := map[string]string{} // what fmt, log, os and syscall are called here
	for _, i := range f.Imports {
		of := strings.Trim(i.Path.Value, `"`)
		if of != "fmt" && of != "log" && of != "os" && of != "syscall" {
			continue
		}
		name := path.Base(of)
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = of
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Obj == nil && (id.Name == "println" || id.Name == "print") {
				found[id.Name] = true
			}
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok || id.Obj != nil {
				return true
			}
			what := n.Sel.Name
			switch names[id.Name] {
			case "fmt":
				if strings.HasPrefix(what, "Print") {
					found["fmt.Print"] = true
				}
			case "log":
				for _, verb := range []string{"Print", "Fatal", "Panic", "Output", "Writer", "Default"} {
					if strings.HasPrefix(what, verb) {
						found["log."+verb] = true
					}
				}
			case "os":
				if what == "Exit" || what == "Stdout" || what == "Stderr" {
					found["os."+what] = true
				}
			case "syscall":
				if what == "Exit" {
					found["syscall.Exit"] = true
				}
			}
		}
		return true
	})
}
