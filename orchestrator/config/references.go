package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

var errReferenceText = errors.New("a reference to a block is not text; it is written without quotes where a list of references is taken")

// MarshalJSON refuses: jsonencode would make text of a reference.
func (i *instance) MarshalJSON() ([]byte, error) { return nil, errReferenceText }

// referenceType is the type of sink.vault.kv and its like: opaque, so that it
// can be put into lists and maps but never into text.
var referenceType = cty.CapsuleWithOps("reference", reflect.TypeFor[instance](), &cty.CapsuleOps{
	GoString:     func(v any) string { return v.(*instance).address() },
	TypeGoString: func(reflect.Type) string { return "reference" },
	RawEquals:    func(a, b any) bool { return a.(*instance) == b.(*instance) },
	HashKey:      func(v any) string { return v.(*instance).address() },
	ConversionFrom: func(to cty.Type) func(any, cty.Path) (cty.Value, error) {
		if !to.IsPrimitiveType() {
			return nil
		}
		return func(_ any, p cty.Path) (cty.Value, error) { return cty.NilVal, p.NewError(errReferenceText) }
	},
})

// reference is the value of a block's address: one reference, or a map of
// them if the block has for_each.
func (d *declaration) reference() cty.Value {
	switch {
	case d.lost:
		return cty.DynamicVal
	case d.forEach == nil:
		return cty.CapsuleVal(referenceType, d.instances[0])
	case len(d.instances) == 0:
		return cty.MapValEmpty(referenceType)
	}
	if d.refs == cty.NilVal {
		all := make(map[string]cty.Value, len(d.instances))
		for _, i := range d.instances {
			all[i.key] = cty.CapsuleVal(referenceType, i)
		}
		d.refs = cty.MapVal(all)
	}
	return d.refs
}

// place says where an expression stands, and so what it may refer to.
type place struct {
	inForEach   bool // of a block: nothing that for_each itself brings
	each        bool // the block has for_each
	certificate bool // inside a sink
	secret      bool // where a secret belongs
}

// dangling is a reference to something that does not exist.
type dangling struct{ root, first, second string }

var roots = []string{"var", "local", "sink", "dns", "issuer", "each", "certificate"}

// checkReferences reports what an expression refers to and what is not there,
// with a suggestion. It is asked once for an expression, whatever for_each
// makes of it.
func (l *loader) checkReferences(e hcl.Expression, p place) bool {
	ok := true
	for _, t := range e.Variables() {
		if !l.checkTraversal(t, p) {
			ok = false
		}
	}
	return ok
}

func (l *loader) checkTraversal(t hcl.Traversal, p place) bool {
	root := t.RootName()
	at := t.SourceRange()
	unknown := func(what string, known func() []string) {
		hint, note := "", ""
		if l.suggested++; l.suggested <= mostSuggestions {
			hint = suggest(what, known())
		}
		if l.incomplete {
			if !strings.Contains(hint, "Did you mean") {
				return
			}
			note = " (Unless it is in a file that could not be read.)"
		}
		l.report.error("", at, "Unknown reference", "There is no %s.%s%s", what, hint, note)
	}
	first, second := step(t, 1), step(t, 2)
	switch root {
	case "var":
		if first != "" && l.vars[first] == nil {
			l.dangling = append(l.dangling, dangling{root: root, first: first})
			if len(l.vars) == 0 && !l.incomplete {
				l.report.error("", at, "Unknown reference", "There is no var.%s: no variable is declared here. variable %q {} declares one. What only saves writing is a local (locals { %s = ... }, then local.%s), and a secret is secret(\"env:NAME\").",
					first, first, first, first)
				return false
			}
			unknown("var."+first, func() []string { return prefixed("var.", slices.Collect(maps.Keys(l.vars))) })
			return false
		}
	case "local":
		if first != "" && l.locals[first] == nil {
			l.dangling = append(l.dangling, dangling{root: root, first: first})
			unknown("local."+first, func() []string { return prefixed("local.", slices.Collect(maps.Keys(l.locals))) })
			return false
		}
	case "sink", "dns", "issuer":
		f := l.families[root]
		if first == "" {
			return true
		}
		found := f.index[root+"."+first+"."+second] != nil
		if second == "" {
			found = slices.ContainsFunc(f.list, func(d *declaration) bool { return d.kind == first })
		}
		if !found {
			l.dangling = append(l.dangling, dangling{root, first, second})
			what := root + "." + first
			if second != "" {
				what += "." + second
			}
			unknown(what, func() []string { return slices.Collect(maps.Keys(f.index)) })
			return false
		}
	case "each":
		switch {
		case p.inForEach:
			l.report.error("", at, "each inside for_each", "each.key and each.value exist only in the rest of the block: for_each is what makes them.")
			return false
		case !p.each:
			l.report.error("", at, "each without for_each", "each.key and each.value exist only in a block that has for_each.")
			return false
		case len(t) > 1 && first != "key" && first != "value":
			l.report.error("", at, "Unknown reference", "There is no each.%s; there are each.key and each.value.", first)
			return false
		}
	case "certificate":
		if p.certificate {
			return true
		}
		if l.families["certificate"].index["certificate."+first] != nil {
			l.report.error("", at, "Unknown reference", "A certificate block is referred to by nothing. What several blocks have in common, such as names, is a local.")
			return false
		}
		detail := "certificate is the certificate that a sink is evaluated for, and exists only inside a sink."
		if p.inForEach {
			detail = "for_each is known before any certificate: it can depend on files, variables and locals only. What varies per certificate is an argument of the sink."
		}
		l.report.error("", at, "certificate outside of a sink", "%s", detail)
		return false
	case "string", "number", "bool", "any":
		// Types, in the second argument of convert(). Elsewhere the library
		// says that there is no such variable.
	default:
		l.missing[root] = cty.DynamicVal
		if p.secret && len(t) == 1 {
			l.report.add("", &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Plain text where a secret belongs", Subject: &at, Extra: block.PlainText{},
				Detail: `A word without quotes is a reference, and there is none of this name. If it is a secret, write secret("env:NAME"), or another scheme (file, vault, exec).`})
		} else if h := rootHints[root]; h != "" {
			l.report.error("", at, "Unknown reference", "%s", h)
		} else if whole := l.withFamily(root, first); whole != "" {
			l.report.error("", at, "Unknown reference", "There is nothing called %q. A reference begins with the type of the block: %s.", root, whole)
		} else if root == "zone" {
			l.report.error("", at, "Unknown reference", "A zone block is referred to by nothing: it is found by the names it holds.")
		} else {
			l.report.error("", at, "Unknown reference", "There is nothing called %q.%s", root, suggest(root, roots))
		}
		return false
	}
	return true
}

