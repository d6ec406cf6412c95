package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
)

func TestViewOfNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "none", "state.db")
	_, err := local.Open(t.Context(), path, local.Options{ReadOnly: true})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v, want fs.ErrNotExist", err)
	}
	if got := beside(t, filepath.Join(dir, "x")); len(got) > 0 {
		t.Errorf("it made %q", got)
	}
}

// A reader that could write still makes nothing and changes nothing, in each
// way that files may lie there.
func TestViewLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		crash bool
		gone  string
	}{{"at rest", false, ""}, {"killed writer", true, ""}, {"log without index", true, "-shm"}} {
		t.Run(c.name, func(t *testing.T) {
			path := filled(t)
			s := open(t, path, local.Options{})
			put(t, s, "newest", "x", "")
			if c.crash {
				to := filepath.Join(t.TempDir(), "state.db")
				for _, suffix := range []string{"", "-wal", "-shm"} {
					if suffix != c.gone || suffix == "" {
						write(t, to+suffix, read(t, path+suffix))
					}
				}
				path = to
			}
			s.Close()
			files := map[string][]byte{}
			for _, name := range beside(t, path) {
				files[name] = read(t, filepath.Join(filepath.Dir(path), name))
			}
			names := beside(t, path)
			v := open(t, path, local.Options{ReadOnly: true})
			if _, err := v.Get(t.Context(), "newest"); err != nil {
				t.Error(err)
			}
			n := 0
			for _, err := range v.List(t.Context(), state.Query{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != 201 {
				t.Errorf("%d entries, want 201", n)
			}
			v.Close()
			if got := beside(t, path); !slices.Equal(got, names) {
				t.Errorf("files before %q, after %q", names, got)
			}
			for name, data := range files {
				if !bytes.Equal(read(t, filepath.Join(filepath.Dir(path), name)), data) {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}
}

// A view that was opened before a writer came sees what it writes, and goes on
// after the writer left.
func TestViewFollows(t *testing.T) {
	path := filled(t)
	v := open(t, path, local.Options{ReadOnly: true})
	for round := range 3 {
		s := open(t, path, local.Options{})
		for i := range 3 {
			key := fmt.Sprintf("round/%d/%d", round, i)
			put(t, s, key, "x", "")
			if _, err := v.Get(t.Context(), key); err != nil {
				t.Fatalf("while the writer is there: %v", err)
			}
		}
		s.Close()
		if _, err := v.Get(t.Context(), fmt.Sprintf("round/%d/2", round)); err != nil {
			t.Fatalf("after it left: %v", err)
		}
	}
	v.Close()
	s := open(t, path, local.Options{})
	put(t, s, "last", "x", "")
	s.Close()
	if got := beside(t, path); len(got) != 1 {
		t.Errorf("in the end there is %q", got)
	}
}

// The same for a view that had to copy: its copy does not grow old.
func TestViewOfCopyFollows(t *testing.T) {
	old := filled(t)
	s := open(t, old, local.Options{})
	put(t, s, "newest", "x", "")
	path := filepath.Join(t.TempDir(), "state.db")
	for _, suffix := range []string{"", "-wal"} {
		write(t, path+suffix, read(t, old+suffix))
	}
	t.Setenv("TMPDIR", t.TempDir())
	v := open(t, path, local.Options{ReadOnly: true})
	if _, err := v.Get(t.Context(), "newest"); err != nil {
		t.Fatal(err)
	}
	if got := beside(t, filepath.Join(os.TempDir(), "x")); len(got) != 1 {
		t.Errorf("copies: %q, want one", got)
	}
	s = open(t, path, local.Options{})
	put(t, s, "newer", "x", "")
	if _, err := v.Get(t.Context(), "newer"); err != nil {
		t.Error(err)
	}
	v.Close()
	if got := beside(t, filepath.Join(os.TempDir(), "x")); len(got) != 0 {
		t.Errorf("copies that stay: %q", got)
	}
}

// comeAndGo opens the state, counts, and closes it, again and again: logs
// come and go and are written back all the time.
func comeAndGo(path string) error {
	end := ended()
	for {
		select {
		case <-end:
			return nil
		default:
		}
		s, err := local.Open(context.Background(), path, local.Options{})
		if err != nil {
			return err
		}
		for _, key := range counters {
			if _, err := increment(s, key); err != nil && !errors.Is(err, state.ErrConflict) {
				return err
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
		fmt.Println("once")
	}
}

// watch reads all counters again and again, with new and old handles, and
// fails if one goes backwards or a read does.
func watch(path string) error {
	end := ended()
	last := map[string]int{}
	look := func(s state.Store) error {
		seen := 0
		for e, err := range s.List(context.Background(), state.Query{Prefix: "n/"}) {
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(e.Data))
			if err != nil {
				return err
			}
			if n < last[e.Key] {
				return fmt.Errorf("%s went from %d back to %d", e.Key, last[e.Key], n)
			}
			last[e.Key] = n
			seen++
		}
		if seen != len(counters) {
			return fmt.Errorf("%d counters, want %d", seen, len(counters))
		}
		return nil
	}
	for {
		s, err := local.Open(context.Background(), path, local.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		for range 3 {
			if err := look(s); err != nil {
				return err
			}
		}
		s.Close()
		fmt.Println("once")
		select {
		case <-end:
			return nil
		default:
		}
	}
}

// Readers beside writers, each a process of its own.
func TestViewBesideWriters(t *testing.T) {
	for _, writers := range []string{"count", "comeandgo"} {
		t.Run(writers, func(t *testing.T) {
			path := begin(t)
			writer := start(t, writers, path)
			reader := start(t, "watch", path)
			reader.reach(15)
			if err := reader.stop(); err != nil {
				t.Errorf("the reader: %v", err)
			}
			n := len(writer.reach(6))
			if err := writer.stop(); err != nil || n < 6 {
				t.Errorf("the writer: %v (%d lines)", err, n)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		})
	}
}
