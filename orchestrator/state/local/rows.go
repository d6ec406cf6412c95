package local

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// A page of a List: enough rows that the statement's own cost does not count,
// and few enough bytes that a consumer never holds the whole state.
const (
	pageRows  = 512
	pageBytes = 4 << 20
)

// querier is what reads: a pool or one connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func get(ctx context.Context, q querier, key string) (state.Entry, error) {
	e, err := scan(q.QueryRowContext(ctx, "SELECT key, data, rev, due, sum FROM entries WHERE key = ?", key))
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return e, err
}

// page is one page of a List; more says that rows may follow it.
type page struct {
	entries []state.Entry
	more    bool
}

// pages makes one sequence of pages, each read by read.
func pages(q state.Query, read func(state.Query) (page, error)) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		q := q
		for {
			p, err := read(q)
			if err != nil {
				yield(state.Entry{}, err)
				return
			}
			for _, e := range p.entries {
				if !yield(e, nil) {
					return
				}
			}
			if q.Limit > 0 {
				q.Limit -= len(p.entries)
				p.more = p.more && q.Limit > 0
			}
			if !p.more {
				return
			}
			q.After = p.entries[len(p.entries)-1].Key
		}
	}
}

// list reads one page of what q selects.
func list(ctx context.Context, db querier, q state.Query) (page, error) {
	limit := pageRows
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	from, lower := ">=", q.Prefix
	if q.After >= q.Prefix && q.After != "" {
		from, lower = ">", q.After
	}
	where := "key " + from + " ?1 AND key < ?2"
	args := []any{lower, end(q.Prefix), limit}
	query := "SELECT key, data, rev, due, sum FROM entries WHERE " + where + " ORDER BY key LIMIT ?3"
	if !q.DueBy.IsZero() {
		// The keys come from the index of what is due, so that a few due
		// entries among many cost a few reads; the sort is of keys alone.
		query = "SELECT e.key, e.data, e.rev, e.due, e.sum FROM (SELECT key FROM entries INDEXED BY entries_due WHERE due <= ?4 AND " +
			where + " ORDER BY key LIMIT ?3) d CROSS JOIN entries e ON e.key = d.key ORDER BY d.key"
		args = append(args, dueColumn(q.DueBy))
	}
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return page{}, err
	}
	defer rows.Close()
	var p page
	size := 0
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return page{}, err
		}
		p.entries = append(p.entries, e)
		if size += len(e.Data); size >= pageBytes {
			p.more = true
			return p, nil
		}
	}
	p.more = len(p.entries) == limit
	return p, rows.Err()
}

// end is the first key after all that begin with prefix. Keys are ASCII below
// DEL.
func end(prefix string) string {
	if prefix == "" {
		return "\x7f"
	}
	last := len(prefix) - 1
	return prefix[:last] + string(rune(prefix[last]+1))
}

// scan reads one row and checks its sum.
func scan(row interface{ Scan(...any) error }) (state.Entry, error) {
	var e state.Entry
	var data sql.RawBytes
	var rev, sum int64
	var due sql.NullInt64
	var err error
	if _, ok := row.(*sql.Row); ok { // RawBytes are for Rows only
		err = row.Scan(&e.Key, &e.Data, &rev, &due, &sum)
	} else if err = row.Scan(&e.Key, &data, &rev, &due, &sum); err == nil {
		e.Data = append([]byte{}, data...)
	}
	if err != nil {
		return state.Entry{}, err
	}
	if checksum(e.Key, e.Data, rev, due) != sum {
		return state.Entry{}, fmt.Errorf("the row of %s has a wrong checksum: %w", e.Key, errDamaged)
	}
	e.Rev = state.Revision(strconv.FormatInt(rev, 10))
	if due.Valid {
		e.Due = time.Unix(0, due.Int64)
	}
	return e, nil
}

// dueColumn is a due time as it is stored: nanoseconds since 1970, or NULL
// for never.
func dueColumn(t time.Time) sql.NullInt64 {
	if t.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: t.UnixNano(), Valid: true}
}

// checksum is over all that a row says. SQLite notices a broken page but not
// a flipped bit in a value, and a journal that lies is worse than none.
func checksum(key string, data []byte, rev int64, due sql.NullInt64) int64 {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	var n [17]byte
	binary.BigEndian.PutUint64(n[:], uint64(rev))
	if due.Valid {
		n[8] = 1
		binary.BigEndian.PutUint64(n[9:], uint64(due.Int64))
	}
	_, _ = h.Write(n[:])
	_, _ = strings.NewReader(key + "\x00").WriteTo(h)
	_, _ = h.Write(data)
	return int64(h.Sum32())
}
