package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

func TestWhatCannotBeInUse(t *testing.T) {
	t.Parallel()
	other := sinktest.Bundle(t, "example.com")
	otherKey, err := other.Key().PEM()
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) func(b *bench, path string) {
		return func(b *bench, path string) { b.must(os.WriteFile(path, data, 0o600)) }
	}
	mode := func(m os.FileMode) func(b *bench, path string) {
		return func(b *bench, path string) { b.must(os.Chmod(path, m)) }
	}
	remove := func(b *bench, path string) { b.must(os.RemoveAll(path)) }
	folder := func(b *bench, path string) { b.must(os.Remove(path)); b.must(os.Mkdir(path, 0o755)) }
	for _, c := range []struct {
		name, file string
		harm       func(b *bench, path string)
		want       string
		leaf       bool // the leaf can still be seen
	}{
		{"key removed", "privkey.pem", remove, "privkey.pem is missing", true},
		{"key of another pair", "privkey.pem", write(otherKey), "privkey.pem does not fit fullchain.pem", true},
		{"key is garbage", "privkey.pem", write([]byte("x")), "privkey.pem: no private key", true},
		{"key is a directory", "privkey.pem", folder, "privkey.pem is not a regular file", true},
		{"everybody may read the key", "privkey.pem", mode(0o644), "mode 0644, want 0600", true},
		{"nobody may read the certificate", "cert.pem", mode(0o600), "mode 0600, want 0644", true},
		{"chain of another pair", "chain.pem", write(other.IntermediatesPEM()), "chain.pem is not of the same chain", true},
		{"leaf removed", "cert.pem", remove, "cert.pem is missing", true},
		{"fullchain removed", "fullchain.pem", remove, "fullchain.pem is missing", false},
		{"fullchain is garbage", "fullchain.pem", write([]byte("\x00\x01garbage")), "fullchain.pem: no certificate", false},
		{"fullchain is a directory", "fullchain.pem", folder, "fullchain.pem is not a regular file", false},
		{"the version is gone", "", remove, "is gone", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(c.want, "mode") {
				t.Skip("no modes")
			}
			b := newBench(t)
			s := &file.Spec{Directory: b.path("tls")}
			first := b.renew(s, 2)
			inside, err := filepath.EvalSymlinks(b.path("tls"))
			b.must(err)
			c.harm(b, filepath.Join(inside, c.file))
			held, err := b.look(s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(held.Broken, c.want) {
				t.Errorf("broken %q, want %q", held.Broken, c.want)
			}
			if (held.Leaf == first.Leaf()) != c.leaf {
				t.Errorf("leaf %q", held.Leaf)
			}
			if held.Rev == "" {
				t.Error("no revision")
			}
			after, err := b.put(s, first, held)
			if err != nil || after.Broken != "" || after.Leaf != first.Leaf() {
				t.Fatalf("repair: %+v %v", after, err)
			}
			b.pair(b.path("tls"), first)
		})
	}
}

func TestModesAndParents(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	b := newBench(t)
	b.renew(&file.Spec{Directory: b.path("a", "b", "tls"), Mode: "0640"}, 1)
	b.renew(&file.Spec{Combined: b.path("c", "site.pem")}, 1)
	for path, want := range map[string]os.FileMode{
		"a": 0o755, "a/b": 0o755, "a/b/tls": 0o755, "c": 0o755,
		"a/b/tls/privkey.pem": 0o640, "a/b/tls/fullchain.pem": 0o644, "a/b/tls/cert.pem": 0o644, "c/site.pem": 0o600,
	} {
		if info, err := os.Stat(b.path(path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	// A mode that changed in the configuration is a difference, and is mended.
	s := &file.Spec{Directory: b.path("a", "b", "tls")}
	held, err := b.look(s)
	if err != nil || !strings.Contains(held.Broken, "0640, want 0600") {
		t.Errorf("%q %v", held.Broken, err)
	}
}

func TestArchivePassword(t *testing.T) {
	b := newBench(t)
	s := func() *file.Spec {
		return &file.Spec{PKCS12: b.path("x.p12"), Password: block.NewSecret("env:PASSWORD")}
	}
	want := b.renew(s(), 1)
	work := b.world.Secret
	b.world.Secret = func(context.Context, string) (string, error) { return "another", nil }
	held, err := b.look(s())
	if err != nil || !strings.Contains(held.Broken, "password does not open it") || held.Rev == "" {
		t.Errorf("%+v %v", held, err)
	}
	if held, err = b.put(s(), want, held); err != nil || held.Leaf != want.Leaf() {
		t.Errorf("a new password: %+v %v", held, err)
	}
	b.world.Secret = work
	if _, err := (&file.Spec{PKCS12: b.path("x.p12"), Password: block.NewSecret("env:OTHER")}).Open(t.Context(), b.world); err == nil {
		t.Error("it opened without a password")
	}
}

func TestOwner(t *testing.T) {
	b := newBench(t)
	if _, err := (&file.Spec{Directory: b.path("x"), Owner: "nobody-of-this-name"}).Open(t.Context(), b.world); !errors.Is(err, world.ErrNever) {
		t.Errorf("unknown owner: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	s := &file.Spec{Directory: b.path("x"), Owner: "12345", Group: "23456", Mode: "0640"}
	b.renew(s, 1)
	other := *s
	other.Group = "1"
	held, err := b.look(&other)
	if err != nil || !strings.Contains(held.Broken, "belongs to group 23456, want 1") {
		t.Errorf("%q %v", held.Broken, err)
	}
	if held, err := b.look(s); err != nil || held.Broken != "" {
		t.Errorf("%q %v", held.Broken, err)
	}
}
