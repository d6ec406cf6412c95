package providers_test

import (
	"fmt"
	"testing"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// Ten thousand names in a declared zone, without any resolver.
func BenchmarkFindDeclared(b *testing.B) {
	for b.Loop() {
		z := providers.NewZones(&world.World{Resolvers: func() []string { return nil }}, providers.Options{
			DNS: []providers.DNS{{Address: "dns.m.a", Zones: []string{"example.com"}, Spec: unopenable{}}},
		})
		for i := range 10000 {
			if _, err := z.Find(b.Context(), dnsName(fmt.Sprintf("h%d.example.com", i))); err != nil {
				b.Fatal(err)
			}
		}
		z.Close()
	}
}
