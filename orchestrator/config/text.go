package config

import (
	"cmp"
	"slices"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// located is a text and where it stands.
type located struct {
	text string
	at   hcl.Range
}

// texts evaluates an argument that takes a list of texts. What cannot be read
// is reported and left out.
func (l *loader) texts(whose, argument string, e hcl.Expression, ctx *hcl.EvalContext) []located {
	if exprs, diags := hcl.ExprList(e); !diags.HasErrors() {
		// One by one: a mistake in one does not hide those in the others.
		out := make([]located, 0, len(exprs))
		for _, el := range exprs {
			v, diags := el.Value(ctx)
			l.report.add(whose, diags...)
			if diags.HasErrors() {
				continue
			}
			if text, ok := l.element(whose, argument, v, el.Range()); ok {
				out = append(out, text)
			}
		}
		return out
	}
	v, diags := e.Value(ctx)
	l.report.add(whose, diags...)
	if diags.HasErrors() || !v.IsKnown() || v.IsNull() {
		return nil
	}
	t := v.Type()
	if !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.report.error(whose, e.Range(), "Wrong type of value", "%s takes a list of texts, and this is %s.", argument, block.What(t))
		return nil
	}
	out := make([]located, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, el := it.Element()
		if text, ok := l.element(whose, argument, el, e.Range()); ok {
			out = append(out, text)
		}
	}
	return out
}

func (l *loader) element(whose, argument string, v cty.Value, at hcl.Range) (located, bool) {
	if !v.IsKnown() {
		return located{}, false
	}
	text, err := convert.Convert(v, cty.String)
	switch {
	case v.IsNull():
		l.report.error(whose, at, "Wrong type of value", "An element of %s is null.", argument)
	case err != nil:
		l.report.error(whose, at, "Wrong type of value", "%s takes a list of texts, and an element of it is %s.", argument, block.What(v.Type()))
	default:
		return located{text.AsString(), at}, true
	}
	return located{}, false
}

// given is an attribute that was given a value, nil if that is null: null is
// the same as leaving it out.
func given(a *hcl.Attribute, ctx *hcl.EvalContext) *hcl.Attribute {
	if a == nil {
		return nil
	}
	if _, diags := hcl.ExprList(a.Expr); !diags.HasErrors() {
		return a
	}
	if v, diags := a.Expr.Value(ctx); !diags.HasErrors() && v.IsKnown() && v.IsNull() {
		return nil
	}
	return a
}

// sortedAttributes are attributes in the order of the file.
func sortedAttributes(attrs hcl.Attributes) []*hcl.Attribute {
	out := make([]*hcl.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hcl.Attribute) int { return cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte) })
	return out
}
