package catalogue

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// spec is a dns block of a libdns provider. Its arguments are the fields of
// the provider's own struct, by their json tags.
type spec struct {
	row     *row
	into    providers.Provider // holds the arguments; it is never called
	secrets map[string]block.Secret
}

// Foreign is for package block.
func (s *spec) Foreign() (any, block.About) {
	about := block.About{
		Required: s.row.required, Secret: s.row.secrets, Plain: s.row.plain, Omit: s.row.omit,
		Default: s.row.defaults, Doc: s.row.docs,
		Put: func(argument string, ref block.Secret) { s.secrets[argument] = ref },
	}
	for _, name := range s.names() {
		about.Held = append(about.Held, s.secrets[name])
	}
	return s.into, about
}

// names are the arguments that were given a secret.
func (s *spec) names() (out []string) {
	for name, ref := range s.secrets {
		if !ref.Zero() {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// text is an argument that is no secret, as text.
func (s *spec) text(argument string) string {
	v, ok := block.Value(s.into, argument)
	if !ok || v.IsZero() {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// Check finds a password in a URL, which would be shown in errors, and what
// the row knows.
func (s *spec) Check() (out []block.Problem) {
	for _, a := range block.Arguments(s) {
		if a.Secret || a.Type != "string" {
			continue
		}
		u, err := url.Parse(s.text(a.Name))
		if err == nil && u.User != nil && u.Host != "" {
			out = append(out, block.Problem{Argument: a.Name, Summary: "Password in a URL",
				Detail: "A URL is shown in plans and errors. Give the credential by an argument that takes secret(...)."})
		}
	}
	if s.row.check != nil {
		out = append(out, s.row.check(s.text)...)
	}
	return out
}

// Account is the references of the secrets and what else is required: blocks
// that have all of them in common use one account.
func (s *spec) Account() string {
	var b strings.Builder
	b.WriteString(s.row.name)
	for _, a := range block.Arguments(s) {
		ref := s.secrets[a.Name]
		switch {
		case a.Secret && !ref.Zero():
			fmt.Fprintf(&b, " %s=%s", a.Name, ref.Ref())
		case a.Required && !a.Secret:
			fmt.Fprintf(&b, " %s=%s", a.Name, s.text(a.Name))
		}
	}
	return b.String()
}

// Open makes a provider of its own from the arguments, with the secrets'
// values in it. Nothing is asked yet.
func (s *spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	p := s.row.open()
	block.Copy(p, s.into)
	var values []string
	for _, name := range s.names() {
		value, err := w.Resolve(ctx, s.secrets[name].Ref())
		if err != nil {
			return nil, err
		}
		if err := block.Fill(p, name, value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	if err := s.client(p, w); err != nil {
		return nil, err
	}
	var beside []string
	for _, a := range block.Arguments(s) {
		if !a.Secret && a.Type == "string" {
			beside = append(beside, s.text(a.Name))
		}
	}
	return discreet(p, values, beside), nil
}

// client hands over the world's HTTP client where the provider takes one.
func (s *spec) client(p providers.Provider, w *world.World) error {
	v := reflect.ValueOf(p).Elem()
	for _, name := range []string{"HTTPClient", "HttpClient"} {
		f := v.FieldByName(name)
		if !f.IsValid() || f.Type() != reflect.TypeFor[*http.Client]() {
			continue
		}
		c, err := w.Client(world.HTTP{Timeout: 45 * time.Second})
		if err != nil {
			return err
		}
		f.Set(reflect.ValueOf(c))
	}
	return nil
}
