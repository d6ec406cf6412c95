package sinktest

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/sinks"
)

// reserved are what any sink block may have besides the kind's own arguments.
var reserved = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "for_each"}, {Name: "wave"}, {Name: "adopt"}, {Name: "on_remove"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "endpoint"}},
}

// RunKind proves what people read about a kind: every argument is described,
// no name is reserved, and the example decodes without a problem. It returns
// the example's spec, for one certificate called site.
func RunKind(t *testing.T, k sinks.Kind) sinks.Spec {
	t.Helper()
	if k.Name == "" || len(k.Doc) < 20 || !strings.HasSuffix(k.Doc, ".") {
		t.Errorf("kind %q is described as %q", k.Name, k.Doc)
	}
	shape := block.ShapeOf(k.New())
	for _, a := range shape.Arguments() {
		if len(a.Doc) < 10 || !strings.HasSuffix(a.Doc, ".") {
			t.Errorf("%s: %q is described as %q", k.Name, a.Name, a.Doc)
		}
		for _, r := range reserved.Attributes {
			if a.Name == r.Name {
				t.Errorf("%s: the name %q is reserved", k.Name, a.Name)
			}
		}
	}
	file, diags := hclsyntax.ParseConfig([]byte(k.Example), "example.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	blocks := file.Body.(*hclsyntax.Body).Blocks
	if len(blocks) != 1 || blocks[0].Type != "sink" || len(blocks[0].Labels) != 2 || blocks[0].Labels[0] != k.Name {
		t.Fatalf("the example is not one block: sink %q \"...\"", k.Name)
	}
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"certificate": cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal("site"), "domain": cty.StringVal("example.com"),
		})},
		Functions: map[string]function.Function{"secret": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "ref", Type: cty.String}},
			Type:   function.StaticReturnType(block.SecretType),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return block.SecretValue(block.NewSecret(args[0].AsString())), nil
			},
		})},
	}
	body, diags := shape.Read(blocks[0].Body, blocks[0].Range(), reserved)
	if each := body.Content().Attributes["for_each"]; each != nil {
		all, d := each.Expr.Value(ctx)
		diags = append(diags, d...)
		for it := all.ElementIterator(); it.Next(); {
			key, value := it.Element()
			ctx.Variables["each"] = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
			break
		}
	}
	spec := k.New()
	diags = append(diags, body.Defaults(spec)...)
	_, d := body.Decode(ctx, spec)
	if diags = append(diags, d...); diags.HasErrors() {
		t.Fatal(diags)
	}
	if r, ok := spec.(sinks.Rebased); ok {
		r.Rebase("/etc/certform")
	}
	if n, ok := spec.(sinks.Named); ok {
		n.SetCertificate("site")
	}
	if bad := spec.Check(); len(bad) > 0 {
		t.Errorf("the example has a problem: %+v", bad)
	}
	if (spec.Target() == "") != k.Passive {
		t.Errorf("the example's target is %q", spec.Target())
	}
	return spec
}
