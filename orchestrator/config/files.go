package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// No configuration file is larger than this, and no expression deeper: the
// parser is recursive, and a stack overflow cannot be recovered from.
const (
	maxFileSize = 10 << 20
	maxNesting  = 2000
)

// directory is one directory that is read as part of the configuration. Files
// named by functions are relative to it.
type directory struct {
	path  string // absolute
	shown string // as it is written in diagnostics
	files []*source
	funcs map[string]function.Function
	ctx   *hcl.EvalContext // what its blocks can see; nil until all is resolved
}

type source struct {
	name string // as it is written in diagnostics
	body hcl.Body
}

// start is where a diagnostic about a whole file points.
func start(name string) hcl.Range {
	return hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
}

// readAll reads the directory of the configuration and all that it includes.
func (l *loader) readAll() {
	abs, err := filepath.Abs(l.o.Dir)
	if err != nil {
		abs = l.o.Dir
	}
	l.dir = abs
	found := 0
	queue := []*directory{{path: abs, shown: l.o.Dir}}
	seen := map[string]bool{followed(abs): true}
	for len(queue) > 0 {
		d := queue[0]
		queue = queue[1:]
		found += l.readDirectory(d)
		l.dirs = append(l.dirs, d)
		for _, next := range l.includes(d) {
			if !seen[next.path] {
				seen[next.path] = true
				queue = append(queue, next)
			}
		}
	}
	if found == 0 && l.report.errs == 0 {
		l.report.add("", &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No configuration",
			Detail: fmt.Sprintf("There is no *.hcl or *.hcl.json file in %s. `certform init` writes one to begin with; -chdir=DIR names another directory.",
				abs),
		})
	}
}

// readDirectory parses the configuration files of d and counts what it found,
// readable or not.
func (l *loader) readDirectory(d *directory) int {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		l.report.add("", &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Directory cannot be read",
			Detail:   fmt.Sprintf("The configuration is read from %s: %v.", d.path, cause(err)),
		})
		return 0
	}
	found := 0
	for _, e := range entries {
		if kindOfFile(e.Name()) != configFile {
			continue
		}
		found++
		name := filepath.Join(d.shown, e.Name())
		f, ok := l.parse(filepath.Join(d.path, e.Name()), name)
		if !ok {
			l.incomplete = true
			continue
		}
		d.files = append(d.files, &source{name: name, body: f.Body})
	}
	return found
}

type fileKind int

const (
	otherFile fileKind = iota
	configFile
	varFile
	autoVarFile
)

func kindOfFile(name string) fileKind {
	base := strings.TrimSuffix(name, ".json")
	switch {
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"), !strings.HasSuffix(base, ".hcl"):
		return otherFile
	case strings.HasSuffix(base, ".auto.vars.hcl"):
		return autoVarFile
	case strings.HasSuffix(base, ".vars.hcl"):
		return varFile
	}
	return configFile
}

// parse reads one file, which diagnostics will call name.
func (l *loader) parse(path, name string) (*hcl.File, bool) {
	data, problem := readText(path)
	if problem != "" {
		l.report.error("", start(name), "File cannot be read", "%s", problem)
		return nil, false
	}
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		f, diags = hcljson.Parse(data, name)
	} else {
		f, diags = hclsyntax.ParseConfig(data, name, hcl.InitialPos)
	}
	if f == nil {
		f = &hcl.File{Bytes: data, Body: hcl.EmptyBody()}
	}
	l.files[name] = f
	l.digest.file(l.dir, path, data)
	diags = untilUnclosed(diags)
	l.report.add("", diags...)
	return f, !slices.ContainsFunc(diags, broken)
}

// untilUnclosed leaves out what the parser says behind a text that is not
// closed: from there on it takes texts for what is between them, and has
// something to say of every line to the end of the file.
func untilUnclosed(diags hcl.Diagnostics) hcl.Diagnostics {
	const lines = "Invalid multi-line string"
	if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == lines }) {
		return diags
	}
	var first *hcl.Diagnostic
	for _, d := range diags {
		switch d.Summary {
		case lines, "Extra characters after interpolation expression", "Unclosed template interpolation sequence":
			if first == nil || d.Subject.Start.Byte < first.Subject.Start.Byte {
				first = d
			}
		}
	}
	if first.Summary == lines {
		first.Detail = `The text that begins on this line does not end on it: its closing quote (") is missing. A text of several lines is written with \n, or as a heredoc (<<EOT).`
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d != first && d.Subject != nil && d.Subject.End.Byte > first.Subject.Start.Byte
	})
}

