package block

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Body is a block's body whose arguments were sorted but not yet evaluated.
// It is immutable and may be decoded any number of times.
type Body struct {
	shape   *Shape
	content *hcl.BodyContent
	at      hcl.Range
	attrs   []*hcl.Attribute // parallel to shape.fields; nil: not given
	given   []int            // indexes of fields that were given
}

// Decode reads a whole body into a spec: a pointer to a struct, or a Foreign.
// Values that are not known yet leave their field alone.
func Decode(body hcl.Body, ctx *hcl.EvalContext, into any) hcl.Diagnostics {
	b, diags := ShapeOf(into).Read(body, body.MissingItemRange(), nil)
	d := b.Defaults(into)
	_, more := b.Decode(ctx, into)
	return append(append(diags, d...), more...)
}

// Read sorts the arguments of body, and says which are missing and which do
// not exist. at is the block's own range. extra are arguments and blocks that
// belong to the caller (wave, endpoint).
func (s *Shape) Read(body hcl.Body, at hcl.Range, extra *hcl.BodySchema) (*Body, hcl.Diagnostics) {
	schema := s.Schema()
	if extra != nil {
		schema.Attributes = append(schema.Attributes, extra.Attributes...)
		schema.Blocks = append(schema.Blocks, extra.Blocks...)
	}
	content, diags := body.Content(schema)
	return s.Pick(content, at), diags
}

// Pick takes the arguments of s from content that somebody else has read.
func (s *Shape) Pick(content *hcl.BodyContent, at hcl.Range) *Body {
	b := &Body{shape: s, content: content, at: at, attrs: make([]*hcl.Attribute, len(s.fields))}
	for i, f := range s.fields {
		if a, ok := content.Attributes[f.Name]; ok {
			b.attrs[i] = a
			b.given = append(b.given, i)
		}
	}
	return b
}

// Schema is what s asks of a body.
func (s *Shape) Schema() *hcl.BodySchema {
	var out hcl.BodySchema
	for _, f := range s.fields {
		out.Attributes = append(out.Attributes, hcl.AttributeSchema{Name: f.Name, Required: f.Required})
	}
	return &out
}

// Content is everything that was read, arguments of others included.
func (b *Body) Content() *hcl.BodyContent { return b.content }

// Holding finds, for a diagnostic, the argument whose text, as it is written or
// as a clean path, ends text, or else is its longest part; "" if there is none.
func (b *Body) Holding(spec any, text string) string {
	target, _, _ := home(spec)
	best, length := "", 0
	for i, f := range b.shape.fields {
		if b.attrs[i] == nil || f.Type != "string" {
			continue
		}
		s := target.FieldByIndex(f.at).String()
		for _, s := range []string{s, path.Clean(s), strings.Trim(s, "/"), strings.TrimLeft(path.Clean(s), "./")} {
			n := len(s)
			if n > 0 && strings.HasSuffix(text, s) {
				n += len(text)
			}
			if n > length && strings.Contains(text, s) {
				best, length = f.Name, n
			}
		}
	}
	return best
}

// Range is where an argument's value stands, or the block's header if the
// argument was not given or is "".
func (b *Body) Range(argument string) hcl.Range {
	if a := b.content.Attributes[argument]; a != nil {
		return a.Expr.Range()
	}
	return b.at
}

// Arguments are those that the block may have.
func (b *Body) Arguments() []Argument { return b.shape.Arguments() }

// Names are the shape's arguments that were given, in the order of its fields.
func (b *Body) Names() []string {
	out := make([]string, len(b.given))
	for i, f := range b.given {
		out[i] = b.shape.fields[f].Name
	}
	return out
}

// Split divides what was given into a body that does not depend on any of the
// root variables and one that does, so that what is fixed is decoded once.
func (b *Body) Split(roots ...string) (fixed, varying *Body) {
	f, v := *b, *b
	f.given, v.given = nil, nil
	for _, i := range b.given {
		if dependsOn(b.attrs[i].Expr, roots) {
			v.given = append(v.given, i)
		} else {
			f.given = append(f.given, i)
		}
	}
	return &f, &v
}

func dependsOn(e hcl.Expression, roots []string) bool {
	for _, t := range e.Variables() {
		for _, r := range roots {
			if t.RootName() == r {
				return true
			}
		}
	}
	return false
}

// Defaults sets the defaults of arguments that were not given.
func (b *Body) Defaults(into any) hcl.Diagnostics {
	target, _, _ := home(into)
	for i, f := range b.shape.fields {
		if b.attrs[i] != nil || f.Default == "" || f.hidden || f.typ == secretType {
			continue
		}
		if err := setText(target.FieldByIndex(f.at), f.Default); err != nil {
			return hcl.Diagnostics{{
				Severity: hcl.DiagError,
				Summary:  "Bad default of an argument",
				Detail:   fmt.Sprintf("The default of %q, %q, does not fit: %v. This is a mistake in certform.", f.Name, f.Default, err),
				Subject:  b.at.Ptr(),
			}}
		}
	}
	return nil
}

// Fill sets the text field of a foreign struct that has this argument: how a
// Foreign spec puts a resolved secret into a copy of that struct.
func Fill(into any, argument, value string) error {
	v := reflect.ValueOf(into).Elem()
	if at := find(v.Type(), argument, nil); at != nil {
		if f := v.FieldByIndex(at); f.Kind() == reflect.String {
			f.SetString(value)
			return nil
		}
	}
	return fmt.Errorf("there is no text field for argument %q", argument)
}

func find(t reflect.Type, argument string, above []int) []int {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clip(above), i)
		if foreignName(f) == argument {
			return at
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if found := find(f.Type, argument, at); found != nil {
				return found
			}
		}
	}
	return nil
}

// Value is what the foreign struct's field for an argument holds.
func Value(from any, argument string) (reflect.Value, bool) {
	v := reflect.ValueOf(from).Elem()
	at := find(v.Type(), argument, nil)
	if at == nil {
		return reflect.Value{}, false
	}
	return v.FieldByIndex(at), true
}

// Copy sets the arguments of the foreign struct to as they are in from, another
// of its type, and leaves its other fields alone, such as locks and caches.
func Copy(to, from any) {
	into, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	s := &Shape{}
	s.foreign(into.Type(), nil, About{})
	for _, f := range s.fields {
		into.FieldByIndex(f.at).Set(source.FieldByIndex(f.at))
	}
}

// Duration reads a duration as the language writes it.
func Duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`a duration is a number with a unit, as in "30s", "5m" or "1h30m"`)
	case d < 0:
		return 0, fmt.Errorf("a duration cannot be negative")
	}
	return d, nil
}
