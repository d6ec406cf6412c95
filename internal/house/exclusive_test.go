package house_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/house"
)

// TestExclusive: a lock across runners is held by one at a time, and that of
// a runner that was killed is taken over.
func TestExclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := house.New(t, house.Options{})
		defer h.Close()
		a, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := h.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer b.End()
		release, err := a.Engine.Runner.Exclusive(t.Context(), "powerdns example.com.")
		if err != nil {
			t.Fatal(err)
		}
		began, got := time.Now(), make(chan func())
		go func() {
			release, err := b.Engine.Runner.Exclusive(t.Context(), "powerdns example.com.")
			if err != nil {
				t.Error(err)
			}
			got <- release
		}()
		time.Sleep(10 * time.Second)
		release()
		second := <-got
		if took := time.Since(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("the second had it after %v", took)
		}
		second()
		if _, err = a.Engine.Runner.Exclusive(t.Context(), "powerdns example.com."); err != nil {
			t.Fatal(err)
		}
		a.End() // and never released
		third, err := b.Engine.Runner.Exclusive(t.Context(), "powerdns example.com.")
		if err != nil {
			t.Fatal(err)
		}
		third()
	})
}
