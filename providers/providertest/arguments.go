package providertest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/providers"
)

// Arguments checks that every argument of a libdns provider (a pointer to its
// struct) is one of ours, so that what is written about it elsewhere works here
// too, and that every argument of ours is explained.
func Arguments(t *testing.T, spec providers.Spec, upstream any) {
	t.Helper()
	ours := map[string]bool{}
	for _, a := range block.Arguments(spec) {
		ours[a.Name] = true
		if a.Doc == "" {
			t.Errorf("argument %s is not explained", a.Name)
		}
	}
	typ := reflect.TypeOf(upstream).Elem()
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" && !ours[name] {
			t.Errorf("libdns has an argument %s that is none here", name)
		}
	}
}
