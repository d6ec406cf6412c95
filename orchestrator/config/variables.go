package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

type variable struct {
	name     string
	at       hcl.Range
	dir      *directory
	typ      cty.Type
	defaults *typeexpr.Defaults
	def      cty.Value // NilVal: required
	nullable bool
	broken   bool
	checks   []validation
	value    cty.Value
	valueAt  hcl.Range
}

type validation struct {
	condition, message hcl.Expression
}

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "nullable"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
}

var validationSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "condition", Required: true}, {Name: "error_message", Required: true}},
}

// declareVariable reads one variable block. Its default and type are literal,
// as in Terraform.
func (l *loader) declareVariable(b *hcl.Block, d *directory) {
	name := b.Labels[0]
	if !l.goodLabel(b, 0) {
		return
	}
	if old := l.vars[name]; old != nil {
		l.duplicate(b.DefRange, "variable", "var."+name, old.at)
		return
	}
	v := &variable{name: name, at: b.DefRange, valueAt: b.DefRange, dir: d, typ: cty.DynamicPseudoType, nullable: true}
	l.vars[name] = v
	content, diags := b.Body.Content(variableSchema)
	v.broken = diags.HasErrors()
	l.report.add("", diags...)
	if a := content.Attributes["type"]; a != nil {
		t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		l.report.add("", diags...)
		if diags.HasErrors() {
			v.broken = true
		} else {
			v.typ, v.defaults = t, defaults
		}
	}
	if a := content.Attributes["nullable"]; a != nil {
		diags := gohcl.DecodeExpression(a.Expr, nil, &v.nullable)
		l.report.add("", diags...)
	}
	if a := content.Attributes["description"]; a != nil {
		var text string
		l.report.add("", gohcl.DecodeExpression(a.Expr, nil, &text)...)
	}
	if a := content.Attributes["default"]; a != nil {
		val, diags := a.Expr.Value(nil)
		l.report.add("", diags...)
		v.def = cty.DynamicVal
		if diags.HasErrors() {
			v.broken = true
		} else if val, err := v.convert(val); err != nil {
			v.broken = true
			l.report.error("", a.Expr.Range(), "Wrong default of a variable", "The default of var.%s does not have its type: %v.", name, err)
		} else {
			v.def = val
		}
		v.valueAt = a.Expr.Range()
	}
	for _, b := range content.Blocks {
		c, diags := b.Body.Content(validationSchema)
		l.report.add("", diags...)
		if !diags.HasErrors() {
			v.checks = append(v.checks, validation{c.Attributes["condition"].Expr, c.Attributes["error_message"].Expr})
		}
	}
}

func (v *variable) convert(val cty.Value) (cty.Value, error) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	if val.IsNull() && !v.nullable {
		if v.def != cty.NilVal {
			return v.def, nil
		}
		return cty.NilVal, fmt.Errorf("it cannot be null")
	}
	return convert.Convert(val, v.typ)
}

// giveVariables finds the value of each variable with Terraform's precedence:
// its default, the environment, *.auto.vars.hcl in the order of their names,
// then -var and -var-file in the order given.
func (l *loader) giveVariables() {
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		v := l.vars[name]
		if text, ok := l.o.Env("CERTFORM_VAR_" + name); ok {
			l.giveText(v, text, "CERTFORM_VAR_"+name)
		}
	}
	entries, _ := os.ReadDir(l.dir) // an error was reported by readDirectory
	for _, e := range entries {
		if kindOfFile(e.Name()) == autoVarFile {
			l.giveFile(filepath.Join(l.dir, e.Name()), filepath.Join(l.o.Dir, e.Name()))
		}
	}
	for _, given := range l.o.Vars {
		if given.File != "" {
			l.giveFile(given.File, given.File)
			continue
		}
		v := l.vars[given.Name]
		if v == nil {
			if !l.incomplete {
				l.report.add("", &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown variable",
					Detail: fmt.Sprintf("-var gives a value for %q, and there is no such variable.%s", given.Name, suggest(given.Name, slices.Collect(maps.Keys(l.vars))))})
			}
			continue
		}
		l.giveText(v, given.Value, "-var")
	}
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		v := l.vars[name]
		if v.value == cty.NilVal {
			v.value = v.def
		}
		if v.value == cty.NilVal {
			if !v.broken {
				l.report.error("", v.at, "Variable without a value",
					"var.%s has no default: give it by -var %s=..., a *.auto.vars.hcl file, or the environment variable CERTFORM_VAR_%s.", name, name, name)
			}
			v.value = cty.UnknownVal(v.typ)
			continue
		}
		if v.broken {
			v.value = cty.DynamicVal
			continue
		}
		l.digest.variable(name, v.value)
	}
}