// broken reports whether what is said of a file hides what else is in it. An
// argument that is set twice does not: the first one counts.
func broken(d *hcl.Diagnostic) bool {
	return d.Severity == hcl.DiagError && d.Summary != "Attribute redefined"
}

// readText reads a file of the configuration, or says in a sentence why it
// cannot be one. It never reads more than is allowed.
func readText(path string) (data []byte, problem string) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if target, err := os.Readlink(path); err == nil {
			return nil, fmt.Sprintf("It is a symbolic link to %s, which does not exist.", target)
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Sprintf("It cannot be opened: %v.", cause(err))
	case info.IsDir():
		if kindOfFile(filepath.Base(path)) != configFile {
			return nil, "It is a directory."
		}
		return nil, "It is a directory with the name of a configuration file. Rename it; other directories are read with certform { include = [...] }."
	case !info.Mode().IsRegular():
		return nil, fmt.Sprintf("It is not a regular file but %s.", special(info.Mode()))
	case info.Size() > maxFileSize:
		return nil, fmt.Sprintf("It has %d MiB; a configuration file has at most %d MiB. Long lists belong in a CSV or YAML file that is read with file().", info.Size()>>20, maxFileSize>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Sprintf("It cannot be opened: %v.", cause(err))
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return nil, fmt.Sprintf("It cannot be read: %v.", cause(err))
	case len(data) > maxFileSize:
		return nil, "It grows while it is read."
	case bytes.IndexByte(data, 0) >= 0, !utf8.Valid(data):
		return nil, "It is not a text file in UTF-8."
	case nesting(data) > maxNesting:
		return nil, fmt.Sprintf("It nests brackets or operators more than %d deep.", maxNesting)
	}
	return data, ""
}

func special(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return m.Type().String()
}

// nesting is an upper bound of how deep the parser will go.
func nesting(data []byte) int {
	deepest, depth, run := 0, 0, 0
	for _, c := range data {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
		switch c {
		case '!', '-':
			run++
		case ' ', '\t', '\n', '\r':
		default:
			run = 0
		}
		deepest = max(deepest, depth, run)
	}
	return deepest
}

// includes are the directories that the certform blocks of d name.
func (l *loader) includes(d *directory) []*directory {
	var out []*directory
	for _, s := range d.files {
		// Partial: what else is in the file is read later.
		content, _, _ := s.body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "certform"}}})
		for _, b := range content.Blocks {
			attrs, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "include"}}})
			a := attrs.Attributes["include"]
			if a == nil {
				continue
			}
			exprs, diags := hcl.ExprList(a.Expr)
			if diags.HasErrors() {
				l.report.error("", a.Expr.Range(), "Bad include", "include takes a literal list of directories, as in [\"../shared\", \"teams/*\"].")
				continue
			}
			for _, e := range exprs {
				out = append(out, l.include(d, e)...)
			}
		}
	}
	return out
}

func (l *loader) include(d *directory, e hcl.Expression) []*directory {
	v, diags := e.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		l.report.error("", e.Range(), "Bad include", "include takes literal text: it is read before variables, locals and functions exist.")
		return nil
	}
	pattern := v.AsString()
	full := pattern
	if !filepath.IsAbs(full) {
		full = filepath.Join(d.path, pattern)
	}
	matches := []string{full}
	glob := strings.ContainsAny(pattern, "*?[")
	if glob {
		var err error
		if matches, err = filepath.Glob(full); err != nil {
			l.report.error("", e.Range(), "Bad include", "%q is not a valid pattern.", pattern)
			return nil
		}
		slices.Sort(matches)
	}
	var out []*directory
	for _, m := range matches {
		info, err := os.Stat(m)
		switch {
		case glob && (err != nil || !info.IsDir()):
			continue
		case err != nil:
			l.report.error("", e.Range(), "Included directory cannot be read", "%s: %v.", m, cause(err))
		case !info.IsDir():
			l.report.error("", e.Range(), "Bad include", "%s is a file; include takes directories.", m)
		default:
			shown := m
			if rel, err := filepath.Rel(l.dir, m); err == nil {
				shown = filepath.Join(l.o.Dir, rel)
			}
			// One directory is one, however it is reached, and what it includes
			// is relative to where it is.
			out = append(out, &directory{path: followed(m), shown: shown})
		}
	}
	if glob && out == nil {
		l.report.warn("", e.Range(), "Nothing to include", "No directory matches %s.", full)
	}
	return out
}

// followed is a path without symbolic links.
func followed(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// cause is the last part of a file error, without the path and the call.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
