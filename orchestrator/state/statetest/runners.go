package statetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/certform/certform/orchestrator/state"
)

// parallel runs f n times at once and returns the first error.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return first(errs...)
}

func oneWinner(ctx context.Context, h *handles) error {
	stores := []state.Store{h.store(), h.store()}
	var rev state.Revision
	for round := range 3 {
		var winners atomic.Int32
		var won atomic.Value
		err := parallel(200, func(i int) error {
			got, err := stores[i%2].Put(ctx, state.Entry{Key: "k", Data: []byte(strconv.Itoa(i)), Rev: rev})
			switch {
			case err == nil:
				winners.Add(1)
				won.Store(state.Entry{Data: []byte(strconv.Itoa(i)), Rev: got})
			case !errors.Is(err, state.ErrConflict):
				return fmt.Errorf("put %d: %w, want ErrConflict", i, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n := winners.Load(); n != 1 {
			return fmt.Errorf("round %d: %d of 200 puts won, want 1", round+1, n)
		}
		w := won.Load().(state.Entry)
		for _, s := range stores {
			if err := holds(ctx, s, "k", string(w.Data), w.Rev); err != nil {
				return err
			}
		}
		rev = w.Rev
	}
	return nil
}

func noLostUpdate(ctx context.Context, h *handles) error {
	stores := []state.Store{h.store(), h.store()}
	if _, err := put(ctx, stores[0], "n", "0", ""); err != nil {
		return err
	}
	const writers, each = 8, 10
	var mu sync.Mutex
	revs := map[state.Revision]bool{}
	err := parallel(writers, func(i int) error {
		s := stores[i%2]
		for done := 0; done < each; {
			e, err := s.Get(ctx, "n")
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(e.Data))
			if err != nil {
				return err
			}
			rev, err := s.Put(ctx, state.Entry{Key: "n", Data: []byte(strconv.Itoa(n + 1)), Rev: e.Rev})
			if errors.Is(err, state.ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
			done++
			mu.Lock()
			if revs[rev] {
				err = fmt.Errorf("revision %q was given twice", rev)
			}
			revs[rev] = true
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e, err := stores[0].Get(ctx, "n")
	if err != nil {
		return err
	}
	if want := strconv.Itoa(writers * each); string(e.Data) != want {
		return fmt.Errorf("after %s updates it counts %s", want, e.Data)
	}
	return nil
}

func manyKeysAtOnce(ctx context.Context, h *handles) error {
	s := h.store()
	if err := create(ctx, s, "taken"); err != nil {
		return err
	}
	var conflicts atomic.Int32
	err := parallel(120, func(i int) error {
		key := fmt.Sprintf("k/%d", i)
		if i%4 == 0 {
			key = "taken"
		}
		_, err := s.Put(ctx, state.Entry{Key: key, Data: []byte(key)})
		if key == "taken" && errors.Is(err, state.ErrConflict) {
			conflicts.Add(1)
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	got, err := keys(ctx, s, state.Query{Prefix: "k/"})
	if err != nil || len(got) != 90 || conflicts.Load() != 30 {
		return fmt.Errorf("%d keys are there and %d puts conflicted, %v; want 90 and 30", len(got), conflicts.Load(), err)
	}
	return nil
}

func twoHandles(ctx context.Context, h *handles) error {
	a, b := h.store(), h.store()
	r1, err := put(ctx, a, "k", "by a", "")
	if err != nil {
		return err
	}
	if err := holds(ctx, b, "k", "by a", r1); err != nil {
		return err
	}
	r2, err := put(ctx, b, "k", "by b", r1)
	return first(err,
		conflicts(ctx, a, "k", "stale", r1),
		holds(ctx, a, "k", "by b", r2),
		yields(ctx, a, state.Query{}, "k"),
		b.Delete(ctx, "k"),
		missing(ctx, a, "k"),
		yields(ctx, a, state.Query{}))
}

func reopen(ctx context.Context, h *handles) error {
	s := h.store()
	seen := map[state.Revision]bool{}
	var rev state.Revision
	for round := range 3 {
		var err error
		for _, data := range []string{"A", "B", "A"} {
			if rev, err = put(ctx, s, "k", data, rev); err != nil {
				return err
			}
			if seen[rev] {
				return fmt.Errorf("round %d: revision %q was there before", round+1, rev)
			}
			seen[rev] = true
		}
		if _, err := s.Put(ctx, state.Entry{Key: fmt.Sprintf("due/%d", round), Due: due}); err != nil {
			return err
		}
		if s, err = h.reopen(); err != nil {
			return err
		}
		if err := holds(ctx, s, "k", "A", rev); err != nil {
			return err
		}
	}
	return yields(ctx, s, state.Query{DueBy: due}, "due/0", "due/1", "due/2")
}

func cancelled(ctx context.Context, h *handles) error {
	s := h.store()
	rev, err := put(ctx, s, "k", "one", "")
	if err != nil {
		return err
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, getErr := s.Get(gone, "k")
	_, putErr := s.Put(gone, state.Entry{Key: "k", Data: []byte("two"), Rev: rev})
	_, createErr := s.Put(gone, state.Entry{Key: "new", Data: []byte("two")})
	_, listErr := list(gone, s, state.Query{})
	for doing, err := range map[string]error{
		"Get": getErr, "Put": putErr, "a creating Put": createErr, "List": listErr, "Delete": s.Delete(gone, "k"),
	} {
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %v, want context.Canceled", doing, err)
		}
	}
	return first(holds(ctx, s, "k", "one", rev), missing(ctx, s, "new"))
}

func closed(ctx context.Context, h *handles) error {
	s := h.open()
	rev, err := put(ctx, s, "k", "one", "")
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if _, err := s.Get(ctx, "k"); err == nil {
		return errors.New("a read works on a closed handle")
	}
	if _, err := s.Put(ctx, state.Entry{Key: "k", Rev: rev}); err == nil {
		return errors.New("a write works on a closed handle")
	}
	return holds(ctx, h.store(), "k", "one", rev)
}
