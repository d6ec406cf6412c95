package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/certform/certform/orchestrator/world"
)

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{size: info.Size(), modified: info.ModTime()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}

// readable reports whether this process may read the file at path.
func readable(path string) bool {
	const mayRead = 4
	return syscall.Access(path, mayRead) == nil
}

// walHeader is the length of the log's header: it changes whenever the log
// begins anew.
const walHeader = 32

// copyState copies the file and its log into dir, as they were at one moment:
// the file changes only when the log is written back, and the log is otherwise
// only appended to, so that a file and a log's header that did not change make
// a whole. A half-written end of the log is passed over by SQLite.
func copyState(ctx context.Context, path, dir string) (string, error) {
	to := filepath.Join(dir, "state.db")
	before := stampOf(path)
	head, err := header(path + "-wal")
	if err != nil {
		return "", err
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(ctx, path+suffix, to+suffix); err != nil {
			return "", err
		}
	}
	after, err := header(path + "-wal")
	if err != nil {
		return "", err
	}
	if stampOf(path) != before || !bytes.Equal(head, after) {
		return "", errMoved
	}
	return to, nil
}

// header reads the log's header; a log that is gone or empty has moved.
func header(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMoved
	}
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	b := make([]byte, walHeader)
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.EOF) {
		return nil, errMoved
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b[:n], nil
}

func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved
	}
	if err != nil {
		return unreadable(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy %s to read it: %w", from, err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close(), ctx.Err()); err != nil {
		return fmt.Errorf("copy %s to read it: %w", from, err)
	}
	return nil
}

func unreadable(err error) error {
	return world.Hint(err, "the state's -wal file holds its newest entries: whoever reads the state must be able to read it, or the process that left it must run once more")
}
