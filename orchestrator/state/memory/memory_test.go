package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
	"github.com/certform/certform/orchestrator/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) func() state.Store {
		s := memory.New()
		return func() state.Store { return s.Open() }
	})
}

// A bubble's clock stands still while a goroutine is blocked on something
// outside: the store must not be such a thing.
func TestInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for i := range 100 {
			go func() {
				time.Sleep(time.Minute)
				if _, err := s.Put(ctx, state.Entry{Key: fmt.Sprintf("k/%d", i), Due: time.Now()}); err != nil {
					t.Error(err)
				}
			}()
		}
		time.Sleep(2 * time.Minute)
		n := 0
		for _, err := range s.List(ctx, state.Query{Prefix: "k/", DueBy: begin.Add(time.Minute)}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 100 {
			t.Errorf("%d entries are due, want 100", n)
		}
	})
}
