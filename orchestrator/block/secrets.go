package block

import "reflect"

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
		if s, ok := v.Field(i).Interface().(Secret); ok {
			if !s.Zero() {
				out = append(out, s)
			}
			continue
		}
		if f.Anonymous {
			out = append(out, Secrets(v.Field(i).Interface())...)
		}
	}
	return out
}
