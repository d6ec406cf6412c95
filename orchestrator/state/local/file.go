package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// applicationID marks a SQLite file as a state of certform ("cert" in ASCII),
// fileFormat is the layout of its tables.
const (
	applicationID = 0x63657274
	fileFormat    = 1
)

// patience is how long a call waits for other processes' locks.
const patience = 30 * time.Second

const schema = `
CREATE TABLE entries (
	key  TEXT PRIMARY KEY NOT NULL,
	data BLOB NOT NULL,
	rev  INTEGER NOT NULL,
	due  INTEGER,
	sum  INTEGER NOT NULL
) STRICT;
CREATE INDEX entries_due ON entries (due, key) WHERE due IS NOT NULL;
CREATE TABLE sequence (n INTEGER NOT NULL) STRICT;
INSERT INTO sequence VALUES (0);
`

// locate finds the file that path names, through symbolic links, because
// SQLite puts its own files beside that one. It opens nothing: a descriptor of
// the file that is closed again would drop the locks that another handle of
// this process holds on it.
func locate(path string) (string, error) {
	if path == "" {
		return "", errors.New("the state needs a path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open state %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		if _, linkErr := os.Lstat(path); linkErr == nil && errors.Is(err, fs.ErrNotExist) {
			// %v: this is not a state that is merely not there yet.
			return "", fmt.Errorf("open state %s: it is a symbolic link to nothing: %v", path, err)
		}
		err = fmt.Errorf("open state: %w", err)
		if errors.Is(err, fs.ErrPermission) {
			err = world.Hint(err, "who plans must be able to read the state: it holds no secret but sealed keys")
		}
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("open state %s: not a regular file", path)
	}
	if info.Size() == 0 {
		return "", damaged(path, "open", errors.New("the file is empty, which a state never is"))
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("open state %s: %w", path, err)
	}
	return real, nil
}

// writable says early, and in words, that a state cannot be written. A
// directory counts too: SQLite makes its log beside the file.
func writable(path string) error {
	const mayWrite = 2
	for _, p := range []string{path, filepath.Dir(path)} {
		if err := syscall.Access(p, mayWrite); err != nil {
			return world.Hint(fmt.Errorf("open state %s for writing: %w", path, &fs.PathError{Op: "access", Path: p, Err: err}),
				"the state's file and its directory must be writable for the user that applies")
		}
	}
	return nil
}

// create makes a complete state file at path, or finds that somebody else did.
// It is built under another name and linked into place, so that no other
// process ever sees half of one, and an empty file is always a damaged one.
func create(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("make state %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of state %s: %w", path, err)
	}
	if err := refuseOrphans(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.new") // 0600
	if err != nil {
		return fmt.Errorf("make state %s: %w", path, err)
	}
	temp := f.Name()
	defer os.Remove(temp)
	if err := f.Close(); err != nil {
		return fmt.Errorf("make state %s: %w", path, err)
	}
	if err := build(ctx, temp); err != nil {
		return fault(path, "make", err)
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make state %s: %w", path, err)
	}
	return syncDir(dir)
}

// refuseOrphans refuses to make a state where a log of an older one lies:
// SQLite would read that log into the new file.
func refuseOrphans(path string) error {
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() == 0 {
		return nil
	}
	if _, err := os.Stat(path); err == nil {
		return nil // somebody made the state just now, and this is its log
	}
	return world.Hint(fmt.Errorf("make state %s: the file is missing, but its log %s-wal is there", path, path),
		"restore the state file from a backup and remove the log, or remove the log to begin with an empty state")
}

// build writes the tables into the empty file at path and leaves nothing
// beside it.
func build(ctx context.Context, path string) (err error) {
	db, err := connect(path, "mode=rw", 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := useWAL(ctx, c); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, fmt.Sprintf("BEGIN; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		schema, applicationID, fileFormat))
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// connect makes a pool of at most n connections, none of them open yet. mode
// is SQLite's own URI parameters.
func connect(path, mode string, n int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path}
	dsn := fmt.Sprintf("%s?%s&_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)&_pragma=trusted_schema(0)&_pragma=cache_size(-16000)",
		u.String(), mode, patience.Milliseconds())
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// useWAL turns the write-ahead log on, so that readers and the writer do not
// wait for each other and a commit is one sync. The file remembers it; for a
// file that has it, nothing is written.
func useWAL(ctx context.Context, c *sql.Conn) error {
	var mode string
	if err := c.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not allow a write-ahead log (journal mode is %s)", mode)
	}
	_, err := c.ExecContext(ctx, "PRAGMA journal_size_limit = 16777216")
	return err
}

// identify refuses a file that is not a state which this program can read. It
// writes nothing.
func identify(ctx context.Context, path string, q querier) error {
	var id, version, tables int
	err := q.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").Scan(&id, &version, &tables)
	if err != nil {
		return fault(path, "open", err)
	}
	switch {
	case id == 0 && tables == 0:
		return damaged(path, "open", errors.New("it is an SQLite file without any table"))
	case id != applicationID:
		return world.Hint(fmt.Errorf("open state %s: it is an SQLite file of another program (application id %#x)", path, uint32(id)),
			"name another path for the state")
	case version > fileFormat:
		return world.Hint(fmt.Errorf("open state %s: its format is %d, this program knows %d: %w", path, version, fileFormat, state.ErrNewer),
			"use the newer certform that wrote it, or a copy of the state from before")
	}
	return nil
}

// check reads the whole structure of the file once, so that nothing is ever
// added to a damaged one.
func check(ctx context.Context, path string, q querier) error {
	var said string
	if err := q.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil {
		return fault(path, "open", err)
	}
	if said != "ok" {
		return damaged(path, "open", errors.New(said))
	}
	return nil
}
