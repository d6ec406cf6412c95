package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
)

// file tells a file from every other one; zero: there is none. Its number is
// not given to another as long as somebody has it open.
type file struct{ device, inode uint64 }

// files are those that SQLite has open of one state.
type files struct{ state, log, index file }

// filesAt looks which files lie there. It opens none, see locate. named is
// asked and not path, since a symbolic link may lead elsewhere by now.
func filesAt(named, path string) (files, error) {
	var f files
	for _, l := range []struct {
		path string
		to   *file
	}{{named, &f.state}, {path + "-wal", &f.log}, {path + "-shm", &f.index}} {
		info, err := os.Stat(l.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return files{}, fmt.Errorf("look whether it is in its place: %w", err)
		}
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			*l.to = file{uint64(sys.Dev), sys.Ino}
		}
	}
	return f, nil
}

// inPlace returns an error unless the files that are open are still those that
// another process would open: a restore takes them away under our hands, and
// SQLite goes on in what has no name any more. Log and index stay the same as
// long as anybody has the state open.
func (s *store) inPlace() error {
	now, err := filesAt(s.named, s.path)
	if err == nil && now != s.opened {
		err = replaced()
	}
	return err
}

func replaced() error {
	return world.Hint(state.ErrReplaced, "start certform again: it then works with the state that is there. Before a state is restored or removed, end whoever works with it")
}
