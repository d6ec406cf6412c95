package block

import (
	"errors"
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// Secret is a reference to a secret, such as env:TOKEN. It never holds the
// secret itself: who opens a connection resolves it (world.World.Resolve), so
// a Secret may be compared with == and printed.
type Secret struct{ ref string }

// NewSecret refers to a secret by "scheme:rest". Whether the scheme exists is
// for config to say.
func NewSecret(ref string) Secret { return Secret{ref} }

// Ref is what secret() was given, scheme included.
func (s Secret) Ref() string { return s.ref }

// Zero reports whether no secret was given.
func (s Secret) Zero() bool { return s.ref == "" }

func (s Secret) String() string {
	if s.ref == "" {
		return "no secret"
	}
	return `secret("` + s.ref + `")`
}

// GoString is the same as String.
func (s Secret) GoString() string { return s.String() }

var errSecretText = errors.New("a secret must be the whole value of an argument that takes one; it cannot be part of a text, a key, or the input of a function")

var errSecretPlain = errors.New(`a secret belongs here, not plain text: write secret("env:NAME"), or another of its schemes (file, vault, exec)`)

// MarshalJSON refuses: jsonencode would otherwise carry a reference where the
// value belongs.
func (s Secret) MarshalJSON() ([]byte, error) { return nil, errSecretText }

// SecretType is the type of secret(...) in the language. A capsule converts
// to nothing and from nothing, so that every misuse is an error at the place
// where it is made (marks get lost on unknown values; capsules do not).
var SecretType = cty.CapsuleWithOps("secret", reflect.TypeFor[Secret](), &cty.CapsuleOps{
	GoString:     func(v any) string { return v.(*Secret).String() },
	TypeGoString: func(reflect.Type) string { return "block.SecretType" },
	RawEquals:    func(a, b any) bool { return *a.(*Secret) == *b.(*Secret) },
	HashKey:      func(v any) string { return v.(*Secret).ref },
	ConversionFrom: func(to cty.Type) func(any, cty.Path) (cty.Value, error) {
		if !to.IsPrimitiveType() {
			return nil
		}
		return func(_ any, p cty.Path) (cty.Value, error) { return cty.NilVal, p.NewError(errSecretText) }
	},
	ConversionTo: func(from cty.Type) func(cty.Value, cty.Path) (any, error) {
		if !from.IsPrimitiveType() {
			return nil
		}
		return func(_ cty.Value, p cty.Path) (any, error) { return nil, p.NewError(errSecretPlain) }
	},
})

// SecretValue is s as a value of the language.
func SecretValue(s Secret) cty.Value { return cty.CapsuleVal(SecretType, &s) }
