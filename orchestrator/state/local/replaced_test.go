package local_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/world"
)

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever works with a state that is taken away under its hands stops, in
// words, and what came in its place is as it was put there.
func TestReplaced(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, path, backup string){
		"directory removed": func(t *testing.T, path, _ string) { do(t, os.RemoveAll(filepath.Dir(path))) },
		"file removed":      func(t *testing.T, path, _ string) { do(t, os.Remove(path)) },
		"backup renamed over it": func(t *testing.T, path, backup string) {
			do(t, os.Rename(backup, path))
		},
		"all removed, backup copied": func(t *testing.T, path, backup string) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				do(t, os.Remove(path+suffix))
			}
			write(t, path, read(t, backup))
		},
		"backup written into it, log removed": func(t *testing.T, path, backup string) {
			write(t, path, read(t, backup))
			do(t, os.Remove(path+"-wal"))
		},
		"index removed": func(t *testing.T, path, _ string) { do(t, os.Remove(path+"-shm")) },
		"link led elsewhere": func(t *testing.T, path, backup string) {
			link := filepath.Join(filepath.Dir(filepath.Dir(path)), "link.db")
			do(t, os.Remove(link))
			do(t, os.Symlink(backup, link))
		},
	} {
		t.Run(name, func(t *testing.T) {
			backup := filled(t)
			dir := filepath.Join(t.TempDir(), "state")
			do(t, os.Mkdir(dir, 0o700))
			path, link := filepath.Join(dir, "state.db"), filepath.Join(filepath.Dir(dir), "link.db")
			write(t, path, read(t, backup))
			do(t, os.Symlink(path, link))
			s := open(t, link, local.Options{})
			rev := put(t, s, "k", "v", "")
			replace(t, path, backup)
			before := map[string][]byte{}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if data, err := os.ReadFile(path + suffix); err == nil {
					before[suffix] = data
				}
			}
			var listed error
			for _, err := range s.List(t.Context(), state.Query{}) {
				listed = err
			}
			_, got := s.Get(t.Context(), "k")
			_, replaced := s.Put(t.Context(), state.Entry{Key: "k", Data: []byte("w"), Rev: rev})
			for doing, err := range map[string]error{"Put": replaced, "Delete": s.Delete(t.Context(), "k"), "Get": got, "List": listed} {
				if !errors.Is(err, state.ErrReplaced) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v, want ErrReplaced and the path", doing, err)
				}
				if advice := world.Advice(err); len(advice) != 1 || !strings.Contains(advice[0], "start certform again") {
					t.Errorf("%s advises %q", doing, advice)
				}
			}
			do(t, s.Close())
			for _, suffix := range []string{"", "-wal", "-shm"} {
				data, err := os.ReadFile(path + suffix)
				if was, ok := before[suffix]; ok != (err == nil) || !bytes.Equal(data, was) {
					t.Errorf("state.db%s: it is there: %v, it was: %v; or its bytes changed", suffix, err == nil, ok)
				}
			}
		})
	}
}

// Who works with the new state has a log by the same name: the old handle
// leaves it alone, and nothing that was written is lost.
func TestReplacedBesideAnother(t *testing.T) {
	backup, path := filled(t), filled(t)
	old := open(t, path, local.Options{})
	put(t, old, "k", "old", "")
	v := open(t, path, local.Options{ReadOnly: true})
	if _, err := v.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		do(t, os.Remove(path+suffix))
	}
	do(t, os.Rename(backup, path))
	s := open(t, path, local.Options{})
	put(t, s, "n", "new", "")
	if _, err := v.Get(t.Context(), "n"); err != nil {
		t.Errorf("a view does not see the new state: %v", err)
	}
	do(t, old.Close())
	v.Close()
	put(t, s, "m", "new", "")
	again := open(t, path, local.Options{})
	for _, key := range []string{"n", "m"} {
		if _, err := again.Get(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if _, err := again.Get(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was written to the old state: %v", err)
	}
}
