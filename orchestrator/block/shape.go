package block

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Foreign is a spec whose arguments are the fields of somebody else's struct,
// read by its json tags: a libdns provider.
type Foreign interface {
	// Foreign returns a pointer to that struct and what its tags do not say.
	// It is called for every Arguments and Decode; the pointer must be the
	// same each time.
	Foreign() (into any, about About)
}

// About is what json tags do not say of a foreign struct.
type About struct {
	Required []string
	Secret   []string // secrets that the name does not give away
	Plain    []string // names that look like a secret's and are none
	Omit     []string // fields that are no arguments here
	Default  map[string]string
	Doc      map[string]string
	// Put is given each secret, which has no place in the foreign struct
	// until it is resolved (see Fill). Held is what it was given so far.
	Put  func(argument string, s Secret)
	Held []Secret
}

// Shape is what the tags of a spec's struct say. It is immutable; make one per
// kind and use it for every block of that kind.
type Shape struct {
	fields []field
	index  map[string]int
}

type field struct {
	Argument
	at     []int // reflect path
	typ    reflect.Type
	hidden bool // a secret of a foreign struct: not stored in its field
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
	stringsType  = reflect.TypeFor[[]string]()
	textMapType  = reflect.TypeFor[map[string]string]()
	secretsType  = reflect.TypeFor[map[string]Secret]()
	unmarshaler  = reflect.TypeFor[json.Unmarshaler]()
)

// Arguments lists what a spec (a pointer to a struct, or a Foreign) takes, in
// the order of its fields.
func Arguments(spec any) []Argument { return ShapeOf(spec).Arguments() }

// ShapeOf reads the tags of a spec: a pointer to a struct, or a Foreign.
func ShapeOf(spec any) *Shape {
	s := &Shape{index: map[string]int{}}
	target, about, foreign := home(spec)
	t := target.Type()
	if !foreign && hasArgTags(t) {
		s.own(t, nil)
	} else {
		s.foreign(t, nil, about)
	}
	for i, f := range s.fields {
		s.index[f.Name] = i
	}
	return s
}

// Arguments lists what the shape takes, in the order of its fields.
func (s *Shape) Arguments() []Argument {
	out := make([]Argument, len(s.fields))
	for i, f := range s.fields {
		out[i] = f.Argument
	}
	return out
}

// home finds the struct that holds the arguments of spec.
func home(spec any) (reflect.Value, About, bool) {
	if f, ok := spec.(Foreign); ok {
		into, about := f.Foreign()
		return reflect.ValueOf(into).Elem(), about, true
	}
	return reflect.ValueOf(spec).Elem(), About{}, false
}

func hasArgTags(t reflect.Type) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		if _, ok := f.Tag.Lookup("arg"); ok {
			return true
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct && hasArgTags(f.Type) {
			return true
		}
	}
	return false
}

func (s *Shape) own(t reflect.Type, path []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clip(path), i)
		tag, ok := f.Tag.Lookup("arg")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				s.own(f.Type, at)
			}
			continue
		}
		name, rest, _ := strings.Cut(tag, ",")
		typ := typeName(f.Type)
		if typ == "" {
			typ = "unsupported (" + f.Type.String() + ")"
		}
		s.fields = append(s.fields, field{
			Argument: Argument{
				Name:     name,
				Type:     typ,
				Required: slices.Contains(strings.Split(rest, ","), "required"),
				Secret:   f.Type == secretType || f.Type == secretsType,
				Default:  f.Tag.Get("default"),
				Doc:      f.Tag.Get("doc"),
			},
			at: at, typ: f.Type,
		})
	}
}

func (s *Shape) foreign(t reflect.Type, path []int, about About) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clip(path), i)
		if _, ok := f.Tag.Lookup("json"); !ok && f.Anonymous && f.Type.Kind() == reflect.Struct {
			s.foreign(f.Type, at, about)
			continue
		}
		name, typ := foreignName(f), foreignType(f.Type)
		if name == "" || typ == "" || slices.Contains(about.Omit, name) {
			continue
		}
		hidden := typ == "string" && !slices.Contains(about.Plain, name) &&
			(slices.Contains(about.Secret, name) || LooksSecret(name))
		if hidden {
			typ = "secret"
		}
		s.fields = append(s.fields, field{
			Argument: Argument{
				Name:     name,
				Type:     typ,
				Required: slices.Contains(about.Required, name),
				Secret:   hidden || f.Type == secretType,
				Default:  about.Default[name],
				Doc:      about.Doc[name],
			},
			at: at, typ: f.Type, hidden: hidden,
		})
	}
}

// foreignName is the argument of a foreign struct's field: its json name, or
// its own name (SecretId is secret_id) if it has no tag; "" if it is none.
func foreignName(f reflect.StructField) string {
	tag, tagged := f.Tag.Lookup("json")
	name, _, _ := strings.Cut(tag, ",")
	switch {
	case !f.IsExported() || name == "-":
		return ""
	case name != "":
		return name
	case tagged:
		return ""
	}
	var b strings.Builder
	for i, r := range f.Name {
		upper := unicode.IsUpper(r)
		// A word begins at a capital after a small letter, and at the last
		// capital of several before a small one: APIToken is api_token.
		if upper && i > 0 && (!unicode.IsUpper(rune(f.Name[i-1])) || i+1 < len(f.Name) && unicode.IsLower(rune(f.Name[i+1]))) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// foreignType is typeName for a foreign struct: what reads itself from JSON is
// given as text, and a pointer is what it points to.
func foreignType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return "string"
	}
	return typeName(t)
}

// typeName is what people call a field's type, "" for one that has no place
// in the language.
func typeName(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case secretType:
		return "secret"
	case stringsType:
		return "list of string"
	case textMapType:
		return "map of string"
	case secretsType:
		return "map of secret"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64:
		return "number"
	}
	return ""
}

// LooksSecret guesses from an argument's name whether it holds a secret:
// api_token, secret_access_key and password do; key_name, access_key_id and
// token_url do not.
func LooksSecret(name string) bool {
	words := strings.Split(strings.ToLower(name), "_")
	switch words[len(words)-1] {
	case "id", "name", "alg", "algorithm", "file", "path", "url", "endpoint", "type", "ttl":
		return false
	case "key", "pass", "auth", "pat", "jwt":
		return true
	}
	for _, w := range words {
		switch w {
		case "token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "apikey", "apitoken":
			return true
		}
	}
	return false
}
