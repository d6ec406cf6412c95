package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
)

// form is what one file looks like inside.
type form interface {
	encode(b *cert.Bundle) ([]byte, error)
	// decode gives the chain, and why the file is not usable. The chain is nil
	// when there is none.
	decode(data []byte) (chain cert.Chain, why string)
	same(data []byte, b *cert.Bundle) bool
}

// single is the layout of one file. While a service has not accepted the new
// one, the old one lies beside it as .NAME.certform-old.
type single struct {
	disk
	path string
	own  owner
	form form
}

// file is where the bytes are: links are followed and stay.
func (s *single) file() (string, error) {
	p := s.path
	for range 40 {
		info, err := os.Lstat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return p, nil
		case err != nil:
			return "", err
		case info.IsDir():
			return "", fmt.Errorf("%s is a directory, not a file: %w", p, errInTheWay)
		case info.Mode().IsRegular():
			return p, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return "", fmt.Errorf("%s is not a regular file: %w", p, errInTheWay)
		}
		parent, err := filepath.EvalSymlinks(filepath.Dir(p))
		if err != nil {
			return "", err
		}
		to, err := os.Readlink(p)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(parent, to)
		}
		p = filepath.Clean(to)
		if _, err := os.Stat(filepath.Dir(p)); err != nil {
			return "", fmt.Errorf("it is a symbolic link to %s, whose directory is not there: %w", p, errInTheWay)
		}
	}
	return "", fmt.Errorf("its symbolic links go round in a circle: %w", errInTheWay)
}

func (s *single) look() (sinks.Held, error) {
	path, err := s.file()
	if err != nil {
		return sinks.Held{}, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return sinks.Held{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return sinks.Held{}, err
	}
	var h sinks.Held
	chain, why := s.form.decode(data)
	if chain != nil {
		h = sinks.Hold(chain)
	}
	if why == "" {
		why = s.own.wrong(filepath.Base(path), info, s.own.mode)
	}
	h.Strange = chain == nil && isArchive(data)
	sum := sha256.Sum256(data)
	h.Rev, h.Broken = hex.EncodeToString(sum[:]), why
	return h, nil
}

func (s *single) holds(b *cert.Bundle) bool {
	path, err := s.file()
	if err != nil {
		return false
	}
	data, err := os.ReadFile(path)
	if err != nil || !s.form.same(data, b) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && s.own.wrong("", info, s.own.mode) == ""
}

// lock is on the file itself; a file that is not there needs none, since
// it is created by a link, which fails if somebody was faster.
func (s *single) lock(ctx context.Context) (func(), error) {
	for {
		path, err := s.file()
		if err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return func() {}, nil
		}
		if err != nil {
			return nil, err
		}
		if err := acquire(ctx, f); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		if now, nerr := os.Stat(path); err == nil && nerr == nil && os.SameFile(mine, now) {
			return func() { f.Close() }, nil
		}
		f.Close() // it was replaced while we waited
	}
}

func (s *single) stage(b *cert.Bundle) (change, error) {
	path, err := s.file()
	if err != nil {
		return nil, err
	}
	data, err := s.form.encode(b)
	if err != nil {
		return nil, err
	}
	if err := s.mkdir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	_, err = os.Lstat(path)
	c := &replacement{s: s, path: path, data: data, over: err == nil}
	return c, c.prepare()
}

func (s *single) sweep() {
	path, err := s.file()
	if err != nil {
		return
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), beside(path, temporaryPrefix)) {
			_ = s.remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// beside is the name of a file of ours in the directory of path.
func beside(path, what string) string { return "." + filepath.Base(path) + ".certform-" + what }

func (s *single) before() change {
	path, err := s.file()
	if err != nil {
		return nil
	}
	c := &replacement{s: s, path: path, over: true}
	old, err := os.ReadFile(c.old())
	if err != nil {
		return nil
	}
	chain, why := s.form.decode(old)
	if why != "" || chain == nil || time.Now().After(chain.Leaf().NotAfter) {
		return nil
	}
	if c.data, err = os.ReadFile(path); err != nil {
		return nil
	}
	return c
}

// replacement is one switch of a file.
type replacement struct {
	s    *single
	path string
	data []byte
	over bool   // something was there
	tmp  string // "" or the staged file
}

func (r *replacement) old() string {
	return filepath.Join(filepath.Dir(r.path), beside(r.path, "old"))
}

func (r *replacement) prepare() error {
	if r.tmp != "" {
		if _, err := os.Lstat(r.tmp); err == nil {
			return nil
		}
		r.tmp = "" // another process has tidied up meanwhile
	}
	tmp := filepath.Join(filepath.Dir(r.path), beside(r.path, temporary()))
	if err := r.s.create(tmp, r.data, r.s.own, r.s.own.mode); err != nil {
		_ = r.s.remove(tmp)
		return err
	}
	r.tmp = tmp
	return nil
}

func (r *replacement) committed() bool {
	now, err := os.ReadFile(r.path)
	return err == nil && bytes.Equal(now, r.data) && r.tmp == ""
}

func (r *replacement) commit() error {
	if r.committed() {
		return nil
	}
	if err := r.prepare(); err != nil {
		return err
	}
	if !r.over {
		switch err := r.s.link(r.tmp, r.path); {
		case errors.Is(err, fs.ErrExist):
			return sinks.ErrChanged
		case err != nil: // a file system without hard links
			if err := r.s.rename(r.tmp, r.path); err != nil {
				return err
			}
		default:
			if err := r.s.remove(r.tmp); err != nil {
				return err
			}
		}
	} else {
		if err := r.keep(); err != nil {
			return err
		}
		if err := r.s.rename(r.tmp, r.path); err != nil {
			return err
		}
	}
	r.tmp = ""
	return r.s.flush(filepath.Dir(r.path))
}

// keep gives the old file a second name, so that it can be put back.
func (r *replacement) keep() error {
	if err := r.s.remove(r.old()); err != nil {
		return err
	}
	err := r.s.link(r.path, r.old())
	if err == nil {
		return nil
	}
	data, rerr := os.ReadFile(r.path)
	if rerr != nil {
		return err
	}
	return r.s.create(r.old(), data, r.s.own, r.s.own.mode)
}

func (r *replacement) undo() error {
	if !r.committed() {
		return nil
	}
	var err error
	if r.over {
		err = r.s.rename(r.old(), r.path)
	} else {
		err = r.s.remove(r.path)
	}
	if err != nil {
		return err
	}
	return r.s.flush(filepath.Dir(r.path))
}

// settle removes the file before, unless another process has gone on: then it
// is theirs to put back.
func (r *replacement) settle() error {
	if !r.committed() {
		return nil
	}
	return r.s.remove(r.old())
}

func (r *replacement) discard() {
	if r.tmp != "" {
		_ = r.s.remove(r.tmp)
		r.tmp = ""
	}
}
