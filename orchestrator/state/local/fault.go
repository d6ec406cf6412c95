package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// errDamaged is in the chain when the bytes of the file are not what was
// written.
var errDamaged = errors.New("the file is damaged")

// damaged says that the file at path cannot be trusted and what to do.
func damaged(path, doing string, err error) error {
	if !errors.Is(err, errDamaged) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return world.Hint(fmt.Errorf("%s: %w", at(doing, path), err),
		fmt.Sprintf("nothing was changed; move it away together with %s-wal and %s-shm, if they are there, and restore a backup (an empty state would order every certificate anew)", path, path))
}

// code is SQLite's primary result code in err's chain, 0 if there is none.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// at names what was being done and to which file: "open state PATH", "write
// KEY: state PATH".
func at(doing, path string) string {
	if strings.Contains(doing, " ") {
		return doing + ": state " + path
	}
	return doing + " state " + path
}

// fault gives an error of a call its place, and its class where callers ask
// for one.
func fault(path, doing string, err error) error {
	switch {
	case strings.HasPrefix(err.Error(), at(doing, path)+": "):
		return err // it has its place
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, fs.ErrNotExist), errors.Is(err, state.ErrConflict):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, errDamaged):
		return damaged(path, doing, err)
	}
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damaged(path, doing, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return world.Hint(fmt.Errorf("%s: %w: %w", at(doing, path), state.ErrBusy, err),
			fmt.Sprintf("other processes kept it locked for %v; see which ones have it open", patience))
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return world.Hint(fmt.Errorf("%s: %w", at(doing, path), err),
			"see who owns the state's file, its directory and the -wal and -shm files beside it")
	}
	return fmt.Errorf("%s: %w", at(doing, path), err)
}
