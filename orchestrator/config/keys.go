package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// equalKeys reports the keys that an object in a body says twice. HCL would
// take the last value and say nothing, though it does so for JSON and for
// expressions: of two hosts one would be lost.
func (l *loader) equalKeys(body hcl.Body) {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		return
	}
	// The visitor never fails.
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		if object, is := n.(*hclsyntax.ObjectConsExpr); is {
			l.equalKeysOf(object, nil)
		}
		return nil
	})
}

// equalKeysOf reports the keys of one object that are equal in ctx: nil for
// those that are written out, which equalKeys has reported of every object.
func (l *loader) equalKeysOf(object *hclsyntax.ObjectConsExpr, ctx *hcl.EvalContext) (found bool) {
	written := map[string]bool{} // by key: whether all who say it write it out
	for _, item := range object.Items {
		key, plain := keyOf(item.KeyExpr, nil)
		if !plain {
			var known bool
			if key, known = keyOf(item.KeyExpr, ctx); ctx == nil || !known {
				continue
			}
		}
		before, twice := written[key]
		if twice && (ctx == nil || !plain || !before) {
			l.report.error("", item.KeyExpr.Range(), "Equal keys", "The key %q is there twice, and only one of the two would count.", key)
		}
		written[key], found = plain && (before || !twice), found || twice
	}
	return found
}

func keyOf(e hclsyntax.Expression, ctx *hcl.EvalContext) (key string, ok bool) {
	v, diags := e.Value(ctx)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() {
		return "", false
	}
	v, err := convert.Convert(v, cty.String)
	if err != nil {
		return "", false
	}
	return v.AsString(), true
}
