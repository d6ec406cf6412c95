package file_test

import (
	"fmt"
	"testing"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

// BenchmarkObserve is what a plan costs per certificate in a directory.
func BenchmarkObserve(b *testing.B) {
	dir, ca, w := b.TempDir(), sinktest.NewCA(b), &world.World{}
	const places = 50
	open := make([]sinks.Sink, places)
	for i := range places {
		s, err := (&file.Spec{Directory: fmt.Sprintf("%s/tls/%d", dir, i)}).Open(b.Context(), w)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Put(b.Context(), ca.Bundle(sinktest.Order{Names: []string{"example.com"}}), sinks.Held{}); err != nil {
			b.Fatal(err)
		}
		open[i] = s
	}
	for n := 0; b.Loop(); n++ {
		if _, err := open[n%places].(sinks.Observer).Observe(b.Context(), ""); err != nil {
			b.Fatal(err)
		}
	}
}
