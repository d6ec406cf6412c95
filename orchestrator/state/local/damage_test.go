package local_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/world"
)

// direct opens the file as any SQLite tool would.
func direct(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// lock takes the write lock of the file.
func lock(t testing.TB, path string) (release func()) {
	t.Helper()
	db := direct(t, path)
	execute(t, db, "BEGIN IMMEDIATE")
	return func() { execute(t, db, "ROLLBACK"); db.Close() }
}

func filled(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, local.Options{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			e := state.Entry{Key: fmt.Sprintf("certificates/%d", i), Data: bytes.Repeat([]byte("the record "), 40)}
			if _, err := s.Put(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A file that cannot be trusted is refused in words, whoever opens it, and
// not one byte of it is changed.
func TestRefusedFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		says string // both openers
		is   error
		// late: only the writer must notice at once, the reader when it gets there.
		late bool
	}{
		{"empty", func(t *testing.T, p string) { write(t, p, nil) }, "the file is empty", nil, false},
		{"text", func(t *testing.T, p string) { write(t, p, []byte(strings.Repeat("not a database\n", 99))) }, "the file is damaged", nil, false},
		{"one byte", func(t *testing.T, p string) { write(t, p, []byte("x")) }, "the file is damaged", nil, false},
		{"truncated", func(t *testing.T, p string) { write(t, p, read(t, p)[:20<<10]) }, "the file is damaged", nil, false},
		{"header only", func(t *testing.T, p string) { write(t, p, read(t, p)[:100]) }, "the file is damaged", nil, false},
		{"zeroes in front", func(t *testing.T, p string) { write(t, p, append(make([]byte, 4096), read(t, p)[4096:]...)) }, "the file is damaged", nil, false},
		{"noise in the middle", func(t *testing.T, p string) {
			data := read(t, p)
			for i := range 4096 {
				data[8*4096+i] = byte(i*7 + 3)
			}
			write(t, p, data)
		}, "the file is damaged", nil, true},
		{"another program's", func(t *testing.T, p string) {
			os.Remove(p)
			execute(t, direct(t, p), "PRAGMA application_id = 77", "CREATE TABLE entries (key, data, rev, due, sum)")
		}, "another program", nil, false},
		{"unmarked tables", func(t *testing.T, p string) {
			os.Remove(p)
			execute(t, direct(t, p), "CREATE TABLE t (x)")
		}, "another program", nil, false},
		{"no tables", func(t *testing.T, p string) {
			os.Remove(p)
			execute(t, direct(t, p), "CREATE TABLE t (x)", "DROP TABLE t")
		}, "without any table", nil, false},
		{"newer", func(t *testing.T, p string) { execute(t, direct(t, p), "PRAGMA user_version = 2") }, "its format is 2, this program knows 1", state.ErrNewer, false},
		{"directory", func(t *testing.T, p string) {
			if err := errors.Join(os.Remove(p), os.Mkdir(p, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file", nil, false},
		{"dangling link", func(t *testing.T, p string) {
			if err := errors.Join(os.Remove(p), os.Symlink("nowhere", p)); err != nil {
				t.Fatal(err)
			}
		}, "symbolic link to nothing", nil, false},
	} {
		for _, o := range []local.Options{{}, {ReadOnly: true}} {
			if c.late && o.ReadOnly {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				path := filled(t)
				c.make(t, path)
				before, _ := os.ReadFile(path)
				names := beside(t, path)
				s, err := local.Open(t.Context(), path, o)
				if err == nil {
					s.Close()
					t.Fatalf("it was opened (read only: %v)", o.ReadOnly)
				}
				if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
					t.Errorf("%q does not say %q and the path", err, c.says)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%v is not %v", err, c.is)
				}
				if errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v would pass for a state that is not there yet", err)
				}
				if n := strings.Count(err.Error(), "open state"); n > 1 {
					t.Errorf("it says %d times what was being done: %v", n, err)
				}
				if strings.Contains(err.Error(), "damaged") && len(world.Advice(err)) == 0 {
					t.Errorf("%v comes without advice", err)
				}
				if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
					t.Error("the file was changed")
				}
				if got := beside(t, path); len(got) != len(names) {
					t.Errorf("files beside it: %q, before: %q", got, names)
				}
			})
		}
	}
}

// A value that was changed behind our back is damage and not news, on every
// way to it.
func TestFlippedBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, local.Options{})
	put(t, s, "good", "untouched", "")
	put(t, s, "k", "owed: value-one", "")
	s.Close()
	write(t, path, bytes.Replace(read(t, path), []byte("value-one"), []byte("value-two"), 1))
	for _, o := range []local.Options{{}, {ReadOnly: true}} {
		s := open(t, path, o)
		if e, err := s.Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "checksum") || len(world.Advice(err)) == 0 {
			t.Errorf("Get: %q, %v", e.Data, err)
		}
		var last error
		for _, err := range s.List(t.Context(), state.Query{}) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), "checksum") {
			t.Errorf("List: %v", last)
		}
		if e, err := s.Get(t.Context(), "good"); err != nil || string(e.Data) != "untouched" {
			t.Errorf("the other entry: %q, %v", e.Data, err)
		}
		s.Close()
	}
}

// A log without its file belongs to a state that was lost: making a new state
// there would mix the two.
func TestOrphanedLog(t *testing.T) {
	path := filled(t)
	s := open(t, path, local.Options{})
	put(t, s, "k", "v", "")
	log := read(t, path+"-wal")
	s.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path+"-wal", log)
	if _, err := local.Open(t.Context(), path, local.Options{}); err == nil || !strings.Contains(err.Error(), "its log") {
		t.Errorf("Open: %v", err)
	}
	if got := beside(t, path); len(got) != 1 {
		t.Errorf("there is %q now", got)
	}
}
