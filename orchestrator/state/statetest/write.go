package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// due is not a whole second and not in UTC: an engine must keep the instant.
var due = time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, time.FixedZone("elsewhere", 3600))

func put(ctx context.Context, s state.Store, key, data string, rev state.Revision) (state.Revision, error) {
	rev, err := s.Put(ctx, state.Entry{Key: key, Data: []byte(data), Rev: rev})
	if err == nil && rev == "" {
		err = errors.New("the revision of a write is empty")
	}
	if err != nil {
		return "", fmt.Errorf("put %s: %w", key, err)
	}
	return rev, nil
}

// holds says how the stored entry differs from what it should be.
func holds(ctx context.Context, s state.Store, key, data string, rev state.Revision) error {
	e, err := s.Get(ctx, key)
	switch {
	case err != nil:
		return fmt.Errorf("get %s: %w", key, err)
	case e.Key != key:
		return fmt.Errorf("get %s: it calls itself %q", key, e.Key)
	case string(e.Data) != data:
		return fmt.Errorf("get %s: it holds %q, want %q", key, short(e.Data), short([]byte(data)))
	case e.Rev != rev:
		return fmt.Errorf("get %s: its revision is %q, want %q", key, e.Rev, rev)
	}
	return nil
}

func short(b []byte) string {
	if len(b) > 40 {
		return fmt.Sprintf("%s… (%d bytes)", b[:40], len(b))
	}
	return string(b)
}

func missing(ctx context.Context, s state.Store, key string) error {
	if e, err := s.Get(ctx, key); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("get %s: (%q, %v), want fs.ErrNotExist", key, short(e.Data), err)
	}
	return nil
}

func conflicts(ctx context.Context, s state.Store, key, data string, rev state.Revision) error {
	got, err := s.Put(ctx, state.Entry{Key: key, Data: []byte(data), Rev: rev})
	if !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("put %s with revision %q: (%q, %v), want ErrConflict", key, rev, got, err)
	}
	return nil
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func absent(ctx context.Context, h *handles) error {
	s := h.store()
	_, err := keys(ctx, s, state.Query{})
	return first(missing(ctx, s, "certificates/none"), err)
}

func roundTrip(ctx context.Context, h *handles) error {
	s := h.store()
	data := []byte{0, 0xff, '"', '\n', 0x80, '\'', 0}
	rev, err := s.Put(ctx, state.Entry{Key: "certificates/a", Data: data, Due: due})
	if err != nil {
		return err
	}
	got, err := s.Get(ctx, "certificates/a")
	if err != nil {
		return err
	}
	listed, err := list(ctx, s, state.Query{Prefix: "certificates/"})
	if err != nil {
		return err
	}
	if len(listed) != 1 {
		return fmt.Errorf("a list yields %d entries, want 1", len(listed))
	}
	for how, e := range map[string]state.Entry{"Get": got, "List": listed[0]} {
		if e.Key != "certificates/a" || !bytes.Equal(e.Data, data) || e.Rev != rev || !e.Due.Equal(due) {
			return fmt.Errorf("by %s it is %+v, want data %v, revision %q, due %v", how, e, data, rev, due)
		}
	}
	rev, err = put(ctx, s, "certificates/a", "x", rev)
	if err != nil {
		return err
	}
	if e, err := s.Get(ctx, "certificates/a"); err != nil || !e.Due.IsZero() || e.Rev != rev {
		return fmt.Errorf("after a Put without a due time: %+v, %v", e, err)
	}
	return nil
}

func ownedData(ctx context.Context, h *handles) error {
	s := h.store()
	data := []byte("before")
	rev, err := s.Put(ctx, state.Entry{Key: "k", Data: data})
	if err != nil {
		return err
	}
	copy(data, "after!")
	e, err := s.Get(ctx, "k")
	if err != nil {
		return err
	}
	if string(e.Data) != "before" {
		return fmt.Errorf("after the caller reused its bytes the store holds %q", e.Data)
	}
	copy(e.Data, "after!")
	return holds(ctx, s, "k", "before", rev)
}

func createTwice(ctx context.Context, h *handles) error {
	s := h.store()
	rev, err := put(ctx, s, "k", "one", "")
	return first(err,
		conflicts(ctx, s, "k", "two", ""),
		holds(ctx, s, "k", "one", rev))
}

