package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
	"github.com/certform/certform/sinks/sinktest"
)

// asNobody runs f with the rights that anybody has on files.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setfsuid(0) }()
	f()
}

func TestRightsToLookAreEnough(t *testing.T) {
	b := newBench(t)
	for d := b.dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		b.must(os.Chmod(d, 0o755))
	}
	dir := &file.Spec{Directory: b.path("tls")}
	want := b.renew(dir, 1)
	rooted, err := b.look(dir)
	b.must(err)
	one := &file.Spec{Combined: b.path("one.pem")}
	b.renew(one, 1)
	asNobody(t, func() {
		held, err := b.look(dir)
		if err != nil || held.Leaf != want.Leaf() || held.Broken != "" || held.Rev != rooted.Rev {
			t.Errorf("directory: %+v %v, want the same as root sees: %+v", held, err, rooted)
		}
		// One file with the key in it cannot be read without the key.
		if _, err := b.look(one); !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("combined: %v, want permission denied", err)
		}
	})
}

func TestMountPointIsRefused(t *testing.T) {
	b := newBench(t)
	dir := b.path("tls")
	b.must(os.Mkdir(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { b.must(unix.Unmount(dir, unix.MNT_DETACH)) })
	b.must(os.WriteFile(filepath.Join(dir, "README"), []byte("mine"), 0o644))
	_, err := b.put(&file.Spec{Directory: dir}, sinktest.Bundle(t, "example.com"), sinks.Held{})
	if !errors.Is(err, world.ErrNever) || !strings.Contains(err.Error(), "is a mount point") {
		t.Errorf("%v", err)
	}
	b.text(filepath.Join(dir, "README"), "mine")
	if _, err := b.look(&file.Spec{Directory: dir}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("look: %v", err)
	}
	b.renew(&file.Spec{Directory: filepath.Join(dir, "site")}, 2) // what the error advises
}

func TestPipeDoesNotHoldUp(t *testing.T) {
	b := newBench(t)
	s := &file.Spec{Directory: b.path("tls")}
	want := b.renew(s, 1)
	b.must(os.Remove(b.path("tls", "fullchain.pem")))
	b.must(unix.Mkfifo(b.path("tls", "fullchain.pem"), 0o644))
	held, err := b.look(s)
	if err != nil || held.Broken != "fullchain.pem is not a regular file" {
		t.Errorf("%+v %v", held, err)
	}
	if held, err = b.put(s, want, held); err != nil || held.Broken != "" {
		t.Errorf("%+v %v", held, err)
	}
}
