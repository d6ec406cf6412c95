package statetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

func list(ctx context.Context, s state.Store, q state.Query) ([]state.Entry, error) {
	var out []state.Entry
	for e, err := range s.List(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("list %+v: %w", q, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func keys(ctx context.Context, s state.Store, q state.Query) ([]string, error) {
	entries, err := list(ctx, s, q)
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Key
	}
	return out, err
}

// yields says how the keys that q selects differ from want.
func yields(ctx context.Context, s state.Store, q state.Query, want ...string) error {
	got, err := keys(ctx, s, q)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list %+v yields %q, want %q", q, got, want)
	}
	return nil
}

func create(ctx context.Context, s state.Store, keys ...string) error {
	for _, k := range keys {
		if _, err := put(ctx, s, k, "of "+k, ""); err != nil {
			return err
		}
	}
	return nil
}

func orderAndPrefix(ctx context.Context, h *handles) error {
	s := h.store()
	sorted := []string{"a", "a-b/c", "a/B", "a/b", "a/b/c", "a/b~", "a/c", "a/~", "b/a", "~/a"}
	mixed := slices.Clone(sorted)
	slices.Reverse(mixed)
	mixed[1], mixed[6] = mixed[6], mixed[1]
	return first(create(ctx, s, mixed...),
		yields(ctx, s, state.Query{}, sorted...),
		yields(ctx, s, state.Query{Prefix: "a/"}, "a/B", "a/b", "a/b/c", "a/b~", "a/c", "a/~"),
		yields(ctx, s, state.Query{Prefix: "a/b/"}, "a/b/c"),
		yields(ctx, s, state.Query{Prefix: "a/b"}, "a/b", "a/b/c", "a/b~"),
		yields(ctx, s, state.Query{Prefix: "A/"}),
		yields(ctx, s, state.Query{Prefix: "~"}, "~/a"),
		yields(ctx, s, state.Query{Prefix: "a_"}),
		yields(ctx, s, state.Query{Prefix: "c/"}))
}

func afterAndLimit(ctx context.Context, h *handles) error {
	s := h.store()
	return first(create(ctx, s, "a/1", "a/2", "a/3", "a/4", "b/1"),
		yields(ctx, s, state.Query{Prefix: "a/", Limit: 2}, "a/1", "a/2"),
		yields(ctx, s, state.Query{Prefix: "a/", Limit: 2, After: "a/2"}, "a/3", "a/4"),
		yields(ctx, s, state.Query{Prefix: "a/", Limit: 2, After: "a/3"}, "a/4"),
		yields(ctx, s, state.Query{Prefix: "a/", Limit: 2, After: "a/4"}),
		yields(ctx, s, state.Query{Prefix: "a/", Limit: 9}, "a/1", "a/2", "a/3", "a/4"),
		// After need not be there, nor have the prefix.
		yields(ctx, s, state.Query{Prefix: "a/", After: "a/25"}, "a/3", "a/4"),
		yields(ctx, s, state.Query{Prefix: "b/", After: "a/3"}, "b/1"),
		yields(ctx, s, state.Query{Prefix: "a/", After: "b/1"}),
		yields(ctx, s, state.Query{After: "a/4"}, "b/1"))
}

func dueBy(ctx context.Context, h *handles) error {
	s := h.store()
	for key, at := range map[string]time.Time{
		"c/late": due.Add(time.Hour), "c/exact": due, "c/just": due.Add(-time.Millisecond),
		"c/after": due.Add(time.Millisecond), "c/never": {}, "c/early": due.Add(-24 * time.Hour), "d/early": due.Add(-24 * time.Hour),
	} {
		if _, err := s.Put(ctx, state.Entry{Key: key, Data: []byte("x"), Due: at}); err != nil {
			return err
		}
	}
	return first(
		yields(ctx, s, state.Query{Prefix: "c/", DueBy: due}, "c/early", "c/exact", "c/just"),
		yields(ctx, s, state.Query{Prefix: "c/", DueBy: due, Limit: 2}, "c/early", "c/exact"),
		yields(ctx, s, state.Query{Prefix: "c/", DueBy: due, After: "c/exact"}, "c/just"),
		yields(ctx, s, state.Query{DueBy: due}, "c/early", "c/exact", "c/just", "d/early"),
		yields(ctx, s, state.Query{Prefix: "c/", DueBy: due.Add(-48 * time.Hour)}),
		yields(ctx, s, state.Query{Prefix: "c/", DueBy: due.AddDate(100, 0, 0)}, "c/after", "c/early", "c/exact", "c/just", "c/late"))
}

func dueMoves(ctx context.Context, h *handles) error {
	s := h.store()
	rev, err := s.Put(ctx, state.Entry{Key: "c/a", Due: due})
	if err != nil {
		return err
	}
	if rev, err = s.Put(ctx, state.Entry{Key: "c/a", Rev: rev, Due: due.Add(time.Hour)}); err != nil {
		return err
	}
	if err := first(yields(ctx, s, state.Query{DueBy: due}), yields(ctx, s, state.Query{DueBy: due.Add(time.Hour)}, "c/a")); err != nil {
		return err
	}
	if _, err = s.Put(ctx, state.Entry{Key: "c/a", Rev: rev}); err != nil {
		return err
	}
	return yields(ctx, s, state.Query{DueBy: due.Add(time.Hour)})
}

func listMany(ctx context.Context, h *handles) error {
	s := h.store()
	want := make([]string, 1203) // more than one page of any engine
	for i := range want {
		want[i] = fmt.Sprintf("many/%05d", i)
	}
	if err := parallel(len(want), func(i int) error {
		_, err := s.Put(ctx, state.Entry{Key: want[i], Data: []byte(want[i]), Due: due})
		return err
	}); err != nil {
		return err
	}
	for _, q := range []state.Query{{Prefix: "many/"}, {Prefix: "many/", DueBy: due}} {
		entries, err := list(ctx, s, q)
		if err != nil {
			return err
		}
		if len(entries) != len(want) {
			return fmt.Errorf("list %+v yields %d entries, want %d", q, len(entries), len(want))
		}
		for i, e := range entries {
			if e.Key != want[i] || string(e.Data) != want[i] || e.Rev == "" {
				return fmt.Errorf("list %+v: entry %d is %+v, want %s", q, i, e, want[i])
			}
		}
		if got, err := keys(ctx, s, state.Query{Prefix: q.Prefix, DueBy: q.DueBy, After: want[9], Limit: 1100}); err != nil || !slices.Equal(got, want[10:1110]) {
			return fmt.Errorf("list %+v after %s, limit 1100: %d keys, %v", q, want[9], len(got), err)
		}
	}
	n := 0
	for _, err := range s.List(ctx, state.Query{Prefix: "many/"}) {
		if n++; n == 3 || err != nil {
			break
		}
	}
	_, err := s.Get(ctx, want[0]) // a List that was left holds nothing up
	return err
}

func writeWhileListing(ctx context.Context, h *handles) error {
	s := h.store()
	if err := create(ctx, s, "a/1", "a/2", "a/3"); err != nil {
		return err
	}
	n := 0
	for e, err := range s.List(ctx, state.Query{Prefix: "a/"}) {
		if err != nil {
			return err
		}
		n++
		if _, err := put(ctx, s, e.Key, "seen", e.Rev); err != nil {
			return err
		}
	}
	if n != 3 {
		return fmt.Errorf("a list yields %d entries, want 3", n)
	}
	return nil
}

func escapedKeys(ctx context.Context, h *handles) error {
	s := h.store()
	texts := []string{
		`certificate.site["example.com"]`, `certificate.site["example.org"]`, "certificate.site", "certificate.SITE",
		"a/b", "a~2Fb", "a%2Fb", "a b", "ä", "*.example.com", "", ".", "..", "\x00", "~", "'; --", "_acme", "%", "https://ca.example/dir?x=1",
	}
	revs := map[string]state.Revision{}
	for _, text := range texts {
		rev, err := put(ctx, s, state.Key(state.Certificates, text), text, "")
		if err != nil {
			return err
		}
		revs[text] = rev
	}
	for text, rev := range revs {
		if err := holds(ctx, s, state.Key(state.Certificates, text), text, rev); err != nil {
			return err
		}
	}
	got, err := keys(ctx, s, state.Query{Prefix: state.Certificates})
	if err != nil {
		return err
	}
	if len(got) != len(revs) || !slices.IsSorted(got) {
		return fmt.Errorf("a list yields %q, want the %d keys in order", got, len(revs))
	}
	return nil
}
