package state_test

import (
	"slices"
	"testing"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
	"github.com/certform/certform/orchestrator/state/statetest"
)

func TestPrefixedIsAStore(t *testing.T) {
	statetest.Run(t, func(t *testing.T) func() state.Store {
		m := memory.New()
		return func() state.Store { return state.WithPrefix(m.Open(), "team/a") }
	})
}

func TestConfigurationsDoNotSeeEachOther(t *testing.T) {
	m := memory.New()
	stores := map[string]state.Store{"": state.WithPrefix(m, ""), "a": state.WithPrefix(m, "a"), "ab": state.WithPrefix(m, "ab")}
	for name, s := range stores {
		for _, key := range []string{state.RecordKey("certificate.site"), state.RecordKey("certificate.only-" + name + "x"), state.Key(state.Keys, "shared-by-"+name+"x")} {
			if _, err := s.Put(t.Context(), state.Entry{Key: key, Data: []byte(name)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, s := range stores {
		var got []string
		for e, err := range s.List(t.Context(), state.Query{Prefix: state.Certificates}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Data) != name {
				t.Errorf("%q sees %s of %q", name, e.Key, e.Data)
			}
			got = append(got, e.Key)
		}
		want := []string{state.RecordKey("certificate.only-" + name + "x"), state.RecordKey("certificate.site")}
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %v", name, got)
		}
		n := 0
		for range s.List(t.Context(), state.Query{Prefix: state.Keys}) {
			n++
		}
		if n != len(stores) {
			t.Errorf("%q sees %d keys: they are shared", name, n)
		}
	}
}