// withFamily is the whole address of a block that was named by kind and name
// alone, "" if there is none.
func (l *loader) withFamily(kind, name string) string {
	for _, family := range []string{"sink", "dns", "issuer"} {
		if address := family + "." + kind + "." + name; l.families[family].index[address] != nil {
			return address
		}
	}
	return ""
}

func prefixed(prefix string, names []string) []string {
	for i, n := range names {
		names[i] = prefix + n
	}
	return names
}

// referred is one element of a list of references.
type referred struct {
	*instance
	at hcl.Range
}

// references evaluates an argument that takes a list of references to blocks
// of one family. ok is false if not all of them are known.
func (l *loader) references(whose, argument, family string, e hcl.Expression, ctx *hcl.EvalContext) (out []referred, ok bool) {
	if exprs, diags := hcl.ExprList(e); !diags.HasErrors() {
		// One by one: a mistake in one does not hide those in the others.
		ok = true
		for _, el := range exprs {
			v, diags := el.Value(ctx)
			l.report.add(whose, diags...)
			if diags.HasErrors() {
				ok = false
				continue
			}
			more, good := l.flatten(whose, argument, family, v, el.Range())
			out = append(out, more...)
			ok = ok && good
		}
		return out, ok
	}
	v, diags := e.Value(ctx)
	l.report.add(whose, diags...)
	if diags.HasErrors() || !v.IsKnown() {
		return nil, false
	}
	if t := v.Type(); v.IsNull() || !(t.IsTupleType() || t.IsListType() || t.IsSetType()) {
		example := family + ".KIND.NAME"
		if tr, d := hcl.AbsTraversalForExpr(e); !d.HasErrors() && len(tr) > 2 {
			example = family + "." + step(tr, 1) + "." + step(tr, 2)
		}
		l.report.error(whose, e.Range(), "Wrong type of value", "%s takes a list of references, as in %s = [%s].", argument, argument, example)
		return nil, false
	}
	return l.flatten(whose, argument, family, v, e.Range())
}

func (l *loader) flatten(whose, argument, family string, v cty.Value, at hcl.Range) (out []referred, ok bool) {
	t := v.Type()
	wrong := func(detail string, args ...any) ([]referred, bool) {
		l.report.error(whose, at, "Wrong reference", "%s", fmt.Sprintf(detail, args...))
		return nil, false
	}
	switch {
	case !v.IsKnown():
		return nil, false
	case v.IsNull():
		return nil, true
	case t.Equals(referenceType):
		i := v.EncapsulatedValue().(*instance)
		if i.family != family {
			return wrong("%s takes references to %s blocks, and this is %s.", argument, family, i.address())
		}
		return []referred{{i, at}}, true
	case t == cty.String:
		text := v.AsString()
		if strings.HasPrefix(text, family+".") {
			if strings.HasSuffix(at.Filename, ".json") {
				return wrong(`In JSON a reference is written as "${%s}".`, text)
			}
			return wrong("A reference is written without quotes: %s.", text)
		}
		return wrong("%s takes references, as in %s.KIND.NAME, not text.", argument, family)
	case t.IsObjectType():
		return wrong("This is no reference to one %s block: a reference has a kind and a name, as in %s.KIND.NAME.", family, family)
	case t.IsTupleType(), t.IsListType(), t.IsSetType(), t.IsMapType():
		ok = true
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			more, good := l.flatten(whose, argument, family, e, at)
			out = append(out, more...)
			ok = ok && good
		}
		return out, ok
	}
	return wrong("%s takes references, as in %s.KIND.NAME, and this is %s.", argument, family, block.What(t))
}
