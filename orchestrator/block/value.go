package block

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Decode evaluates what was given and sets the fields of into, which must have
// the shape that b was read by. unknown names the arguments whose values are
// not known in ctx; their fields are left alone.
func (b *Body) Decode(ctx *hcl.EvalContext, into any) (unknown []string, diags hcl.Diagnostics) {
	target, about, _ := home(into)
	for _, i := range b.given {
		f := &b.shape.fields[i]
		attr := b.attrs[i]
		val, d := attr.Expr.Value(ctx)
		if f.Secret {
			for _, d := range d {
				d.Extra = PlainText{Expr: attr.Expr, Rest: d.Extra}
			}
		}
		diags = append(diags, d...)
		if d.HasErrors() {
			unknown = append(unknown, f.Name)
			continue
		}
		s, known, diag := b.set(f, attr, ctx, val, target)
		switch {
		case diag != nil:
			diags = append(diags, diag)
			unknown = append(unknown, f.Name)
		case !known:
			unknown = append(unknown, f.Name)
		case f.hidden && about.Put != nil:
			about.Put(f.Name, s)
		}
	}
	return unknown, diags
}

// set puts one value into its field. A secret of a foreign struct has no field
// and is returned.
func (b *Body) set(f *field, attr *hcl.Attribute, ctx *hcl.EvalContext, val cty.Value, target reflect.Value) (s Secret, known bool, diag *hcl.Diagnostic) {
	// No EvalContext in diagnostics about secrets: the writer would print the
	// values of the variables.
	fail := func(summary, detail string, secret bool) *hcl.Diagnostic {
		d := &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: detail,
			Subject: attr.Expr.Range().Ptr(),
			Context: hcl.RangeBetween(attr.NameRange, attr.Expr.Range()).Ptr(),
		}
		if secret {
			d.Extra = PlainText{Expr: attr.Expr}
		} else {
			d.Expression, d.EvalContext = attr.Expr, ctx
		}
		return d
	}
	if val.IsNull() && !val.Type().Equals(SecretType) {
		if f.Required {
			return s, false, fail("Missing required argument", fmt.Sprintf("The argument %q is required, and its value is null.", f.Name), false)
		}
		return s, true, b.restoreDefault(f, target, fail)
	}
	if f.Secret {
		if val.Type() == cty.DynamicPseudoType && !val.IsKnown() {
			return s, false, nil
		}
		if f.typ == secretsType {
			all, known, ok := secretMap(val)
			if !ok {
				return s, false, fail("Plain text where a secret belongs", fmt.Sprintf(
					`The argument %q takes a map of secrets and never their text: write %s = { NAME = secret("env:NAME") }, or another scheme (file, vault, exec).`,
					f.Name, f.Name), true)
			}
			if known {
				target.FieldByIndex(f.at).Set(reflect.ValueOf(all))
			}
			return s, known, nil
		}
		if !val.Type().Equals(SecretType) {
			return s, false, fail("Plain text where a secret belongs", fmt.Sprintf(
				`The argument %q takes a secret and never its text: write %s = secret("env:NAME"), or another scheme (file, vault, exec). Variables carry the reference: secret(var.name).`,
				f.Name, f.Name), true)
		}
		if val.IsNull() {
			return s, true, nil
		}
		if !val.IsKnown() {
			return s, false, nil
		}
		s = *val.EncapsulatedValue().(*Secret)
		if !f.hidden {
			target.FieldByIndex(f.at).Set(reflect.ValueOf(s))
		}
		return s, true, nil
	}
	if HoldsSecret(val.Type()) {
		return s, false, fail("Secret in the wrong place", fmt.Sprintf(
			"The argument %q does not take a secret%s.", f.Name, b.shape.secretNames()), false)
	}
	conv, err := convert.Convert(val, ctyType(f.typ))
	if err != nil {
		more := ""
		if said := err.Error(); strings.Contains(said, ": ") { // of an element; of the whole it says the same again
			said, _, _ = strings.Cut(said, ", but have ")
			more = ": " + strings.Replace(said, "string required", "a text is required", 1)
		}
		return s, false, fail("Wrong type of value", fmt.Sprintf(
			"The argument %q takes %s, and this is %s%s.", f.Name, cmp.Or(takes[f.Type], "a "+f.Type), What(val.Type()), more), false)
	}
	if !conv.IsWhollyKnown() {
		return s, false, nil
	}
	if err := setValue(target.FieldByIndex(f.at), conv); err != nil {
		return s, false, fail("Wrong value", fmt.Sprintf("The argument %q: %v.", f.Name, err), false)
	}
	return s, true, nil
}

// takes says to people what the types of arguments are.
var takes = map[string]string{
	"string": "a text", "number": "a number", "bool": "true or false", "duration": `a duration, such as "5m"`,
	"list of string": "a list of texts", "map of string": "a map of texts",
}

// What says to people what a value of a type is.
func What(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case HoldsSecret(t):
		return "a secret"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	case t.IsObjectType(), t.IsMapType():
		return "a map"
	case t == cty.DynamicPseudoType:
		return "null"
	}
	return "a " + t.FriendlyName()
}