func stalePut(ctx context.Context, h *handles) error {
	s := h.store()
	r1, err := put(ctx, s, "k", "one", "")
	if err != nil {
		return err
	}
	r2, err := put(ctx, s, "k", "two", r1)
	return first(err,
		conflicts(ctx, s, "k", "three", r1),
		conflicts(ctx, s, "k", "three", "no revision of anybody"),
		holds(ctx, s, "k", "two", r2))
}

func putOnNothing(ctx context.Context, h *handles) error {
	s := h.store()
	rev, err := put(ctx, s, "other", "x", "")
	if err != nil {
		return err
	}
	if err := first(conflicts(ctx, s, "k", "one", rev), missing(ctx, s, "k")); err != nil {
		return err
	}
	gone, err := put(ctx, s, "k", "one", "")
	return first(err, s.Delete(ctx, "k"), conflicts(ctx, s, "k", "two", gone), missing(ctx, s, "k"))
}

func revisionsDiffer(ctx context.Context, h *handles) error {
	s := h.store()
	seen := map[state.Revision]bool{}
	var rev state.Revision
	for i, data := range []string{"A", "B", "A", "A", "B", "A"} {
		was := rev
		var err error
		if rev, err = put(ctx, s, "k", data, rev); err != nil {
			return err
		}
		if seen[rev] {
			return fmt.Errorf("write %d has revision %q, which was there before", i+1, rev)
		}
		seen[rev] = true
		if was != "" {
			if err := conflicts(ctx, s, "k", "stale", was); err != nil {
				return err
			}
		}
	}
	return nil
}

func revisionAfterDelete(ctx context.Context, h *handles) error {
	s := h.store()
	seen := map[state.Revision]bool{}
	for i := range 4 {
		rev, err := put(ctx, s, "k", "the same", "")
		if err != nil {
			return err
		}
		if seen[rev] {
			return fmt.Errorf("creation %d has revision %q again", i+1, rev)
		}
		seen[rev] = true
		if err := s.Delete(ctx, "k"); err != nil {
			return err
		}
		if i == 1 { // the last key of the store, gone, and the store closed: nothing is left to count from
			if s, err = h.reopen(); err != nil {
				return err
			}
		}
	}
	return nil
}

func deletes(ctx context.Context, h *handles) error {
	s := h.store()
	r1, err := put(ctx, s, "a", "1", "")
	if err != nil {
		return err
	}
	if _, err := put(ctx, s, "a", "2", r1); err != nil {
		return err
	}
	rev, err := put(ctx, s, "a.b", "kept", "")
	return first(err,
		s.Delete(ctx, "a"), missing(ctx, s, "a"),
		s.Delete(ctx, "a"), s.Delete(ctx, "never/was"),
		holds(ctx, s, "a.b", "kept", rev))
}

func badKeys(ctx context.Context, h *handles) error {
	s := h.store()
	for _, key := range []string{"", "/", "a/", "/a", "a//b", "a b", "a%2Fb", "ä", "a\x00b", "a\nb", "*", "a\\b"} {
		if _, err := s.Put(ctx, state.Entry{Key: key, Data: []byte("x")}); err == nil || errors.Is(err, state.ErrConflict) {
			return fmt.Errorf("put %q: %v, want a refusal", key, err)
		}
	}
	if got, err := keys(ctx, s, state.Query{}); err != nil || len(got) > 0 {
		return fmt.Errorf("the store holds %q, %v", got, err)
	}
	return nil
}

func emptyValue(ctx context.Context, h *handles) error {
	s := h.store()
	rev, err := put(ctx, s, "k", "", "")
	if err != nil {
		return err
	}
	if err := first(holds(ctx, s, "k", "", rev), conflicts(ctx, s, "k", "x", "")); err != nil {
		return err
	}
	rev, err = put(ctx, s, "k", "x", rev)
	if err != nil {
		return err
	}
	rev, err = put(ctx, s, "k", "", rev)
	return first(err, holds(ctx, s, "k", "", rev))
}

func largeValue(ctx context.Context, h *handles) error {
	s := h.store()
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i * 2654435761 >> 13)
	}
	rev, err := put(ctx, s, "k", string(data), "")
	if err != nil {
		return err
	}
	if err := holds(ctx, s, "k", string(data), rev); err != nil {
		return err
	}
	if s, err = h.reopen(); err != nil {
		return err
	}
	return holds(ctx, s, "k", string(data), rev)
}
