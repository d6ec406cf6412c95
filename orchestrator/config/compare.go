package config

import (
	"encoding/json"
	"slices"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// checkComparisons reports comparisons with a secret. Nothing else would: the
// language compares values of different types silently, and a reference is
// never equal to the text it stands for.
// It is asked when the locals are known.
func (l *loader) checkComparisons(e hcl.Expression) {
	if node, ok := e.(hclsyntax.Node); ok {
		l.findComparisons(node, nil)
		return
	}
	f := l.files[e.Range().Filename]
	if f == nil || !e.Range().CanSliceBytes(f.Bytes) {
		return
	}
	// JSON: its templates are parsed when they are evaluated, and what is wrong
	// with them is told then.
	var v any
	if json.Unmarshal(e.Range().SliceBytes(f.Bytes), &v) == nil {
		l.comparisonsIn(v, e.Range())
	}
}

func (l *loader) comparisonsIn(v any, at hcl.Range) {
	switch v := v.(type) {
	case string:
		if t, diags := hclsyntax.ParseTemplate([]byte(v), at.Filename, hcl.InitialPos); !diags.HasErrors() {
			l.findComparisons(t, &at)
		}
	case []any:
		for _, e := range v {
			l.comparisonsIn(e, at)
		}
	case map[string]any:
		for _, e := range v {
			l.comparisonsIn(e, at)
		}
	}
}

// findComparisons reports at the range of the comparison, unless another is
// given.
func (l *loader) findComparisons(node hclsyntax.Node, at *hcl.Range) {
	// The visitor never fails.
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		op, is := n.(*hclsyntax.BinaryOpExpr)
		if !is || op.Op != hclsyntax.OpEqual && op.Op != hclsyntax.OpNotEqual {
			return nil
		}
		if l.isSecret(op.LHS) || l.isSecret(op.RHS) {
			subject := at
			if subject == nil {
				subject = op.Range().Ptr()
			}
			l.report.add("", &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Comparison with a secret", Subject: subject,
				Detail: "A secret is a reference that is resolved last; what it refers to cannot be compared here.", Extra: block.PlainText{}})
		}
		return nil
	})
}

// isSecret reports whether an expression is a secret, as far as can be seen
// without evaluating it: a call of secret(), a list with one, or a local that
// is or holds one.
func (l *loader) isSecret(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.isSecret(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		return l.isSecret(e.Wrapped)
	case *hclsyntax.TupleConsExpr:
		return slices.ContainsFunc(e.Exprs, l.isSecret)
	case *hclsyntax.FunctionCallExpr:
		return e.Name == "secret"
	case *hclsyntax.ScopeTraversalExpr:
		if e.Traversal.RootName() != "local" || len(e.Traversal) < 2 {
			return false
		}
		n := l.locals[step(e.Traversal, 1)]
		if n == nil || n.value == cty.NilVal {
			return false
		}
		v, diags := e.Traversal[2:].TraverseRel(n.value)
		return !diags.HasErrors() && block.HoldsSecret(v.Type())
	}
	return false
}
