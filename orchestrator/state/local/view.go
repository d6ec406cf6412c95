package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// view is a state file open for looking only. SQLite alone would make a log
// and its index beside the file even for a reader, or refuse where it may not,
// so a view looks at what lies there and reads in the way that fits:
//
//   - still: no log, so the file is complete. It is read without locks
//     ("immutable"), and what was read is thrown away and read again if the
//     file changed meanwhile.
//   - live: a log and its index are there, because a process writes or was
//     killed. SQLite reads both with the locks of a reader.
//   - copied: a log without an index that may be used. File and log are copied
//     into a directory of our own and read there.
//
// The way is chosen anew whenever it stops to fit.
type view struct {
	path string

	mu     sync.Mutex // one reading at a time
	now    *reading   // nil: choose
	closed bool
}

type reading struct {
	db   *sql.DB
	way  way
	seen mark   // how the files were before the first byte was read
	dir  string // of a copy, removed with it
}

type way string

const (
	still  way = "still"
	live   way = "live"
	copied way = "copied"
)

// old reports whether what is read is not what lies there now. Whoever reads
// live sees all that is written, as long as the files are the same.
func (r *reading) old(now mark) bool {
	if r.way == live {
		return r.seen.file.inode != now.file.inode || r.seen.log.inode != now.log.inode
	}
	return r.seen != now
}

func openView(ctx context.Context, path string) (state.Store, error) {
	v := &view{path: path}
	err := v.read(ctx, "open", func(db *sql.DB) error { return identify(ctx, path, db) })
	if err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// attempts bounds how often one call is begun again because the files changed
// under it. A writer that comes or goes causes one or two.
const attempts = 25

// read calls f with what can be read now, again if that turns out to have
// changed while f read; f begins from nothing each time.
func (v *view) read(ctx context.Context, doing string, f func(*sql.DB) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return fmt.Errorf("%s: %w", doing, os.ErrClosed)
	}
	var err error
	var avoid way
	for range attempts {
		if err = ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if v.now != nil && v.now.way != still && v.now.old(look(v.path)) {
			v.drop()
		}
		if v.now == nil {
			if v.now, err = v.choose(ctx, avoid); errors.Is(err, errMoved) {
				continue
			} else if err != nil {
				return fault(v.path, doing, err)
			}
		}
		err = f(v.now.db)
		if v.now.way == still && v.now.seen != look(v.path) {
			v.drop() // whatever came out may be half old and half new
			err = errMoved
			continue
		}
		if v.now.way == live && unusable(err) {
			v.drop()
			avoid = live
			continue
		}
		if err != nil {
			return fault(v.path, doing, err)
		}
		return nil
	}
	if errors.Is(err, errMoved) {
		return world.Hint(fmt.Errorf("%s: %w: %w", at(doing, v.path), state.ErrBusy, err), "try again when less is being written")
	}
	return fault(v.path, doing, err)
}

// errMoved says that the files changed while they were being read.
var errMoved = errors.New("the file changed while it was read")

// unusable reports whether a live reading failed because of the log's index
// and not because of the state: the last writer left in the same moment, or
// the index may not be read, or it is not filled yet.
func unusable(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR:
		return true
	}
	return false
}

// choose opens the file in the way that fits what lies beside it.
func (v *view) choose(ctx context.Context, avoid way) (*reading, error) {
	seen := look(v.path)
	var db *sql.DB
	var err error
	switch {
	case seen.file == (stamp{}):
		return nil, fmt.Errorf("open state: %w", &fs.PathError{Op: "stat", Path: v.path, Err: fs.ErrNotExist})
	case seen.log.size == 0:
		db, err = connect(v.path, "mode=ro&immutable=1", 1)
		return &reading{db: db, way: still, seen: seen}, err
	case avoid != live && readable(v.path+"-shm"):
		db, err = connect(v.path, "mode=ro&readonly_shm=1", 1)
		return &reading{db: db, way: live, seen: seen}, err
	}
	dir, err := os.MkdirTemp("", "certform-state-*") // 0700
	if err != nil {
		return nil, fmt.Errorf("copy state %s to read it: %w", v.path, err)
	}
	to, err := copyState(ctx, v.path, dir)
	if err == nil {
		db, err = connect(to, "mode=rw", 1)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return &reading{db: db, way: copied, seen: seen, dir: dir}, nil
}

func (v *view) drop() {
	if v.now == nil {
		return
	}
	v.now.db.Close()
	if v.now.dir != "" {
		os.RemoveAll(v.now.dir)
	}
	v.now = nil
}

// mark is how file and log look from outside: equal marks mean equal bytes.
type mark struct{ file, log stamp }

// stamp of a file, zero for one that is not there.
type stamp struct {
	size     int64
	modified time.Time
	inode    uint64
}

func look(path string) mark {
	// The file first: whoever changes it has, or had, a log.
	return mark{file: stampOf(path), log: stampOf(path + "-wal")}
}

// Get implements state.Store.
func (v *view) Get(ctx context.Context, key string) (e state.Entry, err error) {
	err = v.read(ctx, "read "+key, func(db *sql.DB) (err error) {
		e, err = get(ctx, db, key)
		return err
	})
	if err != nil {
		return state.Entry{}, err
	}
	return e, nil
}

// List implements state.Store.
func (v *view) List(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
	return pages(q, func(q state.Query) (p page, err error) {
		err = v.read(ctx, "list "+q.Prefix, func(db *sql.DB) (err error) {
			p, err = list(ctx, db, q)
			return err
		})
		return p, err
	})
}

// Put refuses.
func (v *view) Put(_ context.Context, e state.Entry) (state.Revision, error) {
	return "", fmt.Errorf("write %s: %w", e.Key, state.ErrReadOnly)
}

// Delete refuses.
func (v *view) Delete(_ context.Context, key string) error {
	return fmt.Errorf("delete %s: %w", key, state.ErrReadOnly)
}

// Close implements state.Store.
func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop()
	v.closed = true
	return nil
}
