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
	values := map[string]func(word string) []string{
		"upkeep": func(string) []string {
			return []string{"exclude\tleft to run", "include\tbeside the rest", "only\tand nothing else"}
		},
		"dns":     func(string) []string { return choices(providerCatalogue()) },
		"ca":      func(string) []string { return knownCAs() },
		"target":  o.labels,
		"replace": o.labels,
	}
	for _, c := range root.Commands() {
		for name, list := range values {
			if c.Flags().Lookup(name) != nil {
				// It fails only for a flag that is not there.
				_ = c.RegisterFlagCompletionFunc(name, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
					return list(word), cobra.ShellCompDirectiveNoFileComp
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

// mostInstances is how many instances of a block are offered before the word
// says which block is meant.
const mostInstances = 20

// labels are those of the certificates, as -target takes them, and their
// instances; none where the configuration cannot be read. A key stands without
// quotes, which no shell inserts well, and is left out where it needs them.
func (o *options) labels(word string) []string {
	cfg, _ := o.read()
	if cfg == nil {
		return nil
	}
	var out []string
	instances := map[string][]string{}
	for _, c := range cfg.Certificates {
		block, key, several := strings.Cut(c.Address, "[")
		out = append(out, block)
		if key = strings.Trim(key, `"]`); several && quote(key) == key {
			instances[block] = append(instances[block], block+"["+key+"]")
		}
	}
	for block, all := range instances {
		if len(all) <= mostInstances || strings.HasPrefix(word, block+"[") {
			out = append(out, all...)
		}
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