// secretMap reads an object or a map whose values are all secrets; ok is false
// for anything else. What is null is left out.
func secretMap(val cty.Value) (all map[string]Secret, known, ok bool) {
	if t := val.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, false, false
	}
	if !val.IsKnown() {
		return nil, false, true
	}
	all, known = map[string]Secret{}, true
	for it := val.ElementIterator(); it.Next(); {
		k, v := it.Element()
		switch {
		case v.Type() == cty.DynamicPseudoType && (v.IsNull() || !v.IsKnown()), v.Type().Equals(SecretType):
			if !v.IsKnown() {
				known = false
			} else if !v.IsNull() {
				all[k.AsString()] = *v.EncapsulatedValue().(*Secret)
			}
		default:
			return nil, false, false
		}
	}
	return all, known, true
}

// PlainText in a diagnostic's Extra says that Expr, or without one the subject,
// may hold a secret written out, which must be shown neither in an excerpt nor
// as the value of what it refers to.
type PlainText struct {
	Expr hcl.Expression
	Rest any // what the Extra was before
}

// UnwrapDiagnosticExtra is for hcl.DiagnosticExtra.
func (p PlainText) UnwrapDiagnosticExtra() any { return p.Rest }

func (b *Body) restoreDefault(f *field, target reflect.Value, fail func(string, string, bool) *hcl.Diagnostic) *hcl.Diagnostic {
	if f.Default == "" || f.Secret {
		return nil
	}
	if err := setText(target.FieldByIndex(f.at), f.Default); err != nil {
		return fail("Bad default of an argument", fmt.Sprintf("The default of %q does not fit: %v. This is a mistake in certform.", f.Name, err), false)
	}
	return nil
}

func (s *Shape) secretNames() string {
	var names []string
	for _, f := range s.fields {
		if f.Secret {
			names = append(names, f.Name)
		}
	}
	if names == nil {
		return "; no argument of this block does"
	}
	return "; here only these do: " + strings.Join(names, ", ")
}

// HoldsSecret reports whether values of a type are secrets or have some in them.
func HoldsSecret(t cty.Type) bool {
	switch {
	case t.Equals(SecretType):
		return true
	case t.IsCollectionType():
		return HoldsSecret(t.ElementType())
	case t.IsTupleType():
		for _, e := range t.TupleElementTypes() {
			if HoldsSecret(e) {
				return true
			}
		}
	case t.IsObjectType():
		for _, e := range t.AttributeTypes() {
			if HoldsSecret(e) {
				return true
			}
		}
	}
	return false
}

func ctyType(t reflect.Type) cty.Type {
	switch foreignType(t) {
	case "bool":
		return cty.Bool
	case "number":
		return cty.Number
	case "list of string":
		return cty.List(cty.String)
	case "map of string":
		return cty.Map(cty.String)
	}
	return cty.String
}

func setValue(f reflect.Value, v cty.Value) error {
	if f.Kind() == reflect.Pointer {
		f.Set(reflect.New(f.Type().Elem()))
		f = f.Elem()
	}
	if reflect.PointerTo(f.Type()).Implements(unmarshaler) {
		text, err := json.Marshal(v.AsString())
		if err != nil {
			return err
		}
		return f.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(text)
	}
	if f.Type() == durationType {
		d, err := Duration(v.AsString())
		f.SetInt(int64(d))
		return err
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(v.AsString())
	case reflect.Bool:
		f.SetBool(v.True())
	case reflect.Slice:
		out := make([]string, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if e.IsNull() {
				return fmt.Errorf("an element of the list is null")
			}
			out = append(out, e.AsString())
		}
		f.Set(reflect.ValueOf(out))
	case reflect.Map:
		out := make(map[string]string, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			if e.IsNull() {
				continue
			}
			out[k.AsString()] = e.AsString()
		}
		f.Set(reflect.ValueOf(out))
	default:
		return setNumber(f, v.AsBigFloat())
	}
	return nil
}

func setNumber(f reflect.Value, n *big.Float) error {
	switch {
	case f.CanFloat():
		x, _ := n.Float64()
		f.SetFloat(x)
		return nil
	case f.CanInt():
		if x, acc := n.Int64(); acc == big.Exact && !f.OverflowInt(x) {
			f.SetInt(x)
			return nil
		}
	case f.CanUint():
		if n.Sign() < 0 {
			return fmt.Errorf("the number cannot be negative")
		}
		if x, acc := n.Uint64(); acc == big.Exact && !f.OverflowUint(x) {
			f.SetUint(x)
			return nil
		}
	default:
		return fmt.Errorf("certform cannot set a field of type %s", f.Type())
	}
	if !n.IsInt() {
		return fmt.Errorf("a whole number is required")
	}
	return fmt.Errorf("the number is too large or too small")
}

// setText sets a field from the text of a default tag.
func setText(f reflect.Value, text string) error {
	switch typeName(f.Type()) {
	case "duration", "string":
		return setValue(f, cty.StringVal(text))
	case "bool":
		x, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("not a bool")
		}
		f.SetBool(x)
		return nil
	case "number":
		n, _, err := big.ParseFloat(text, 10, 64, big.ToNearestEven)
		if err != nil {
			return fmt.Errorf("not a number")
		}
		return setNumber(f, n)
	case "list of string":
		f.Set(reflect.ValueOf(strings.Split(text, ",")))
		return nil
	}
	return fmt.Errorf("a %s cannot have a default", typeName(f.Type()))
}
