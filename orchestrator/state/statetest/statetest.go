// Package statetest is the conformance suite of state.Store: what every back
// end must do, each row with the sentence that is broken when it fails.
//
// It judges a store through its methods alone; what an engine does to its
// files or tables is left to the engine's own tests.
package statetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// patience bounds one row, so that a store that hangs is named.
const patience = 2 * time.Minute

// Run checks one kind of store. open is called once a row and makes an empty
// store; the function that it returns opens a handle on that store, is called
// several times a row (several runners), and may be called again after every
// handle was closed (a later run). Run closes the handles.
func Run(t *testing.T, open func(t *testing.T) func() state.Store) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := r.check(ctx, open(t)); err != nil {
				t.Fatalf("%s\n\t%v", r.promise, err)
			}
		})
	}
}

// check runs one row on the store that open opens.
func (r row) check(ctx context.Context, open func() state.Store) error {
	h := &handles{open: open}
	err := r.run(ctx, h)
	for _, s := range h.opened {
		if s == nil {
			continue
		}
		if e := s.Close(); e != nil && err == nil {
			err = fmt.Errorf("close: %w", e)
		}
	}
	return err
}

// handles opens handles on the store of one row and remembers them.
type handles struct {
	open   func() state.Store
	opened []state.Store
}

func (h *handles) store() state.Store {
	s := h.open()
	h.opened = append(h.opened, s)
	return s
}

// reopen closes every handle and opens one anew: the next run.
func (h *handles) reopen() (state.Store, error) {
	for i, s := range h.opened {
		h.opened[i] = nil
		if s == nil {
			continue
		}
		if err := s.Close(); err != nil {
			return nil, fmt.Errorf("close: %w", err)
		}
	}
	return h.store(), nil
}

// row is one promise.
type row struct {
	name    string
	promise string // printed when it is broken
	run     func(ctx context.Context, h *handles) error
}

var rows = []row{
	{"absent", "what was never written is fs.ErrNotExist", absent},
	{"round trip", "Get and List return what Put was given: data, due time and the revision it answered", roundTrip},
	{"owned data", "a caller may change its bytes after Put and after Get without changing what is stored", ownedData},
	{"create twice", "creating a key that is there conflicts and changes nothing", createTwice},
	{"stale put", "Put with a revision that is not the stored one conflicts and changes nothing", stalePut},
	{"put on nothing", "Put with a revision on a key that is not there conflicts and creates nothing", putOnNothing},
	{"revisions differ", "a revision never returns for a key: A, B, A has three", revisionsDiffer},
	{"revision after delete", "a key that is deleted and created again gets a revision it never had", revisionAfterDelete},
	{"delete", "Delete removes one key whatever its revision, and what is not there is no error", deletes},
	{"order and prefix", "a list yields the keys of a prefix, no others, in byte order", orderAndPrefix},
	{"after and limit", "After and Limit page through a prefix without a gap or a repeat", afterAndLimit},
	{"due", "DueBy selects what is due by then, in key order, and nothing that is never due", dueBy},
	{"due moves", "a due time is replaced with its entry: what was due is due no longer", dueMoves},
	{"list many", "a list yields every entry once also when they are many, and may be left early", listMany},
	{"write while listing", "an entry may be written while a List is read", writeWhileListing},
	{"escaped keys", "keys made by state.Key of any text are kept apart and found again", escapedKeys},
	{"bad keys", "a key that some engine could not hold is refused before anything is written", badKeys},
	{"empty value", "an empty value is a value", emptyValue},
	{"large value", "a value of 1 MiB comes back unchanged", largeValue},
	{"one winner", "of 200 concurrent puts on one revision exactly one wins, over two handles", oneWinner},
	{"no lost update", "concurrent read-and-replace loses no update and repeats no revision", noLostUpdate},
	{"many keys at once", "a conflict in one of many concurrent puts fails no other", manyKeysAtOnce},
	{"two handles", "what one handle wrote another reads at once, and its stale put conflicts", twoHandles},
	{"reopen", "everything is there after all handles were closed, and revisions go on growing apart", reopen},
	{"cancelled", "a cancelled context ends every call with its error and writes nothing", cancelled},
	{"closed", "a closed handle refuses to work", closed},
}
