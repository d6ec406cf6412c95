// Package state is what certform remembers: one record a certificate, which
// is also its journal, and the contract of the store that keeps it.
//
// It decides nothing and reaches nothing but its store; how private keys are
// encrypted is left to seal.
package state

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Revision names one write of one key. It never returns for that key, so a
// stale writer cannot slip in after A, B, A. "" means that the key is absent.
type Revision string

// Entry is one small value. Key is slash-separated segments of
// [A-Za-z0-9._~-]; Key makes one from other text.
type Entry struct {
	Key  string
	Data []byte
	Rev  Revision
	Due  time.Time // when somebody should look at it; zero: never
}

// Query selects entries by prefix ("certificates/"), by due time (zero: all),
// and begins after the key After. Limit 0 means all.
type Query struct {
	Prefix string
	DueBy  time.Time
	After  string
	Limit  int
}

// ErrConflict is returned by Put and Delete when the entry's revision is not
// the stored one: somebody else wrote. Read again and decide anew.
var ErrConflict = errors.New("somebody else has written it since")

// ErrBusy is in the chain when a store could not be had in time.
var ErrBusy = errors.New("the state is busy")

// ErrNewer is in the chain when the store was written by a newer certform.
var ErrNewer = errors.New("written by a newer certform")

// ErrReadOnly is in the chain of a write to a store opened for reading.
var ErrReadOnly = errors.New("the state was opened for reading only")

// ErrReplaced is in the chain when what a store was opened on is no longer what
// others find in its place: a restored backup, a directory that was removed.
// Nothing is read or written any more; whoever is started anew takes what is
// there then.
var ErrReplaced = errors.New("it was removed or replaced while it was open")

// Store keeps small values, across processes and machines. All methods may be
// called concurrently. A Put that returned is on disk.
type Store interface {
	// Get returns the entry of key, or an error that wraps fs.ErrNotExist.
	Get(ctx context.Context, key string) (Entry, error)
	// Put replaces the revision e.Rev of e.Key ("": it must be absent) and
	// returns the new one, or an error that wraps ErrConflict and changes
	// nothing. Puts that wait together share one commit.
	Put(ctx context.Context, e Entry) (Revision, error)
	// Delete removes a key that nobody will write again, whatever its
	// revision. Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error
	// List yields entries in the order of their keys. The sequence ends after
	// the first error.
	List(ctx context.Context, q Query) iter.Seq2[Entry, error]
	// Close waits for pending puts.
	Close() error
}
