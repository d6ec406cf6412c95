package statetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
)

// flawed is a store with one promise broken.
type flawed struct {
	state.Store
	get  func(context.Context, string) (state.Entry, error)
	put  func(context.Context, state.Entry) (state.Revision, error)
	del  func(context.Context, string) error
	list func(context.Context, state.Query) iter.Seq2[state.Entry, error]
}

func (f flawed) Get(ctx context.Context, key string) (state.Entry, error) {
	if f.get != nil {
		return f.get(ctx, key)
	}
	return f.Store.Get(ctx, key)
}

func (f flawed) Put(ctx context.Context, e state.Entry) (state.Revision, error) {
	if f.put != nil {
		return f.put(ctx, e)
	}
	return f.Store.Put(ctx, e)
}

func (f flawed) Delete(ctx context.Context, key string) error {
	if f.del != nil {
		return f.del(ctx, key)
	}
	return f.Store.Delete(ctx, key)
}

func (f flawed) List(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
	if f.list != nil {
		return f.list(ctx, q)
	}
	return f.Store.List(ctx, q)
}

// altered lists what q selects after a change of q and of what comes out.
func altered(s state.Store, ask func(*state.Query), answer func([]state.Entry) []state.Entry) func(context.Context, state.Query) iter.Seq2[state.Entry, error] {
	return func(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
		return func(yield func(state.Entry, error) bool) {
			ask(&q)
			entries, err := list(ctx, s, q)
			if err != nil {
				yield(state.Entry{}, err)
				return
			}
			for _, e := range answer(entries) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func same(e []state.Entry) []state.Entry { return e }

// Each flaw must be found by the rows named: a suite that cannot fail proves
// nothing.
func TestFlawsAreFound(t *testing.T) {
	flaws := []struct {
		name  string
		found []string // rows, all of which must fail
		flaw  func(s state.Store) state.Store
	}{
		{"none", nil, func(s state.Store) state.Store { return s }},
		{"absent is empty", []string{"absent", "delete"}, func(s state.Store) state.Store {
			return flawed{Store: s, get: func(ctx context.Context, key string) (state.Entry, error) {
				e, err := s.Get(ctx, key)
				if err != nil && ctx.Err() == nil {
					return state.Entry{Key: key}, nil
				}
				return e, err
			}}
		}},
		{"last writer wins", []string{"create twice", "stale put", "one winner", "two handles"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				for {
					rev, err := s.Put(ctx, e)
					if !errors.Is(err, state.ErrConflict) {
						return rev, err
					}
					old, _ := s.Get(ctx, e.Key)
					e.Rev = old.Rev
				}
			}}
		}},
		{"revision is a digest", []string{"revisions differ", "revision after delete", "reopen"}, func(s state.Store) state.Store {
			digest := func(e state.Entry) state.Revision { return state.Revision("of " + string(e.Data)) }
			get := func(ctx context.Context, key string) (state.Entry, error) {
				e, err := s.Get(ctx, key)
				e.Rev = digest(e)
				return e, err
			}
			return flawed{Store: s, get: get, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				old, err := s.Get(ctx, e.Key)
				if err == nil && digest(old) != e.Rev || err != nil && e.Rev != "" {
					return "", state.ErrConflict
				}
				e.Rev = old.Rev
				_, err = s.Put(ctx, e)
				return digest(e), err
			}}
		}},
		{"due times are dropped", []string{"round trip", "due", "due moves"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				e.Due = time.Time{}
				return s.Put(ctx, e)
			}}
		}},
		{"never is due", []string{"due", "due moves"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				if e.Due.IsZero() {
					e.Due = time.Unix(0, 0)
				}
				return s.Put(ctx, e)
			}}
		}},
		{"backwards", []string{"order and prefix", "after and limit", "list many"}, func(s state.Store) state.Store {
			return flawed{Store: s, list: altered(s, func(*state.Query) {}, func(e []state.Entry) []state.Entry { slices.Reverse(e); return e })}
		}},
		{"no prefix", []string{"order and prefix", "due"}, func(s state.Store) state.Store {
			return flawed{Store: s, list: altered(s, func(q *state.Query) { q.Prefix = "" }, same)}
		}},
		{"no limit", []string{"after and limit"}, func(s state.Store) state.Store {
			return flawed{Store: s, list: altered(s, func(q *state.Query) { q.Limit = 0 }, same)}
		}},
		{"after includes", []string{"after and limit"}, func(s state.Store) state.Store {
			return flawed{Store: s, list: altered(s, func(q *state.Query) { q.After = strings.TrimSuffix(q.After, "2") }, same)}
		}},
		{"one page", []string{"list many"}, func(s state.Store) state.Store {
			return flawed{Store: s, list: altered(s, func(*state.Query) {}, func(e []state.Entry) []state.Entry { return e[:min(len(e), 1000)] })}
		}},
		{"keys are folded", []string{"escaped keys", "order and prefix"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				e.Key = strings.ToLower(e.Key)
				return s.Put(ctx, e)
			}}
		}},
		{"delete takes the prefix", []string{"delete"}, func(s state.Store) state.Store {
			return flawed{Store: s, del: func(ctx context.Context, key string) error {
				found, err := keys(ctx, s, state.Query{Prefix: key})
				for _, k := range found {
					err = first(err, s.Delete(ctx, k))
				}
				return err
			}}
		}},
		{"values are cut", []string{"large value"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				e.Data = e.Data[:min(len(e.Data), 512<<10)]
				return s.Put(ctx, e)
			}}
		}},
		{"empty is a deletion", []string{"empty value"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				if len(e.Data) == 0 && e.Rev != "" {
					return e.Rev, s.Delete(ctx, e.Key)
				}
				return s.Put(ctx, e)
			}}
		}},
		{"deaf to cancellation", []string{"cancelled"}, func(s state.Store) state.Store {
			return flawed{Store: s, put: func(ctx context.Context, e state.Entry) (state.Revision, error) {
				return s.Put(context.WithoutCancel(ctx), e)
			}}
		}},
	}
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			failed := map[string]error{}
			for _, r := range rows {
				s := memory.New()
				if err := r.check(t.Context(), func() state.Store { return f.flaw(s.Open()) }); err != nil {
					failed[r.name] = err
				}
			}
			for _, name := range f.found {
				if failed[name] == nil {
					t.Errorf("row %q does not find it; found by %v", name, failed)
				}
			}
			if f.found == nil && len(failed) > 0 {
				t.Errorf("a good store is refused: %v", failed)
			}
		})
	}
}
