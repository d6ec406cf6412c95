package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// report gathers diagnostics and folds those of a for_each: there one mistake
// comes back for every instance, with the same summary at the same range.
type report struct {
	list  []*entry
	index map[foldKey][]*entry
	errs  int
}

// entry is one diagnostic and what became of it in other instances.
type entry struct {
	diag   *hcl.Diagnostic
	whose  string // the first instance, "" if it is everybody's
	last   string
	said   string // the detail in the last instance
	more   int
	others []string // instances where the detail is another one, with it
}

type foldKey struct {
	severity hcl.DiagnosticSeverity
	summary  string
	subject  hcl.Range
}

// mostOthers is how many instances with a detail of their own are listed.
const mostOthers = 10

// add takes diagnostics that come from one instance, or from none ("").
func (r *report) add(whose string, diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		k := foldKey{severity: d.Severity, summary: d.Summary}
		if d.Severity == hcl.DiagError {
			r.errs++
		}
		if saidOfEach(d) {
			continue
		}
		if d.Subject != nil {
			k.subject = *d.Subject
		} else {
			k.summary += d.Detail
		}
		if r.index == nil {
			r.index = map[foldKey][]*entry{}
		}
		if slices.ContainsFunc(r.index[k], func(e *entry) bool { return e.fold(whose, d) }) {
			continue
		}
		e := &entry{diag: d, whose: whose, last: whose, said: d.Detail}
		r.index[k] = append(r.index[k], e)
		r.list = append(r.list, e)
	}
}

// saidOfEach reports whether d is of an attribute that each has not: where the
// references were read it was said already.
func saidOfEach(d *hcl.Diagnostic) bool {
	if d.Summary != "Unsupported attribute" || d.Expression == nil {
		return false
	}
	t, diags := hcl.AbsTraversalForExpr(d.Expression)
	return !diags.HasErrors() && t.RootName() == "each" && len(t) > 1 && step(t, 1) != "key" && step(t, 1) != "value"
}

// fold reports whether d is the same mistake as e: the very same, or that of
// another instance. Two different details of one instance are two mistakes.
func (e *entry) fold(whose string, d *hcl.Diagnostic) bool {
	if whose == e.last {
		return e.said == d.Detail
	}
	e.last, e.said = whose, d.Detail
	if e.whose == "" || whose == "" {
		return true
	}
	e.more++
	if d.Detail != e.diag.Detail && len(e.others) < mostOthers {
		e.others = append(e.others, whose+": "+d.Detail)
	}
	return true
}

// suffix says which instances have the mistake.
func (e *entry) suffix() string {
	switch {
	case e.whose == "":
		return ""
	case e.more == 0:
		return fmt.Sprintf("\n\nFor %s.", e.whose)
	case len(e.others) == 0:
		return fmt.Sprintf("\n\nFor %s, and %d more.", e.whose, e.more)
	}
	out := fmt.Sprintf("\n\nFor %s, and %d more:\n  - %s", e.whose, e.more, strings.Join(e.others, "\n  - "))
	if n := e.more - len(e.others); n > 0 {
		out += fmt.Sprintf("\n  - and %d more", n)
	}
	return out
}

// error adds one error of our own.
func (r *report) error(whose string, at hcl.Range, summary, detail string, args ...any) {
	r.say(hcl.DiagError, whose, at, summary, detail, args...)
}

func (r *report) warn(whose string, at hcl.Range, summary, detail string, args ...any) {
	r.say(hcl.DiagWarning, whose, at, summary, detail, args...)
}

func (r *report) say(s hcl.DiagnosticSeverity, whose string, at hcl.Range, summary, detail string, args ...any) {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	r.add(whose, &hcl.Diagnostic{Severity: s, Summary: summary, Detail: detail, Subject: at.Ptr()})
}

// diagnostics are all of them, with hints, each said once.
func (r *report) diagnostics(files map[string]*hcl.File) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, e := range r.list {
		d := *e.diag
		if d.Subject != nil && files[d.Subject.Filename] != nil {
			// The JSON parser points behind the end of a broken file.
			at, size := *d.Subject, len(files[d.Subject.Filename].Bytes)
			at.Start.Byte, at.End.Byte = min(at.Start.Byte, size), min(at.End.Byte, size)
			d.Subject = &at
		}
		hint(&d, files)
		d.Detail += e.suffix()
		out = append(out, &d)
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(bit(a.Subject != nil), bit(b.Subject != nil))
		}
		return cmp.Or(cmp.Compare(a.Subject.Filename, b.Subject.Filename), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
