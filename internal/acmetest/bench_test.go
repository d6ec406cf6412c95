package acmetest_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/certform/certform/internal/acmetest"
)

// BenchmarkIssuance issues over loopback with real validation, client and CA in one process. Its rate must not fall with
// the number of certificates: go test -run - -bench Issuance -benchtime 10000x.
func BenchmarkIssuance(b *testing.B) {
	w := overLoopback(b, acmetest.Config{})
	defer w.close()
	var n atomic.Int64
	b.SetParallelism(25)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.obtain(dnsNames(fmt.Sprintf("h%d.example.com", n.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certs/s")
}
