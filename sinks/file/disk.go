package file

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// errInTheWay is in the chain when what is at the path is of another kind and
// not ours to replace.
var errInTheWay = errors.New("it is in the way")

// disk is every change that the sink makes, so that a test can die before and
// after each of them.
type disk struct {
	// step is asked before and after each change; an error stops it.
	step func(what string, after bool) error
}

func (d disk) do(what string, change func() error) error {
	if d.step == nil {
		return change()
	}
	if err := d.step(what, false); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return d.step(what, true)
}

// mkdir makes dir and its missing parents, readable for all.
func (d disk) mkdir(dir string) error {
	return d.do("mkdir", func() error { return os.MkdirAll(dir, 0o755) })
}

// create writes a new file with its owner and mode, and waits until it is on
// the disk. Nobody else can read it before it has its owner.
func (d disk) create(path string, data []byte, o owner, mode fs.FileMode) error {
	return d.do("create", func() error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
		if o.uid >= 0 || o.gid >= 0 {
			if err := f.Chown(o.uid, o.gid); err != nil {
				return err
			}
		}
		if err := f.Chmod(mode); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	})
}

func (d disk) symlink(target, path string) error {
	return d.do("symlink", func() error { return os.Symlink(target, path) })
}

func (d disk) link(old, path string) error {
	return d.do("link", func() error { return os.Link(old, path) })
}

func (d disk) rename(from, to string) error {
	return d.do("rename", func() error { return os.Rename(from, to) })
}

// remove removes one file, link or empty directory, if it is there.
func (d disk) remove(path string) error {
	return d.do("remove", func() error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// exchange makes the symbolic link and the directory change places. Where the
// file system cannot do that in one call it takes three, and the directory is
// missing for a moment.
func (d disk) exchange(link, dir string) error {
	err := d.do("exchange", func() error { return swapNames(link, dir) })
	if !errors.Is(err, errors.ErrUnsupported) {
		return busy(dir, err)
	}
	aside := filepath.Join(filepath.Dir(link), temporary())
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		link, dir = dir, link // on the way back the names have changed roles
	}
	if err := d.rename(link, aside); err != nil {
		return err
	}
	if err := d.rename(dir, link); err != nil {
		return errors.Join(busy(dir, err), d.rename(aside, link))
	}
	return d.rename(aside, dir)
}

func busy(dir string, err error) error {
	if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) {
		return fmt.Errorf("%s is a mount point and cannot be switched by one rename; name a directory in it: %w (%w)", dir, errInTheWay, err)
	}
	return err
}

// flush waits until the names in dir are on the disk.
func (d disk) flush(dir string) error {
	return d.do("flush", func() error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		// Some file systems have no such thing; then there is nothing to wait for.
		if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return nil
	})
}

const temporaryPrefix = "tmp-"

func temporary() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return temporaryPrefix + hex.EncodeToString(b[:])
}

// patience is how long another process may take to write the same place.
const patience = 10 * time.Second

// acquire takes the lock on an open file. It asks again and again, since the
// waiting call of the system cannot be called off.
func acquire(ctx context.Context, f *os.File) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		ok, err := tryLock(f)
		if ok || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-late.C:
			return fmt.Errorf("another process has been writing it for %s", patience)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
