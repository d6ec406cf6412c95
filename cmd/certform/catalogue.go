package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/config"
	"github.com/spf13/cobra"
)

// kind is a line of the tables in kinds.go, as people and the reference see it.
type kind struct {
	Type      string           `json:"type"` // provider or sink
	Name      string           `json:"name"`
	Doc       string           `json:"doc"`
	Proof     string           `json:"proof,omitempty"`  // of a provider: the most of Proven
	Proven    []proofLine      `json:"proven,omitempty"` // at what tests of ours tried it, from least to most
	Example   string           `json:"example"`
	Arguments []argumentLine   `json:"arguments"`
	Common    []argumentLine   `json:"common_arguments"` // of every block of its family
	Endpoint  []argumentLine   `json:"endpoint_arguments,omitempty"`
	arguments []block.Argument // the same, for the views
	common    []block.Argument
	endpoint  []block.Argument
}

type argumentLine struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
	Default  string `json:"default,omitempty"`
	Doc      string `json:"doc"`
}

// proofLine is one thing at which a provider was tried.
type proofLine struct {
	Level string   `json:"level"`
	By    []string `json:"by,omitempty"`
}

func (p proofLine) String() string {
	if p.By == nil {
		return p.Level
	}
	return p.Level + " (" + strings.Join(p.By, ", ") + ")"
}

func lines(list []block.Argument) []argumentLine {
	out := make([]argumentLine, len(list))
	for i, a := range list {
		out[i] = argumentLine{a.Name, a.Type, a.Required, a.Secret, a.Default, a.Doc}
	}
	return out
}

// forEach is the argument of every block that may stand for several.
var forEach = block.Argument{Name: "for_each", Type: "map or list", Doc: "Makes one of this block for each element; each.key and each.value are what varies."}

// dnsArguments are those of every dns block.
var dnsArguments = []block.Argument{
	{Name: "zones", Type: "list of string", Doc: "The zones that it serves. Without it the host is asked for its zones."}, forEach,
}

func providerCatalogue() []kind {
	var out []kind
	for _, k := range providerKinds() {
		line := kind{Type: "provider", Name: k.Name, Doc: k.Doc, Example: k.Example,
			arguments: block.Arguments(k.New()), common: dnsArguments}.filled()
		for _, p := range k.Proven {
			line.Proven = append(line.Proven, proofLine{p.Level.String(), p.By})
			line.Proof = p.Level.String()
		}
		out = append(out, line)
	}
	return out
}

func sinkCatalogue() []kind {
	var out []kind
	for _, k := range sinkKinds() {
		out = append(out, kind{Type: "sink", Name: k.Name, Doc: k.Doc, Example: k.Example,
			arguments: block.Arguments(k.New()), common: append(config.SinkArguments(), forEach), endpoint: config.EndpointArguments()}.filled())
	}
	return out
}

func (k kind) filled() kind {
	k.Arguments, k.Common, k.Endpoint = lines(k.arguments), lines(k.common), lines(k.endpoint)
	return k
}

func providersCommand(o *options) *cobra.Command {
	return catalogueCommand(o, "providers", "DNS provider", providerCatalogue)
}

func sinksCommand(o *options) *cobra.Command {
	return catalogueCommand(o, "sinks", "sink", sinkCatalogue)
}

func catalogueCommand(o *options, name, what string, all func() []kind) *cobra.Command {
	return &cobra.Command{
		Use:   name + " [NAME]",
		Short: "List the " + what + "s that are built in, or the arguments of one",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return choices(all()), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return o.listKinds(all())
			}
			for _, k := range all() {
				if k.Name == args[0] {
					return o.showKind(k)
				}
			}
			return fmt.Errorf("there is no %s %q here; %s", what, args[0], meant(args[0], all(), "certform "+name+" lists them"))
		},
	}
}

// meant is the end of a sentence about a kind that is not there: those that may
// be meant, all if they are few, else who tells them.
func meant(given string, all []kind, who string) string {
	given = strings.ToLower(given)
	var near, names []string
	for _, k := range all {
		names = append(names, k.Name)
		about, _, _ := strings.Cut(strings.ToLower(k.Doc), ". ") // as BIND, of rfc2136
		if len(given) > 1 && (strings.Contains(k.Name, given) || strings.Contains(given, k.Name) || len(given) > 2 && strings.Contains(about, given) ||
			levenshtein.Distance(given, k.Name, nil) <= len(given)/3) {
			near = append(near, k.Name)
		}
	}
	switch {
	case len(near) > 0 && len(near) <= 4:
		return "did you mean " + strings.Join(near, " or ") + "? " + who
	case len(names) <= 12:
		return "known: " + strings.Join(names, ", ")
	}
	return who
}

func (o *options) listKinds(all []kind) error {
	for _, k := range all {
		if o.json {
			if err := writeJSON(o.out, k); err != nil {
				return err
			}
			continue
		}
		head, doc := fmt.Sprintf("%-14s", k.Name), k.Doc
		if k.Type == "provider" {
			// What else there is to say of it is for its own page.
			doc, _, _ = strings.Cut(doc, ". ")
			head += fmt.Sprintf("  %-20s", k.Proof)
		}
		pad := len(head) + 2
		if _, err := fmt.Fprintf(o.out, "%s%s  %s\n", o.paintFor(o.out, bold, head[:14]), head[14:], indent(wrap(strings.TrimSuffix(doc, ".")+".", width(o.out)-pad), strings.Repeat(" ", pad))); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) showKind(k kind) error {
	if o.json {
		return writeJSON(o.out, k)
	}
	w := &errWriter{w: o.out}
	fmt.Fprintf(w, "%s\n%s\n\n", o.paintFor(o.out, bold, k.Type+" "+k.Name), wrap(k.Doc, width(o.out)))
	o.showArguments(w, "Arguments", k.arguments)
	if k.Type == "sink" {
		o.showArguments(w, "Arguments of every sink", k.common)
		o.showArguments(w, "Arguments of its endpoint blocks: the proof that it is served", k.endpoint)
	} else {
		o.showArguments(w, "Arguments of every dns block", k.common)
		fmt.Fprintln(w, o.paintFor(o.out, bold, "Proven at"))
		for _, p := range k.Proven {
			fmt.Fprintf(w, "    %s\n", p)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s\n%s", o.paintFor(o.out, bold, "Example"), strings.TrimRight(quoted(k.Example), " "))
	return w.err
}

func (o *options) showArguments(w io.Writer, title string, list []block.Argument) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, o.paintFor(o.out, bold, title))
	long := 0
	for _, a := range list {
		long = max(long, len(a.Name))
	}
	for _, a := range list {
		about := a.Type
		if a.Required {
			about += ", required"
		}
		if a.Default != "" {
			about += ", default " + a.Default
		}
		pad := strings.Repeat(" ", 6+long)
		fmt.Fprintf(w, "    %s%s  %s\n", o.paintFor(o.out, cyan, a.Name), strings.Repeat(" ", long-len(a.Name)), about)
		if a.Doc != "" {
			fmt.Fprintf(w, "%s%s\n", pad, indent(wrap(a.Doc, width(o.out)-len(pad)), pad))
		}
	}
	fmt.Fprintln(w)
}

// errWriter keeps the first error of a writer.
type errWriter struct {
	w   io.Writer
	err error
}

func (w *errWriter) Write(b []byte) (int, error) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	return len(b), nil
}

// wrap breaks a text into lines of at most n columns, where it has blanks.
func wrap(s string, n int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		size := len([]rune(word))
		switch {
		case i == 0:
		case column+1+size > n:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += size
	}
	return b.String()
}
