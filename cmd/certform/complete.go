package main

import (
	"bytes"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completions say what may stand where a shell asks what goes on: values of
// flags, and no file names where none is read.
func completions(o *options, root *cobra.Command) {
	values := map[string]func() []string{
		"upkeep": func() []string {
			return []string{"exclude\tleft to run", "include\tbeside the rest", "only\tand nothing else"}
		},
		"dns":     func() []string { return choices(providerCatalogue()) },
		"ca":      knownCAs,
		"target":  o.labels,
		"replace": o.labels,
	}
	for _, c := range root.Commands() {
		for name, list := range values {
			if c.Flags().Lookup(name) != nil {
				// It fails only for a flag that is not there.
				_ = c.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
					return list(), cobra.ShellCompDirectiveNoFileComp
				})
			}
		}
		for _, name := range []string{"directory", "keep"} {
			if c.Flags().Lookup(name) != nil {
				_ = c.MarkFlagDirname(name)
			}
		}
		if c.ValidArgsFunction == nil && c.Name() != "apply" && c.Name() != "fmt" && c.Name() != "help" {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
	}
	_ = root.MarkPersistentFlagDirname("chdir")
}

// choices are kinds with the first sentence about each.
func choices(all []kind) []string {
	var out []string
	for _, k := range all {
		about, _, _ := strings.Cut(k.Doc, ". ")
		out = append(out, k.Name+"\t"+strings.TrimSuffix(about, "."))
	}
	return out
}

// labels are those of the certificates, as -target takes them; none where the
// configuration cannot be read.
func (o *options) labels() []string {
	cfg, _ := o.read()
	if cfg == nil {
		return nil
	}
	var out []string
	for _, c := range cfg.Certificates {
		address, _, _ := strings.Cut(c.Address, "[")
		out = append(out, address)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// oneDash is for a shell that asks what a word with one dash may become: a
// shell drops what does not begin as the word does.
type oneDash struct{ io.Writer }

func (w oneDash) Write(line []byte) (int, error) {
	if !bytes.HasPrefix(line, []byte("--")) {
		return w.Writer.Write(line)
	}
	n, err := w.Writer.Write(line[1:])
	return n + 1, err
}

// asksForOneDash reports whether args are such a question.
func asksForOneDash(args []string) bool {
	if len(args) == 0 || args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd {
		return false
	}
	word := args[len(args)-1]
	return strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--")
}
