package block

import (
	"maps"
	"reflect"
	"slices"
)

// Secrets lists the references of a decoded spec, in the order of its fields:
// what must be had before the spec is opened for a change. It resolves nothing.
func Secrets(spec any) []Secret {
	if f, ok := spec.(Foreign); ok {
		_, about := f.Foreign()
		return about.Held
	}
	v := reflect.ValueOf(spec)
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	var out []Secret
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		switch s := v.Field(i).Interface().(type) {
		case Secret:
			if !s.Zero() {
				out = append(out, s)
			}
		case map[string]Secret:
			for _, name := range slices.Sorted(maps.Keys(s)) {
				out = append(out, s[name])
			}
		default:
			if f.Anonymous {
				out = append(out, Secrets(s)...)
			}
		}
	}
	return out
}
