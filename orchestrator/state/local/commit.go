package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// write is one Put or Delete that waits for the disk.
type write struct {
	entry  state.Entry
	remove bool

	done chan struct{} // closed when rev and err are set
	rev  state.Revision
	err  error
}

func (w *write) finish(rev state.Revision, err error) {
	w.rev, w.err = rev, err
	close(w.done)
}

// submit queues w and returns when it is on disk, or refused. Who gets the
// turn commits everything that waits by then, so that a thousand puts cost a
// few syncs of the disk and one put costs one; nobody waits for others to
// come. A cancelled ctx withdraws w unless it is being committed, so that an
// error of the context always means that nothing was written.
func (s *store) submit(ctx context.Context, w *write) (state.Revision, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	w.done = make(chan struct{})
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return "", os.ErrClosed
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()

	select {
	case <-w.done:
	case <-ctx.Done():
		if s.withdraw(w) {
			return "", ctx.Err()
		}
		<-w.done
	case s.turn <- struct{}{}:
		world.Aside(func() { s.commitWaiting(ctx, w) })
		<-s.turn
		if s.withdraw(w) { // ctx ended before the lock was had
			return "", ctx.Err()
		}
		<-w.done
	}
	return w.rev, w.err
}

// withdraw takes w out of the queue; false: it is too late for that.
func (s *store) withdraw(w *write) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.waiting, w)
	if i < 0 {
		return false
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return true
}

// commitWaiting commits what waits, unless somebody did it for w already. If
// ctx ends before the file's lock is had, the queue is left to the next.
func (s *store) commitWaiting(ctx context.Context, w *write) {
	select {
	case <-w.done:
		return
	default:
	}
	err := s.inPlace()
	if err == nil {
		_, err = s.writer.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	if err != nil && ctx.Err() != nil {
		s.rollback() // the statement may have been interrupted after it took the lock
		return
	}
	// From here on the fate of others is decided too: ctx no longer counts.
	s.mu.Lock()
	batch := s.waiting
	s.waiting = nil
	s.mu.Unlock()

	var results []result
	if err == nil {
		err = s.inPlace() // the wait for the lock may have been a long one
	}
	if err == nil {
		results, err = s.apply(batch)
	}
	if err == nil {
		_, err = s.writer.ExecContext(context.Background(), "COMMIT")
	}
	if err != nil {
		s.rollback()
	}
	for i, b := range batch {
		if err != nil {
			b.finish("", err)
		} else {
			b.finish(results[i].rev, results[i].err)
		}
	}
}

// rollback ends a transaction that may or may not be open.
func (s *store) rollback() {
	_, _ = s.writer.ExecContext(context.Background(), "ROLLBACK")
}

// result is what became of one write of a batch that was committed.
type result struct {
	rev state.Revision
	err error // ErrConflict: this one changed nothing, the others go on
}

// apply does a batch inside the open transaction. An error is the disk's or
// SQLite's and spoils all of it.
func (s *store) apply(batch []*write) ([]result, error) {
	var seq, begun int64
	if err := s.do.sequence.QueryRow().Scan(&seq); err != nil {
		return nil, err
	}
	begun = seq
	results := make([]result, len(batch))
	for i, w := range batch {
		e := w.entry
		if w.remove {
			if _, err := s.do.remove.Exec(e.Key); err != nil {
				return nil, err
			}
			continue
		}
		rev := seq + 1
		won, err := s.do.put(e, rev)
		if err != nil {
			return nil, err
		}
		if !won {
			results[i].err = state.ErrConflict
			continue
		}
		seq = rev
		results[i].rev = state.Revision(strconv.FormatInt(rev, 10))
	}
	if seq != begun {
		if _, err := s.do.advance.Exec(seq); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// statements are what the writer does, prepared on its connection.
type statements struct {
	sequence, advance, insert, update, remove *sql.Stmt
}

func (st *statements) prepare(ctx context.Context, c *sql.Conn) error {
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&st.sequence, "SELECT n FROM sequence"},
		{&st.advance, "UPDATE sequence SET n = ?"},
		{&st.insert, "INSERT INTO entries (key, data, rev, due, sum) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"},
		{&st.update, "UPDATE entries SET data = ?2, rev = ?3, due = ?4, sum = ?5 WHERE key = ?1 AND rev = ?6"},
		{&st.remove, "DELETE FROM entries WHERE key = ?"},
	} {
		stmt, err := c.PrepareContext(ctx, p.sql)
		if err != nil {
			return err
		}
		*p.to = stmt
	}
	return nil
}

func (st *statements) close() {
	for _, s := range []*sql.Stmt{st.sequence, st.advance, st.insert, st.update, st.remove} {
		if s != nil {
			_ = s.Close()
		}
	}
}

// put writes e as revision rev if the stored revision is e.Rev.
func (st *statements) put(e state.Entry, rev int64) (won bool, err error) {
	data := e.Data
	if data == nil {
		data = []byte{}
	}
	due := dueColumn(e.Due)
	args := []any{e.Key, data, rev, due, checksum(e.Key, data, rev, due)}
	stmt := st.insert
	if e.Rev != "" {
		was, err := strconv.ParseInt(string(e.Rev), 10, 64)
		if err != nil {
			return false, nil // no revision of ours: it cannot be the stored one
		}
		stmt, args = st.update, append(args, was)
	}
	r, err := stmt.Exec(args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err == nil && n > 1 {
		err = errors.New("one key has several rows")
	}
	if err != nil {
		return false, fmt.Errorf("write %s: %w", e.Key, err)
	}
	return n == 1, nil
}
