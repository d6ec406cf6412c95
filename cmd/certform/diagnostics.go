package main

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// mostExcerpts is how many diagnostics are shown with the lines they are
// about. Finding a line costs a walk through its file, and nobody reads a
// thousand excerpts; the others have a line each.
const mostExcerpts = 50

// diagnostics prints what is wrong with a configuration, with the lines it is
// about, on standard error; with -json as objects on standard output.
func (o *options) diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	if o.json {
		for _, d := range diags {
			writeJSONDiagnostic(o.out, d)
		}
	}
	named := make(map[string]*hcl.File, 2*len(files))
	for name, f := range files {
		named[name], named[relative(name)] = f, f
	}
	shown := make(hcl.Diagnostics, len(diags))
	for i, d := range diags {
		c := *d
		for _, r := range []**hcl.Range{&c.Subject, &c.Context} {
			if *r != nil {
				short := **r
				short.Filename = relative(short.Filename)
				*r = &short
			}
		}
		if r := c.Subject; r != nil && named[r.Filename] == nil {
			// There is no text to show: it is about the whole file, which could not be read.
			c.Summary += ": " + r.Filename
			c.Subject, c.Context = nil, nil
		}
		shown[i] = &c
	}
	rest := shown[min(len(shown), mostExcerpts):]
	shown = shown[:len(shown)-len(rest)]
	if err := hcl.NewDiagnosticTextWriter(o.errs, named, uint(width(o.errs)), o.terminal(o.errs)).WriteDiagnostics(shown); err != nil {
		fmt.Fprintln(o.errs, diags.Error())
	}
	if len(rest) == 0 {
		return
	}
	fmt.Fprintf(o.errs, "And %d more:\n\n", len(rest))
	for _, d := range rest {
		severity := o.paint(red, "Error:")
		if d.Severity == hcl.DiagWarning {
			severity = o.paint(yellow, "Warning:")
		}
		where := ""
		if d.Subject != nil {
			where = fmt.Sprintf(", on %s line %d", d.Subject.Filename, d.Subject.Start.Line)
		}
		first, _, _ := strings.Cut(d.Detail, "\n")
		fmt.Fprintf(o.errs, "%s %s%s: %s\n", severity, d.Summary, where, first)
	}
}
