package local_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
)

const (
	fleet = 1000 // certificates
	saves = 8    // of each, one after the other
)

// BenchmarkSaves is what the journal costs a run of 1,000 certificates: one
// after the other, and as the flow does it, every certificate for itself.
func BenchmarkSaves(b *testing.B) {
	data := bytes.Repeat([]byte("journal "), 256) // 2 KiB, a usual record
	save := func(b *testing.B, s state.Store, certificate int) {
		key := state.RecordKey(fmt.Sprintf("certificate.c[%d]", certificate))
		var rev state.Revision
		for range saves {
			var err error
			if rev, err = s.Put(b.Context(), state.Entry{Key: key, Data: data, Rev: rev, Due: time.Unix(1, 0)}); err != nil {
				b.Error(err)
				return
			}
		}
	}
	for name, run := range map[string]func(*testing.B, state.Store){
		"waiting together": func(b *testing.B, s state.Store) {
			var wg sync.WaitGroup
			for i := range fleet {
				wg.Go(func() { save(b, s, i) })
			}
			wg.Wait()
		},
		"one by one": func(b *testing.B, s state.Store) {
			for i := range fleet {
				save(b, s, i)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := open(b, filepath.Join(b.TempDir(), "state.db"), local.Options{})
				b.StartTimer()
				run(b, s)
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(fleet*saves), "µs/save")
		})
	}
}

// BenchmarkList is what plan and the daemon read: 10,000 records beside their
// keys and bundles.
func BenchmarkList(b *testing.B) {
	const n = 10_000
	path := filepath.Join(b.TempDir(), "state.db")
	s := open(b, path, local.Options{})
	now := time.Unix(1_900_000_000, 0)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for prefix, size := range map[string]int{state.Certificates: 2 << 10, state.Bundles: 5 << 10, state.Keys: 600} {
				e := state.Entry{Key: state.Key(prefix, fmt.Sprintf("c[%d]", i)), Data: make([]byte, size)}
				if prefix == state.Certificates {
					e.Due = now.Add(time.Duration(i) * time.Hour)
				}
				if _, err := s.Put(b.Context(), e); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list := func(b *testing.B, s state.Store, q state.Query, want int) {
		for b.Loop() {
			got := 0
			for _, err := range s.List(b.Context(), q) {
				if err != nil {
					b.Fatal(err)
				}
				got++
			}
			if got != want {
				b.Fatalf("%d entries, want %d", got, want)
			}
		}
	}
	all := state.Query{Prefix: state.Certificates}
	b.Run("all records, writing handle", func(b *testing.B) { list(b, s, all, n) })
	s.Close()
	v := open(b, path, local.Options{ReadOnly: true})
	b.Run("all records, reading handle", func(b *testing.B) { list(b, v, all, n) })
	b.Run("ten that are due", func(b *testing.B) {
		list(b, v, state.Query{Prefix: state.Certificates, DueBy: now.Add(9 * time.Hour)}, 10)
	})
	b.Run("all due", func(b *testing.B) {
		list(b, v, state.Query{Prefix: state.Certificates, DueBy: now.Add(n * time.Hour)}, n)
	})
	v.Close()
	for name, o := range map[string]local.Options{"open to write": {}, "open to read": {ReadOnly: true}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				open(b, path, o).Close()
			}
		})
	}
}
