package age_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/seal/age"
	"github.com/certform/certform/orchestrator/world"
)

func create(t testing.TB) (path string, s *age.Seal) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "deep", "age.key")
	s, err := age.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, s
}

func open(t testing.TB, path, recorded string) *age.Seal {
	t.Helper()
	s, err := age.Open(path, recorded)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t testing.TB, s seal.Seal, about, plain string) []byte {
	t.Helper()
	b, err := s.Seal(context.Background(), about, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unseals(t testing.TB, s seal.Seal, about string, b []byte, want string) {
	t.Helper()
	got, err := s.Unseal(context.Background(), about, b)
	if err != nil || string(got) != want {
		t.Errorf("unseal: %q, %v; want %q", got, err, want)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// identity is the secret line of the file.
func identity(t testing.TB, path string) string {
	t.Helper()
	_, line, ok := strings.Cut(read(t, path), "AGE-SECRET-KEY-1")
	if !ok {
		t.Fatal("there is no identity in the file")
	}
	return "AGE-SECRET-KEY-1" + strings.TrimSpace(line)
}

func TestCreateAndOpen(t *testing.T) {
	path, made := create(t)
	for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", p, info.Mode().Perm(), want)
		}
	}
	if !strings.HasPrefix(read(t, path), "# ") || !strings.Contains(read(t, path), "# public key: "+made.Public()+"\n") {
		t.Errorf("the file does not say what it is: %s", strings.ReplaceAll(read(t, path), identity(t, path), "…"))
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
	before := read(t, path)
	if _, err := age.Create(path); !errors.Is(err, fs.ErrExist) || read(t, path) != before {
		t.Errorf("created again: %v", err)
	}
	for _, recorded := range []string{"", made.Public()} {
		s := open(t, path, recorded)
		if s.Public() != made.Public() {
			t.Errorf("public half %s, want %s", s.Public(), made.Public())
		}
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		unseals(t, s, "keys/1", sealed(t, made, "keys/1", "the key"), "the key")
		unseals(t, made, "keys/1", sealed(t, s, "keys/1", ""), "")
	}
}

// Several first runs at once: one identity comes out, and all use it.
func TestCreateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "age.key")
	var made atomic.Int32
	publics := make([]string, 20)
	var wg sync.WaitGroup
	for i := range publics {
		wg.Go(func() {
			s, err := age.Create(path)
			if err == nil {
				made.Add(1)
			} else if errors.Is(err, fs.ErrExist) {
				s, err = age.Open(path, "")
			}
			if err != nil {
				t.Error(err)
				return
			}
			publics[i] = s.Public()
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d identities were made, want 1", made.Load())
	}
	for _, p := range publics {
		if p != publics[0] {
			t.Errorf("two identities: %s and %s", p, publics[0])
		}
	}
}

func TestAboutIsBound(t *testing.T) {
	s, err := age.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	b := sealed(t, s, "keys/1", "the key")
	unseals(t, s, "keys/1", b, "the key")
	for _, about := range []string{"keys/2", "", "keys/1t", "keys/"} {
		if got, err := s.Unseal(t.Context(), about, b); err == nil {
			t.Errorf("as %q it unseals to %q", about, got)
		}
	}
	for i := range b {
		broken := bytes.Clone(b)
		broken[i] ^= 1
		if got, err := s.Unseal(t.Context(), "keys/1", broken); err == nil {
			t.Errorf("with octet %d changed it unseals to %q", i, got)
		}
		if got, err := s.Unseal(t.Context(), "keys/1", b[:i]); err == nil {
			t.Errorf("cut at %d it unseals to %q", i, got)
		}
	}
	if bytes.Equal(b, sealed(t, s, "keys/1", "the key")) {
		t.Error("the same text is sealed to the same bytes")
	}
}

// Rotation: the first identity of the file seals, all unseal.
func TestRotation(t *testing.T) {
	oldPath, old := create(t)
	newPath, fresh := create(t)
	both := read(t, newPath) + "\n# the old one\n  " + identity(t, oldPath) + "\r\n"
	if err := os.WriteFile(oldPath, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, recorded := range []string{"", old.Public(), fresh.Public()} {
		s := open(t, oldPath, recorded)
		if s.Public() != fresh.Public() {
			t.Errorf("recorded %q: it seals for %s, want %s", recorded, s.Public(), fresh.Public())
		}
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		unseals(t, s, "a", sealed(t, old, "a", "by the old"), "by the old")
		unseals(t, s, "a", sealed(t, fresh, "a", "by the new"), "by the new")
		unseals(t, fresh, "a", sealed(t, s, "a", "by both"), "by both")
		if _, err := old.Unseal(t.Context(), "a", sealed(t, s, "a", "x")); !errors.Is(err, seal.ErrNoIdentity) {
			t.Errorf("the old identity alone: %v, want ErrNoIdentity", err)
		}
	}
}

// Without the identity that the state names, everything but unsealing works.
func TestLostIdentity(t *testing.T) {
	path, made := create(t)
	otherPath, _ := create(t)
	nowhere := filepath.Join(t.TempDir(), "none", "age.key")
	if _, err := age.Open(nowhere, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is there and nothing recorded: %v, want fs.ErrNotExist", err)
	}
	for name, at := range map[string]string{"missing": nowhere, "another identity": otherPath} {
		t.Run(name, func(t *testing.T) {
			s := open(t, at, made.Public())
			if s.Public() != made.Public() {
				t.Errorf("it seals for %s, want %s", s.Public(), made.Public())
			}
			b := sealed(t, s, "a", "still sealed")
			unseals(t, open(t, path, ""), "a", b, "still sealed")
			_, unsealErr := s.Unseal(t.Context(), "a", b)
			for doing, err := range map[string]error{"Check": s.Check(t.Context()), "Unseal": unsealErr} {
				if !errors.Is(err, seal.ErrNoIdentity) || !strings.Contains(err.Error(), at) {
					t.Errorf("%s: %v, want ErrNoIdentity and the path", doing, err)
				}
				if advice := world.Advice(err); len(advice) != 1 || !strings.Contains(advice[0], "backup") {
					t.Errorf("%s advises %q, want one line", doing, advice)
				}
			}
			if _, err := os.Stat(nowhere); err == nil {
				t.Error("an identity was made")
			}
		})
	}
}

// An identity that is taken away later is missed before anything more is
// sealed for it, and found again when it is back.
func TestLostLater(t *testing.T) {
	otherPath, _ := create(t)
	for name, spoil := range map[string]func(t *testing.T, path string){
		"removed": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"another identity renamed over it": func(t *testing.T, path string) {
			if err := os.WriteFile(path+".new", []byte(read(t, otherPath)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"another identity written into it": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(identity(t, otherPath)), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, by := range []string{"Create", "Open"} {
			t.Run(name+" after "+by, func(t *testing.T) {
				path, s := create(t)
				if by == "Open" {
					s = open(t, path, s.Public())
				}
				whole := read(t, path)
				before := sealed(t, s, "a", "sealed before")
				spoil(t, path)
				_, err := s.Seal(t.Context(), "a", []byte("x"))
				if !errors.Is(err, seal.ErrNoIdentity) || !strings.Contains(err.Error(), path) {
					t.Errorf("Seal: %v, want ErrNoIdentity and the path", err)
				}
				if advice := world.Advice(err); len(advice) != 1 || !strings.Contains(advice[0], "backup") {
					t.Errorf("it advises %q, want one line", advice)
				}
				unseals(t, s, "a", before, "sealed before") // what runs goes on with what it has

				// Back, below a new one as rotation has it.
				if err := os.WriteFile(path, []byte(identity(t, otherPath)+"\n"+whole), 0o600); err != nil {
					t.Fatal(err)
				}
				unseals(t, open(t, path, ""), "a", sealed(t, s, "a", "sealed after"), "sealed after")
				if err := os.Chmod(path, 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Seal(t.Context(), "a", []byte("x")); err == nil || !strings.Contains(err.Error(), "0644") {
					t.Errorf("readable by all: %v", err)
				}
			})
		}
	}
}

// What cannot be used is refused, and no word of it is repeated.
func TestRefusedFiles(t *testing.T) {
	path, made := create(t)
	id := identity(t, path)
	swapped := []byte(id)
	swapped[30], swapped[31] = 'Q', 'P'
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		says       string
	}{
		{"readable by the group", id, 0o640, "0640"},
		{"readable by all", id, 0o604, "0604"},
		{"writable by all", id, 0o602, "0602"},
		{"empty", "", 0o600, "no identity"},
		{"comments only", "# " + id + "\n", 0o600, "no identity"},
		{"cut", id[:60], 0o600, "line 1"},
		{"mistyped", "# one\n" + string(swapped), 0o600, "line 2"},
		{"lower case", strings.ToLower(id), 0o600, "line 1"},
		{"two on a line", id + " " + id, 0o600, "line 1"},
		{"a recipient", made.Public(), 0o600, "line 1"},
		{"a password", "hunter2-hunter2", 0o600, "line 1"},
		{"encrypted", "age-encryption.org/v1\n-> scrypt x\n", 0o600, "encrypted"},
		{"huge", strings.Repeat("#\n", 1<<17), 0o600, "larger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(path, 0o600)
			for _, recorded := range []string{"", made.Public()} {
				_, err := age.Open(path, recorded)
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
					t.Fatalf("%v, want an error that says %q and the path", err, c.says)
				}
				for _, secret := range []string{id[16:24], "hunter2", c.text} {
					said := fmt.Sprintf("%v %+v %q", err, err, world.Advice(err))
					if len(secret) > 4 && strings.Contains(strings.ToLower(said), strings.ToLower(secret)) {
						t.Errorf("the error repeats the file: %v", err)
					}
				}
				if c.mode != 0o600 && len(world.Advice(err)) != 1 {
					t.Errorf("%v comes without advice", err)
				}
			}
		})
	}
	if _, err := age.Open(filepath.Dir(path), ""); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := age.Open(path, id); err == nil || strings.Contains(err.Error(), id[16:24]) {
		t.Errorf("an identity where its public half belongs: %v", err)
	}
}

// No way of printing a Seal shows its identity.
func TestPrintsPublicHalf(t *testing.T) {
	path, made := create(t)
	secret := identity(t, path)[16:]
	for _, s := range []any{made, open(t, path, "")} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if said := fmt.Sprintf(format, s); !strings.Contains(said, made.Public()) || strings.Contains(said, secret) {
				t.Errorf("%s prints %q", format, said)
			}
		}
	}
}

func TestCancelled(t *testing.T) {
	_, s := create(t)
	b := sealed(t, s, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, sealErr := s.Seal(ctx, "a", []byte("x"))
	_, unsealErr := s.Unseal(ctx, "a", b)
	for doing, err := range map[string]error{"Seal": sealErr, "Unseal": unsealErr, "Check": s.Check(ctx)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", doing, err)
		}
	}
}