// giveText takes a value from the command line or the environment: the text
// itself, or an HCL expression where the type is no primitive one. The text
// is never repeated.
func (l *loader) giveText(v *variable, text, from string) {
	val := cty.StringVal(text)
	if v.typ != cty.DynamicPseudoType && !v.typ.IsPrimitiveType() {
		if nesting([]byte(text)) > maxNesting {
			l.report.error("", v.at, "Wrong value of a variable", "The value of var.%s given by %s is nested too deep.", v.name, from)
			v.broken = true
			return
		}
		expr, diags := hclsyntax.ParseExpression([]byte(text), from, hcl.InitialPos)
		if !diags.HasErrors() {
			val, diags = expr.Value(nil)
		}
		if diags.HasErrors() {
			l.report.error("", v.at, "Wrong value of a variable", "The value of var.%s given by %s is not an HCL value: %s. Quote text inside lists and maps.", v.name, from, diags[0].Summary)
			v.broken = true
			return
		}
	}
	conv, err := v.convert(val)
	if err != nil {
		l.report.error("", v.at, "Wrong value of a variable", "The value of var.%s given by %s: %v.", v.name, from, err)
		v.broken = true
		return
	}
	v.value, v.valueAt = conv, v.at
}

func (l *loader) giveFile(path, name string) {
	f, ok := l.parse(path, name)
	if !ok {
		return
	}
	attrs, diags := f.Body.JustAttributes()
	l.report.add("", diags...)
	names := slices.Sorted(maps.Keys(attrs))
	for _, n := range names {
		a := attrs[n]
		v := l.vars[n]
		if v == nil {
			if !l.incomplete {
				l.report.warn("", a.NameRange, "Unknown variable", "There is no variable %q.%s", n, suggest(n, slices.Collect(maps.Keys(l.vars))))
			}
			continue
		}
		val, diags := a.Expr.Value(nil)
		l.report.add("", diags...)
		if diags.HasErrors() {
			v.broken = true
			continue
		}
		conv, err := v.convert(val)
		if err != nil {
			l.report.error("", a.Expr.Range(), "Wrong value of a variable", "The value of var.%s: %v.", n, err)
			v.broken = true
			continue
		}
		v.value, v.valueAt = conv, a.Expr.Range()
	}
}

// validate runs the validation blocks, when all values are known.
func (l *loader) validateVariables() {
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		v := l.vars[name]
		for _, c := range v.checks {
			if v.broken || !v.value.IsWhollyKnown() {
				continue
			}
			ok, known := false, false
			val, diags := c.condition.Value(v.dir.ctx)
			l.report.add("", diags...)
			if val, err := convert.Convert(val, cty.Bool); err != nil {
				l.report.error("", c.condition.Range(), "Wrong condition", "A condition is true or false: %v.", err)
			} else if known = val.IsKnown() && !val.IsNull() && !diags.HasErrors(); known {
				ok = val.True()
			}
			if !known || ok {
				continue
			}
			var message string
			l.report.add("", gohcl.DecodeExpression(c.message, v.dir.ctx, &message)...)
			at := v.valueAt
			l.report.error("", at, "Variable refused by its validation", "%s\n\nThis is what var.%s asks for at %s.", message, name, c.condition.Range())
		}
	}
}

// checkValidations checks what the validation blocks refer to.
func (l *loader) checkValidations() {
	for _, name := range slices.Sorted(maps.Keys(l.vars)) {
		for _, c := range l.vars[name].checks {
			l.checkReferences(c.condition, place{})
			l.checkReferences(c.message, place{})
			l.checkComparisons(c.condition)
		}
	}
}

// given reports whether all variables that an expression refers to have a
// value; if not, that has been reported.
func (l *loader) given(e hcl.Expression) bool {
	for _, t := range e.Variables() {
		if t.RootName() != "var" {
			continue
		}
		if v := l.vars[step(t, 1)]; v != nil && !v.value.IsWhollyKnown() {
			return false
		}
	}
	return true
}
