package file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

func (b *bench) path(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

func (b *bench) put(s *file.Spec, c *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	b.t.Helper()
	s.Die(b.step)
	sink, err := s.Open(b.t.Context(), b.world)
	b.must(err)
	return sink.Put(b.t.Context(), c, was)
}

func (b *bench) look(s *file.Spec) (sinks.Held, error) {
	b.t.Helper()
	sink, err := s.Open(b.t.Context(), b.world)
	b.must(err)
	return sink.(sinks.Observer).Observe(b.t.Context(), "")
}

func (b *bench) renew(s *file.Spec, n int) (last *cert.Bundle) {
	b.t.Helper()
	was, err := b.look(s)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	for range n {
		last = sinktest.Bundle(b.t, "example.com")
		was, err = b.put(s, last, was)
		b.must(err)
	}
	return last
}

// pair fails unless dir holds the four files of want.
func (b *bench) pair(dir string, want *cert.Bundle) {
	b.t.Helper()
	key, err := want.Key().PEM()
	b.must(err)
	for name, data := range map[string][]byte{
		"fullchain.pem": want.FullchainPEM(), "privkey.pem": key, "cert.pem": want.CertPEM(), "chain.pem": want.IntermediatesPEM(),
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		b.must(err)
		if !bytes.Equal(got, data) {
			b.t.Errorf("%s is not that of the bundle", name)
		}
	}
}

func (b *bench) text(path, want string) {
	b.t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		b.t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
	}
}

// crowded makes a directory with somebody's files in it.
func (b *bench) crowded(dir string) os.FileInfo {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	b.must(os.WriteFile(filepath.Join(dir, "README"), []byte("mine"), 0o640))
	b.must(os.WriteFile(filepath.Join(dir, "sub", "x"), []byte("deep"), 0o644))
	b.must(os.WriteFile(b.path("dhparam"), []byte("dh"), 0o644))
	b.must(os.Symlink("../dhparam", filepath.Join(dir, "dhparam.pem")))
	info, err := os.Stat(filepath.Join(dir, "README"))
	b.must(err)
	return info
}

func TestSomebodysFilesStay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		dead func(what string, after bool) error
	}{
		{"exchanged in one call", nil},
		{"on a file system that cannot", func(what string, after bool) error {
			if what == "exchange" {
				return errors.ErrUnsupported
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.dead = c.dead
			dir := b.path("tls")
			before := b.crowded(dir)
			s := &file.Spec{Directory: dir}
			check := func() {
				t.Helper()
				b.text(filepath.Join(dir, "README"), "mine")
				b.text(filepath.Join(dir, "sub", "x"), "deep")
				b.text(filepath.Join(dir, "dhparam.pem"), "dh")
				if after, err := os.Stat(filepath.Join(dir, "README")); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() || !after.ModTime().Equal(before.ModTime()) {
					t.Errorf("README was touched: %v %v", after, err)
				}
			}
			b.pair(dir, b.renew(s, 1))
			check()
			b.must(os.WriteFile(filepath.Join(dir, "later"), []byte("later"), 0o644))
			b.must(os.Mkdir(filepath.Join(dir, "laterdir"), 0o755))
			b.pair(dir, b.renew(s, 5))
			check()
			b.text(filepath.Join(dir, "later"), "later")
			if _, err := os.Stat(filepath.Join(dir, "laterdir")); err != nil {
				t.Error(err)
			}
			b.must(os.WriteFile(filepath.Join(dir, "sub", "y"), []byte("y"), 0o644))
			b.renew(s, 1)
			b.text(filepath.Join(dir, "sub", "y"), "y")
		})
	}
}

func TestOldPairInADirectoryIsReplaced(t *testing.T) {
	b := newBench(t)
	dir := b.path("live")
	b.must(os.MkdirAll(dir, 0o755))
	theirs := sinktest.Bundle(t, "example.com")
	writeFour(t, dir, theirs)
	b.must(os.WriteFile(filepath.Join(dir, "README"), []byte("mine"), 0o644))
	s := &file.Spec{Directory: dir}
	held, err := b.look(s)
	if err != nil || held.Leaf != theirs.Leaf() || held.Broken != "" {
		t.Fatalf("%+v %v", held, err)
	}
	b.pair(dir, b.renew(s, 3))
	b.text(filepath.Join(dir, "README"), "mine")
	found, err := filepath.Glob(b.path(".live.certform", "found-*", "privkey.pem"))
	if err != nil || len(found) != 1 {
		t.Errorf("their key is at %v %v", found, err)
	}
}

