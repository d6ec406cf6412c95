// Package local is the state in one SQLite file: the default, for everything
// that runs on one machine. Several processes may use the file at once.
//
// It keeps entries and knows nothing of what is in them. A file on a network
// file system that several machines write is left to the stores that are made
// for several machines.
package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// Options say how a state file is opened.
type Options struct {
	// ReadOnly opens the file for looking only, as plan does: it needs no
	// right to write, makes no file beside it, and does not hold up a writer.
	ReadOnly bool
}

// Open opens the state file at path. It is called once or twice a process;
// several handles on one file, in one process or many, are safe together.
//
// Without ReadOnly a missing file is made (0600, and its directory 0700 if
// that is missing too), complete or not at all. With ReadOnly a missing file
// is an error that wraps fs.ErrNotExist, and every write wraps
// state.ErrReadOnly.
//
// A file that is damaged, empty, of another program or of a newer certform
// (state.ErrNewer) is refused with its path and what to do, and never written.
// state.ErrBusy is in the chain when other processes kept it locked for half a
// minute.
//
// Where the file, or the log beside it, is removed or replaced by another, a
// handle for writing refuses all calls from then on (state.ErrReplaced), since
// nobody else sees what it sees; one for reading reads what is there now.
func Open(ctx context.Context, path string, o Options) (state.Store, error) {
	real, err := locate(path)
	if o.ReadOnly {
		if err != nil {
			return nil, err
		}
		return openView(ctx, real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(ctx, path); err == nil {
			real, err = locate(path)
		}
	}
	if err != nil {
		return nil, err
	}
	named, err := filepath.Abs(path)
	if err != nil {
		return nil, fault(real, "open", err)
	}
	return openStore(ctx, named, real)
}

// readers is how many calls may read at once; SQLite's readers and its writer
// do not wait for each other.
const readers = 4

// store is a state file open for writing.
type store struct {
	path   string
	named  string // path before symbolic links were followed
	opened files  // what SQLite has open
	db     *sql.DB
	writer *sql.Conn
	do     statements

	// turn is held by the one call that commits for all that wait.
	turn chan struct{}

	mu      sync.Mutex
	waiting []*write // not yet taken by a committer
	closed  bool
}

func openStore(ctx context.Context, named, path string) (_ state.Store, err error) {
	if err := writable(path); err != nil {
		return nil, err
	}
	before, err := filesAt(named, path)
	if err != nil {
		return nil, fault(path, "open", err)
	}
	db, err := connect(path, "mode=rw", readers+1)
	if err != nil {
		return nil, fault(path, "open", err)
	}
	s := &store{path: path, named: named, db: db, turn: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.writer, err = db.Conn(ctx); err != nil {
		return nil, fault(path, "open", err)
	}
	if err := identify(ctx, path, s.writer); err != nil {
		return nil, err
	}
	if err := useWAL(ctx, s.writer); err != nil {
		return nil, fault(path, "open", err)
	}
	if err := check(ctx, path, s.writer); err != nil {
		return nil, err
	}
	if err := s.do.prepare(ctx, s.writer); err != nil {
		return nil, fault(path, "open", err)
	}
	// What lies there now is what was opened, unless the file is another one
	// since; log and index were made or joined on the way.
	if s.opened, err = filesAt(named, path); err == nil && s.opened.state != before.state {
		err = replaced()
	}
	if err != nil {
		return nil, fault(path, "open", err)
	}
	return s, nil
}

// Get implements state.Store.
func (s *store) Get(ctx context.Context, key string) (state.Entry, error) {
	if s.isClosed() {
		return state.Entry{}, fmt.Errorf("read %s: %w", key, os.ErrClosed)
	}
	var e state.Entry
	var err error
	world.Aside(func() {
		if err = s.inPlace(); err == nil {
			e, err = get(ctx, s.db, key)
		}
	})
	if err != nil {
		return state.Entry{}, fault(s.path, "read "+key, err)
	}
	return e, nil
}

// Put implements state.Store: it joins the puts and deletes that wait, and
// one of them commits for all.
func (s *store) Put(ctx context.Context, e state.Entry) (state.Revision, error) {
	if err := state.CheckKey(e.Key); err != nil {
		return "", err
	}
	rev, err := s.submit(ctx, &write{entry: e})
	if err != nil {
		return "", fault(s.path, "write "+e.Key, err)
	}
	return rev, nil
}

// Delete implements state.Store.
func (s *store) Delete(ctx context.Context, key string) error {
	if _, err := s.submit(ctx, &write{entry: state.Entry{Key: key}, remove: true}); err != nil {
		return fault(s.path, "delete "+key, err)
	}
	return nil
}

// List implements state.Store. It reads in pages and holds no lock while the
// consumer works, so that the consumer may write.
func (s *store) List(ctx context.Context, q state.Query) iter.Seq2[state.Entry, error] {
	return pages(q, func(q state.Query) (page, error) {
		if s.isClosed() {
			return page{}, fmt.Errorf("list %s: %w", q.Prefix, os.ErrClosed)
		}
		err := s.inPlace()
		var p page
		if err == nil {
			p, err = list(ctx, s.db, q)
		}
		if err != nil {
			return page{}, fault(s.path, "list "+q.Prefix, err)
		}
		return p, nil
	})
}

func (s *store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close implements state.Store.
func (s *store) Close() error {
	s.turn <- struct{}{} // whoever commits finishes
	s.mu.Lock()
	was := s.closed
	s.closed = true
	rest := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	<-s.turn
	if was {
		return nil
	}
	for _, w := range rest {
		w.finish("", os.ErrClosed)
	}
	if s.opened != (files{}) && s.inPlace() != nil {
		// SQLite's last close removes log and index by their names, and those
		// may be another state's now: what is open ends with the process.
		return nil
	}
	s.do.close()
	var err error
	if s.writer != nil { // nil: it was never fully open
		err = s.writer.Close()
	}
	if err = errors.Join(err, s.db.Close()); err != nil {
		return fault(s.path, "close", err)
	}
	return nil
}
