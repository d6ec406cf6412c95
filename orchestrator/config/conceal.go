package config

import (
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/secret"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// conceal takes out of diagnostics what may be a secret that somebody wrote
// out: the values of what stands where a secret or a reference to one belongs.
func (l *loader) conceal(diags hcl.Diagnostics) {
	c := concealer{l: l, roots: map[string]bool{}}
	for _, d := range diags {
		c.note(d)
	}
	c.spread()
	for _, d := range diags {
		if d.Expression != nil && c.mentions(d.Expression) {
			d.Expression, d.EvalContext = nil, nil
		}
		d.Detail = urlPassword.ReplaceAllString(d.Detail, "://(hidden)@")
		for _, text := range c.texts {
			d.Detail = strings.ReplaceAll(d.Detail, text, "(hidden)")
		}
	}
}

// concealer knows the variables and locals whose values may be secrets.
type concealer struct {
	l     *loader
	roots map[string]bool // var.token, local.token
	texts []string
}

// note finds out whether d is about a secret written out.
func (c *concealer) note(d *hcl.Diagnostic) {
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && call.CalledFunctionName() == "secret" {
		// HCL does not unwrap errors of arguments, so this one is known by its text.
		if err := call.FunctionCallError(); err != nil && err.Error() == secret.Check("").Error() {
			c.add(d.Expression)
			at := *d.Subject
			if d.Context != nil {
				at = hcl.RangeOver(at, *d.Context)
			}
			d.Subject = &at
		}
		d.Extra, d.Expression, d.EvalContext = block.PlainText{}, nil, nil
		return
	}
	if p, ok := d.Extra.(block.PlainText); ok {
		c.add(p.Expr)
		d.Expression, d.EvalContext = nil, nil
	}
}

func (c *concealer) add(e hcl.Expression) {
	if e == nil {
		return
	}
	for _, t := range e.Variables() {
		if root := t.RootName(); root == "var" || root == "local" {
			c.roots[root+"."+step(t, 1)] = true
		}
	}
}

// spread follows locals: what a concealed one is made of is concealed, and so
// is what is made of that.
func (c *concealer) spread() {
	for more := len(c.roots) > 0; more; {
		more = false
		for name, n := range c.l.locals {
			name = "local." + name
			if c.roots[name] {
				before := len(c.roots)
				c.add(n.expr)
				more = more || len(c.roots) > before
			} else if c.mentions(n.expr) {
				c.roots[name] = true
				more = true
			}
		}
	}
	for root := range c.roots {
		kind, name, _ := strings.Cut(root, ".")
		value := cty.NilVal
		if v := c.l.vars[name]; kind == "var" && v != nil {
			value = v.value
		} else if n := c.l.locals[name]; kind == "local" && n != nil {
			value = n.value
		}
		c.collect(value)
	}
}

// shortest is the length from which a text is taken out of sentences: what is
// shorter would be found everywhere.
const shortest = 4

func (c *concealer) collect(v cty.Value) {
	if v == cty.NilVal || !v.IsWhollyKnown() {
		return
	}
	// The walk never fails.
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.Type() == cty.String && !v.IsNull() && len(v.AsString()) >= shortest {
			c.texts = append(c.texts, v.AsString())
		}
		return true, nil
	})
}

// mentions reports whether an expression shows a value that is concealed, or
// one whose name says that it is a secret.
func (c *concealer) mentions(e hcl.Expression) bool {
	for _, t := range e.Variables() {
		if c.roots[t.RootName()+"."+step(t, 1)] {
			return true
		}
		for i := 1; i < len(t); i++ {
			if block.LooksSecret(step(t, i)) && step(t, i) != "key" {
				return true
			}
		}
	}
	return false
}