func TestCommandsOfTheConfiguration(t *testing.T) {
	b := newBench(t)
	var ran []string
	b.world.Exec = func(_ context.Context, argv []string) ([]byte, error) {
		ran = append(ran, argv[0])
		return nil, nil
	}
	s := &file.Spec{Combined: "site.pem", Test: []string{"nginx", "-t"}, Reload: []string{"./reload.sh"}}
	s.Rebase(b.dir)
	b.renew(s, 1)
	if want := []string{"nginx", b.path("reload.sh")}; !slices.Equal(ran, want) {
		t.Errorf("ran %q, want %q", ran, want)
	}
	if _, err := os.Stat(b.path("site.pem")); err != nil {
		t.Error(err)
	}
}

func TestOnlyOneVersionBefore(t *testing.T) {
	b := newBench(t)
	s := &file.Spec{Directory: b.path("tls")}
	b.renew(s, 6)
	list, err := os.ReadDir(b.path(".tls.certform"))
	if err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
}

func TestLinks(t *testing.T) {
	t.Run("somebody's link to a directory is followed and stays", func(t *testing.T) {
		b := newBench(t)
		b.must(os.MkdirAll(b.path("data", "tls"), 0o755))
		b.must(os.Mkdir(b.path("etc"), 0o755))
		b.must(os.Symlink("../data/tls", b.path("etc", "tls")))
		b.pair(b.path("etc", "tls"), b.renew(&file.Spec{Directory: b.path("etc", "tls")}, 3))
		if to, err := os.Readlink(b.path("etc", "tls")); err != nil || to != "../data/tls" {
			t.Errorf("the link is %q %v", to, err)
		}
	})
	t.Run("somebody's link to a file is followed and stays", func(t *testing.T) {
		b := newBench(t)
		b.must(os.Mkdir(b.path("data"), 0o755))
		b.must(os.Symlink("data/site.pem", b.path("site.pem")))
		want := b.renew(&file.Spec{Combined: b.path("site.pem")}, 3)
		data, err := os.ReadFile(b.path("data", "site.pem"))
		b.must(err)
		got, err := cert.ParseBundle(data)
		if err != nil || got.Leaf() != want.Leaf() {
			t.Errorf("%v %v", got, err)
		}
		if to, err := os.Readlink(b.path("site.pem")); err != nil || to != "data/site.pem" {
			t.Errorf("the link is %q %v", to, err)
		}
	})
	for _, c := range []struct {
		name string
		spec func(b *bench) *file.Spec
		make func(b *bench)
		want string
	}{
		{"a dangling link for a directory", func(b *bench) *file.Spec { return &file.Spec{Directory: b.path("x")} },
			func(b *bench) { b.must(os.Symlink("gone", b.path("x"))) }, "where nothing is"},
		{"links in a circle", func(b *bench) *file.Spec { return &file.Spec{Directory: b.path("x")} },
			func(b *bench) { b.must(os.Symlink("x", b.path("x"))) }, "circle"},
		{"a file where the directory should be", func(b *bench) *file.Spec { return &file.Spec{Directory: b.path("x")} },
			func(b *bench) { b.must(os.WriteFile(b.path("x"), nil, 0o600)) }, "is a file, not a directory"},
		{"a directory where the file should be", func(b *bench) *file.Spec { return &file.Spec{Combined: b.path("x")} },
			func(b *bench) { b.must(os.Mkdir(b.path("x"), 0o755)) }, "is a directory, not a file"},
		{"a link into nowhere for a file", func(b *bench) *file.Spec { return &file.Spec{Combined: b.path("x")} },
			func(b *bench) { b.must(os.Symlink("gone/y", b.path("x"))) }, "whose directory is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			c.make(b)
			_, lookErr := b.look(c.spec(b))
			_, putErr := b.put(c.spec(b), sinktest.Bundle(t, "example.com"), sinks.Held{})
			for _, err := range []error{lookErr, putErr} {
				if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, world.ErrNever) || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v, want %q that trying again cannot mend", err, c.want)
				}
			}
		})
	}
}
