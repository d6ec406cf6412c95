package pull_test

import (
	"errors"
	"testing"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/pull"
	"github.com/certform/certform/sinks/sinktest"
)

func TestNothingIsPut(t *testing.T) {
	k := pull.Kind()
	if !k.Passive || !k.Blind {
		t.Error("the engine would put, or demand no endpoint")
	}
	spec := k.New()
	if spec.Target() != "" || len(spec.Check()) > 0 {
		t.Errorf("target %q, problems %v", spec.Target(), spec.Check())
	}
	s, err := spec.Open(t.Context(), &world.World{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.(sinks.Observer); ok {
		t.Error("it says that it can look")
	}
	if _, err := s.Put(t.Context(), sinktest.Bundle(t, "example.com"), sinks.Held{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("put: %v", err)
	}
}
