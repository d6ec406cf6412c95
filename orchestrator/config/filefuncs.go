package config

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-cty-funcs/filesystem"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
)

// fileFunctions adds the functions that read files, relative to d. A file is
// read once: per-certificate expressions may name it thousands of times.
func (l *loader) fileFunctions(d *directory, out map[string]function.Function) {
	path := func(v cty.Value) string {
		p := v.AsString()
		if !filepath.IsAbs(p) {
			p = filepath.Join(d.path, p)
		}
		return filepath.Clean(p)
	}
	onPath := []function.Parameter{{Name: "path", Type: cty.String}}
	out["abspath"] = function.New(&function.Spec{
		Params: onPath, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.StringVal(path(args[0])), nil },
	})
	out["file"] = function.New(&function.Spec{
		Params: onPath, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := l.text(path(args[0]))
			return cty.StringVal(text), err
		},
	})
	out["filebase64"] = function.New(&function.Spec{
		Params: onPath, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			data, err := l.readFile(path(args[0]))
			return cty.StringVal(base64.StdEncoding.EncodeToString(data)), err
		},
	})
	out["fileexists"] = function.New(&function.Spec{
		Params: onPath, Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p := path(args[0])
			info, err := os.Stat(p)
			there := err == nil && info.Mode().IsRegular()
			l.digest.file(l.dir, p+" exists", fmt.Append(nil, there))
			return cty.BoolVal(there), nil
		},
	})
	set := filesystem.MakeFileSetFunc(d.path)
	out["fileset"] = function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := set.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			var names []string
			for it := v.ElementIterator(); it.Next(); {
				_, e := it.Element()
				names = append(names, e.AsString())
			}
			l.digest.file(l.dir, path(args[0])+" set "+args[1].AsString(), []byte(strings.Join(names, "\n")))
			return v, nil
		},
	})
	out["templatefile"] = l.templateFunc(path, out)
}

// templateFunc renders a file as a template. Inside it there are the given
// variables and all functions but templatefile itself.
func (l *loader) templateFunc(path func(cty.Value) string, functions map[string]function.Function) function.Function {
	inside := make(map[string]function.Function, len(functions))
	for name, f := range functions {
		inside[name] = f
	}
	render := func(args []cty.Value) (cty.Value, error) {
		p := path(args[0])
		text, err := l.text(p)
		if err != nil {
			return cty.NilVal, err
		}
		if nesting([]byte(text)) > maxNesting {
			return cty.NilVal, fmt.Errorf("%s nests brackets more than %d deep", p, maxNesting)
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(text), p, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		if !args[1].Type().IsObjectType() && !args[1].Type().IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "the variables of a template are an object")
		}
		vars := args[1].AsValueMap()
		if vars == nil {
			vars = map[string]cty.Value{}
		}
		v, diags := expr.Value(&hcl.EvalContext{Variables: vars, Functions: inside})
		if diags.HasErrors() {
			for _, d := range diags {
				d.EvalContext = nil
			}
			return cty.NilVal, diags
		}
		return convert.Convert(v, cty.String)
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[1].IsWhollyKnown() {
				return cty.UnknownVal(cty.String), nil
			}
			return render(args)
		},
	})
}

func (l *loader) text(path string) (string, error) {
	data, err := l.readFile(path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(data) {
		return "", fmt.Errorf("%s is not text in UTF-8; filebase64 reads any file", path)
	}
	return string(data), nil
}

// maxDataFile is the most that a function reads from one file.
const maxDataFile = 64 << 20

func (l *loader) readFile(path string) ([]byte, error) {
	if data, ok := l.read[path]; ok {
		return data, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %v", path, cause(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", path, cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDataFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %v", path, cause(err))
	case len(data) > maxDataFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxDataFile>>20)
	}
	l.read[path] = data
	l.digest.file(l.dir, path, data)
	return data, nil
}
