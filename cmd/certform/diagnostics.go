package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// mostExcerpts is how many diagnostics are shown with the lines they are
// about. Finding a line costs a walk through its file, and nobody reads a
// thousand excerpts; the others are a line each.
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
		shown[i] = &c
	}
	named := make(map[string]*hcl.File, 2*len(files))
	for name, f := range files {
		named[name], named[relative(name)] = f, f
	}
	rest := shown[min(len(shown), mostExcerpts):]
	shown = shown[:len(shown)-len(rest)]
	if err := hcl.NewDiagnosticTextWriter(o.errs, named, uint(width(o.errs)), o.terminal(o.errs)).WriteDiagnostics(shown); err != nil {
		fmt.Fprintln(o.errs, diags.Error())
	}
	for _, d := range rest {
		fmt.Fprintln(o.errs, d.Error())
	}
}
