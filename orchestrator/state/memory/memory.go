// Package memory is a state.Store in memory, for tests and for runs that must
// leave nothing behind.
//
// It keeps every promise of the contract but one: nothing outlives the
// process. It starts no goroutine, so it may live in a synctest bubble; faults
// and deaths are left to wrappers.
package memory

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/certform/certform/orchestrator/state"
)

// Store is one handle on entries in memory. Its methods may be called
// concurrently, also through several handles.
type Store struct {
	on     *entries
	mu     sync.Mutex
	closed bool
}

// entries is what the handles of one store share.
type entries struct {
	mu   sync.RWMutex
	seq  uint64 // of the last write; it only grows, so no revision returns
	byID map[string]state.Entry
	keys []string // sorted
}

var _ state.Store = (*Store)(nil)

// New makes an empty store and a handle on it.
func New() *Store { return &Store{on: &entries{byID: map[string]state.Entry{}}} }

// Open makes another handle on the same entries, as another process would.
func (s *Store) Open() *Store { return &Store{on: s.on} }

func (s *Store) ready(ctx context.Context, doing, key string) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	err := ctx.Err()
	if closed {
		err = os.ErrClosed
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, key, err)
}

// Get implements state.Store.
func (s *Store) Get(ctx context.Context, key string) (state.Entry, error) {
	if err := s.ready(ctx, "read", key); err != nil {
		return state.Entry{}, err
	}
	s.on.mu.RLock()
	defer s.on.mu.RUnlock()
	e, ok := s.on.byID[key]
	if !ok {
		return state.Entry{}, fmt.Errorf("read %s: %w", key, fs.ErrNotExist)
	}
	return clone(e), nil
}

// Put implements state.Store.
func (s *Store) Put(ctx context.Context, e state.Entry) (state.Revision, error) {
	if err := s.ready(ctx, "write", e.Key); err != nil {
		return "", err
	}
	if err := state.CheckKey(e.Key); err != nil {
		return "", err
	}
	on := s.on
	on.mu.Lock()
	defer on.mu.Unlock()
	old, ok := on.byID[e.Key]
	if old.Rev != e.Rev {
		return "", fmt.Errorf("write %s: %w", e.Key, state.ErrConflict)
	}
	on.seq++
	e = clone(e)
	e.Rev = state.Revision(strconv.FormatUint(on.seq, 10))
	on.byID[e.Key] = e
	if !ok {
		i, _ := slices.BinarySearch(on.keys, e.Key)
		on.keys = slices.Insert(on.keys, i, e.Key)
	}
	return e.Rev, nil
}

// Delete implements state.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.ready(ctx, "delete", key); err != nil {
		return err
	}
	on := s.on
	on.mu.Lock()
	defer on.mu.Unlock()
	if i, ok := slices.BinarySearch(on.keys, key); ok {
		on.keys = slices.Delete(on.keys, i, i+1)
		delete(on.byID, key)
	}
	return nil
}

// List implements state.Store. It yields what was there when it was called;
// the consumer may write while it reads.
func (s *Store) List(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		for _, e := range s.on.find(q) {
			if err := s.ready(ctx, "list", q.Prefix); err != nil {
				yield(state.Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := s.ready(ctx, "list", q.Prefix); err != nil {
			yield(state.Entry{}, err)
		}
	}
}

func (on *entries) find(q state.Query) []state.Entry {
	on.mu.RLock()
	defer on.mu.RUnlock()
	i, _ := slices.BinarySearch(on.keys, q.Prefix)
	if q.After >= q.Prefix {
		j, found := slices.BinarySearch(on.keys, q.After)
		if found {
			j++
		}
		i = max(i, j)
	}
	var out []state.Entry
	for _, k := range on.keys[i:] {
		if !strings.HasPrefix(k, q.Prefix) || q.Limit > 0 && len(out) == q.Limit {
			break
		}
		e := on.byID[k]
		if !q.DueBy.IsZero() && (e.Due.IsZero() || e.Due.After(q.DueBy)) {
			continue
		}
		out = append(out, clone(e))
	}
	return out
}

// Close implements state.Store. Other handles stay open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func clone(e state.Entry) state.Entry {
	e.Data = slices.Clone(e.Data)
	e.Due = e.Due.Round(0)
	return e
}
