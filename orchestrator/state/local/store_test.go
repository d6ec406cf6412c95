package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) func() state.Store {
		path := filepath.Join(t.TempDir(), "deep", "er", "state.db")
		return func() state.Store { return open(t, path, local.Options{}) }
	})
}

func open(t testing.TB, path string, o local.Options) state.Store {
	t.Helper()
	s, err := local.Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s state.Store, key, data string, rev state.Revision) state.Revision {
	t.Helper()
	rev, err := s.Put(context.Background(), state.Entry{Key: key, Data: []byte(data), Rev: rev})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func beside(t testing.TB, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestMakesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "state.db")
	s := open(t, path, local.Options{})
	put(t, s, "k", "v", "")
	for p, want := range map[string]os.FileMode{
		filepath.Dir(dir): 0o700, dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600,
	} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", p, got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := beside(t, path); len(got) != 1 {
		t.Errorf("after Close there is %q, want the state alone", got)
	}
}

// Whoever opens a state that is not there yet, and however many do at once:
// one file, nothing of the making left, nobody's write lost.
func TestMadeByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			s, err := local.Open(t.Context(), path, local.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Put(t.Context(), state.Entry{Key: fmt.Sprintf("by/%d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := open(t, path, local.Options{})
	n := 0
	for _, err := range s.List(t.Context(), state.Query{Prefix: "by/"}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 12 {
		t.Errorf("%d writes are there, want 12", n)
	}
	s.Close()
	if got := beside(t, path); len(got) != 1 {
		t.Errorf("there is %q, want the state alone", got)
	}
}

func TestOddPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"with space.db", "a?b#c%20d&e=f.db", "ünï.db", ":memory:", "file:x.db"} {
		path := filepath.Join(dir, name)
		s := open(t, path, local.Options{})
		put(t, s, "k", name, "")
		s.Close()
		for _, o := range []local.Options{{}, {ReadOnly: true}} {
			e, err := open(t, path, o).Get(t.Context(), "k")
			if err != nil || string(e.Data) != name {
				t.Errorf("%s: %q, %v", name, e.Data, err)
			}
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Chdir(dir)
	s := open(t, "relative.db", local.Options{})
	put(t, s, "k", "v", "")
	t.Chdir(t.TempDir())
	put(t, s, "k2", "v", "")
	if _, err := os.Stat(filepath.Join(dir, "relative.db")); err != nil {
		t.Error(err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink("relative.db", link); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, link, local.Options{ReadOnly: true}).Get(t.Context(), "k2"); err != nil {
		t.Errorf("through a symbolic link: %v", err)
	}
}

// Close answers every put that was begun: it is on disk or it has an error.
func TestCloseWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, local.Options{})
	written := make([]bool, 100)
	begun := make(chan struct{}, len(written))
	var wg sync.WaitGroup
	for i := range written {
		wg.Go(func() {
			begun <- struct{}{}
			_, err := s.Put(context.Background(), state.Entry{Key: fmt.Sprintf("k/%d", i)})
			if err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
			written[i] = err == nil
		})
	}
	for range written {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s = open(t, path, local.Options{})
	for i, want := range written {
		_, err := s.Get(t.Context(), fmt.Sprintf("k/%d", i))
		if got := err == nil; got != want {
			t.Errorf("put %d answered %v, and is there: %v", i, want, got)
		}
	}
}

// A put that waits for the lock of another process ends with its context,
// writes nothing, and leaves the handle usable.
func TestCancelledWhileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, local.Options{})
	put(t, s, "k", "one", "")
	release := lock(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := s.Put(ctx, state.Entry{Key: "new/first"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the put that asks for the lock: %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if _, err := s.Put(ctx, state.Entry{Key: fmt.Sprintf("new/%d", i)}); !errors.Is(err, context.Canceled) {
				t.Errorf("put %d: %v, want context.Canceled", i, err)
			}
		})
	}
	patient := make(chan error)
	go func() {
		_, err := s.Put(t.Context(), state.Entry{Key: "patient"})
		patient <- err
	}()
	time.AfterFunc(50*time.Millisecond, cancel)
	wg.Wait()
	if _, err := s.Get(t.Context(), "k"); err != nil {
		t.Errorf("a reader waits for a writer: %v", err)
	}
	release()
	if err := <-patient; err != nil {
		t.Errorf("put after the lock was released: %v", err)
	}
	for e, err := range s.List(t.Context(), state.Query{Prefix: "new/"}) {
		t.Errorf("%s was written, %v", e.Key, err)
	}
	put(t, s, "k2", "two", "")
}
