package main

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

	"github.com/certform/certform/orchestrator/config"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
)

// fmtFlags are those of fmt alone.
type fmtFlags struct{ check, diff, recursive bool }

func fmtCommand(o *options) *cobra.Command {
	var f fmtFlags
	c := &cobra.Command{
		Use:   "fmt [FILE or DIRECTORY...]",
		Short: "Lay out configuration files as everybody's are",
		Long:  "Lay out *.hcl files as everybody's are, and list those that changed. Without arguments: the\nfiles of the configuration's directory. - reads standard input and writes standard output.",
		RunE: func(c *cobra.Command, args []string) error {
			return o.format(f, args)
		},
	}
	c.Flags().BoolVar(&f.check, "check", false, "write nothing; exit 3 if a file would change")
	c.Flags().BoolVar(&f.diff, "diff", false, "show what changes (and write it, unless -check is given)")
	c.Flags().BoolVar(&f.recursive, "recursive", false, "also the directories below")
	return c
}

func (o *options) format(f fmtFlags, args []string) error {
	if slices.Equal(args, []string{"-"}) {
		src, err := io.ReadAll(o.in)
		if err != nil {
			return err
		}
		out, err := o.formatted("standard input", src)
		if err == nil {
			_, err = o.out.Write(out)
		}
		return err
	}
	files, err := o.formattable(f, args)
	broken := err != nil
	if broken {
		o.fail(err)
	}
	changed := 0
	for _, path := range files {
		did, err := o.formatFile(f, path)
		var code *codeError
		switch {
		case err != nil:
			broken = true
			if !errors.As(err, &code) { // else it was said already
				o.fail(err)
			}
		case did:
			changed++
		}
	}
	switch {
	case broken:
		return exit(exitError)
	case f.check && changed > 0:
		return exit(exitFailed)
	}
	return nil
}

// formattable are the files that are meant, each once. An error is of those
// that cannot be had; the others are there.
func (o *options) formattable(f fmtFlags, args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var out []string
	var errs []error
	for _, a := range args {
		if !filepath.IsAbs(a) {
			a = filepath.Join(o.dir, a)
		}
		info, err := os.Stat(a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !info.IsDir() {
			if !strings.HasSuffix(a, ".hcl") {
				errs = append(errs, fmt.Errorf("%s: only files named *.hcl have a layout", a))
				continue
			}
			out = append(out, a)
			continue
		}
		// Its errors are gathered.
		_ = filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				errs = append(errs, err)
			case d.IsDir() && path != a && (!f.recursive || strings.HasPrefix(d.Name(), ".")):
				return fs.SkipDir
			case !d.IsDir() && strings.HasSuffix(path, ".hcl") && !strings.HasPrefix(d.Name(), "."):
				out = append(out, path)
			}
			return nil
		})
	}
	slices.Sort(out)
	return slices.Compact(out), errors.Join(errs...)
}

// formatFile lays out one file and reports whether that changes it.
func (o *options) formatFile(f fmtFlags, path string) (changed bool, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s is no regular file", relative(path)) // a pipe would be waited for
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	out, err := o.formatted(path, src)
	if err != nil || bytes.Equal(src, out) {
		return false, err
	}
	name := relative(path)
	if o.json {
		err = writeJSON(o.out, map[string]any{"type": "fmt", "filename": name, "written": !f.check})
	} else {
		_, err = fmt.Fprintln(o.out, name)
		if err == nil && f.diff {
			_, err = o.out.Write(diff.Diff("old/"+name, src, "new/"+name, out))
		}
	}
	if err != nil || f.check {
		return true, err
	}
	return true, replaceFile(path, out)
}

// formatted lays out one text, or prints why it cannot be read.
func (o *options) formatted(name string, src []byte) ([]byte, error) {
	out, diags := config.Format(name, src)
	if diags.HasErrors() {
		o.diagnostics(map[string]*hcl.File{name: {Bytes: src}}, diags)
		return nil, exit(exitError)
	}
	return out, nil
}

// replaceFile writes a file by one rename, with the mode it had; a symbolic
// link keeps pointing where it does.
func replaceFile(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".fmt-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
