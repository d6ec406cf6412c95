package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// path makes a path of a reference absolute: ~/ is the user's home, and a
// relative one begins at the configuration.
func (r *Resolver) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, ok := r.world.Getenv("HOME"); ok && home != "" {
			return filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(name) {
		return filepath.Join(r.dir, name)
	}
	return name
}

// readFile reads a secret that is a whole file. The line breaks at its end are
// not part of it: editors and echo add one.
func (r *Resolver) readFile(name string) (string, error) {
	path := r.path(name)
	// Opening a pipe would wait for somebody to write.
	info, err := os.Stat(path)
	if err != nil {
		return "", plain(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", plain(err)
	}
	if len(data) > limit {
		return "", errLarge
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// plain names the file as the system was asked for it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("read %s: %w", p.Path, p.Err)
	}
	return err
}
