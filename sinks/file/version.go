package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
)

// foundPrefix begins the name of a directory that was there before us.
const foundPrefix = "found-"

// version is an entry of the shed: LEAF-N of ours, or found-N.
type version struct {
	name string
	n    int
}

func (v version) found() bool { return strings.HasPrefix(v.name, foundPrefix) }

// versions lists the shed by growing number.
func versions(shed string) ([]version, error) {
	list, err := os.ReadDir(shed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []version
	for _, e := range list {
		if !e.IsDir() || strings.HasPrefix(e.Name(), temporaryPrefix) {
			continue
		}
		if n := number(e.Name()); n > 0 {
			out = append(out, version{e.Name(), n})
		}
	}
	slices.SortFunc(out, func(a, b version) int { return a.n - b.n })
	return out, nil
}

// number is N of LEAF-N and found-N, 0 for other names.
func number(name string) int {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(name[i+1:])
	if err != nil {
		return 0
	}
	return n
}

// stage writes a whole new version; the link does not lead to it yet.
func (d *directory) stage(b *cert.Bundle) (change, error) {
	at, err := d.spot()
	if err != nil {
		return nil, err
	}
	shed := at.shed()
	all, err := versions(shed)
	if err != nil {
		return nil, err
	}
	last := number(at.version) // which may be gone
	if len(all) > 0 {
		last = max(last, all[len(all)-1].n)
	}
	files, err := content(b)
	if err != nil {
		return nil, err
	}
	s := &swap{d: d, at: at, name: fmt.Sprintf("%s-%d", b.Leaf().Short(), last+2), found: foundPrefix + strconv.Itoa(last+1)}
	tmp := filepath.Join(shed, temporary())
	if err := d.fill(tmp, files); err != nil {
		d.clear(tmp)
		return nil, err
	}
	switch {
	case at.kind == real:
		err = d.carry(at.path, s.found, at, tmp)
	case at.kind == linked:
		err = d.carry(at.inside(), at.version, at, tmp)
	case len(all) > 0 && all[len(all)-1].found():
		// Killed, long ago, between the steps of an exchange.
		err = d.carry(filepath.Join(shed, all[len(all)-1].name), all[len(all)-1].name, at, tmp)
	}
	if err == nil {
		err = d.flush(tmp)
	}
	if err == nil {
		err = d.rename(tmp, filepath.Join(shed, s.name))
	}
	if err != nil {
		d.clear(tmp)
		return nil, err
	}
	return s, d.flush(shed)
}

func (d *directory) fill(dir string, files map[string][]byte) error {
	if err := d.mkdir(dir); err != nil {
		return err
	}
	// Not less than the umask left: services must get in; the key has its own mode.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for _, n := range fourNames {
		mode := fs.FileMode(certMode)
		if n == keyName {
			mode = d.own.mode
		}
		if err := d.create(filepath.Join(dir, n), files[n], d.own, mode); err != nil {
			return err
		}
	}
	return nil
}

// carry links into the version `to` what others have put into the directory
// `from`, which is or will be called name in the shed.
func (d *directory) carry(from, name string, at spot, to string) error {
	list, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range list {
		if slices.Contains(fourNames, e.Name()) {
			continue
		}
		target := filepath.Join("..", name, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(filepath.Join(from, e.Name())); err != nil {
				return err
			}
			if !filepath.IsAbs(target) && strings.HasPrefix(name, foundPrefix) {
				target = filepath.Join(at.path, target) // it moves one directory down
			}
		}
		if err := d.symlink(target, filepath.Join(to, e.Name())); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// clear removes a version: the four files and the links to what others own.
// What else is in it stays.
func (d *directory) clear(dir string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range list {
		if slices.Contains(fourNames, e.Name()) || e.Type()&fs.ModeSymlink != 0 {
			_ = d.remove(filepath.Join(dir, e.Name())) // a leftover is tried again by the next Put
		}
	}
	_ = d.remove(dir) // fails if somebody's files are in it, and so it shall
}

// sweep removes what a killed process left half done.
func (d *directory) sweep() {
	at, err := d.spot()
	if err != nil {
		return
	}
	list, err := os.ReadDir(at.shed())
	if err != nil {
		return
	}
	for _, e := range list {
		path := filepath.Join(at.shed(), e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			_ = d.remove(path) // a link that was on its way
		case strings.HasPrefix(e.Name(), temporaryPrefix):
			d.clear(path)
		}
	}
}

// before is the switch that led from the version before to the present one.
func (d *directory) before() change {
	at, err := d.spot()
	if err != nil || at.kind != linked {
		return nil
	}
	all, err := versions(at.shed())
	if err != nil {
		return nil
	}
	now := slices.IndexFunc(all, func(v version) bool { return v.name == at.version })
	for i := now - 1; i >= 0; i-- {
		data, err := os.ReadFile(filepath.Join(at.shed(), all[i].name, fullchainName))
		if err != nil {
			continue // only somebody's files are left in it
		}
		chain, err := cert.ParseChain(data)
		if err != nil || time.Now().After(chain.Leaf().NotAfter) {
			return nil
		}
		s := &swap{d: d, at: at, name: at.version, found: all[i].name}
		if all[i].found() {
			s.at.kind = real
		} else {
			s.at.version = all[i].name
		}
		return s
	}
	return nil
}

// swap is one switch of the link, from what was at the spot to a version.
type swap struct {
	d     *directory
	at    spot   // as it was before
	name  string // the new version
	found string // where a real directory goes
	// mine is the link as this change made it. Whoever takes the place over
	// makes a link of their own, also to the same version, so that nobody who
	// was stopped in between and wakes undoes it.
	mine fs.FileInfo
}

// current reports whether the link leads to the new version.
func (s *swap) current() bool {
	to, err := os.Readlink(s.at.path)
	return err == nil && to == s.at.leads(s.name)
}

// holding reports whether the link is the very one that this change made.
func (s *swap) holding() bool {
	if s.mine == nil || !s.current() {
		return false
	}
	now, err := os.Lstat(s.at.path)
	return err == nil && os.SameFile(now, s.mine) && now.ModTime().Equal(s.mine.ModTime())
}

func (s *swap) commit() error {
	if s.holding() {
		return nil
	}
	if err := s.change(); err != nil {
		return err
	}
	s.mine, _ = os.Lstat(s.at.path) // without it there is no undo
	return s.d.flush(filepath.Dir(s.at.path))
}

func (s *swap) change() error {
	if s.current() {
		return s.relink(s.name)
	}
	if _, err := os.Stat(filepath.Join(s.at.shed(), s.name, keyName)); errors.Is(err, fs.ErrNotExist) {
		return sinks.ErrChanged // another process has tidied up meanwhile
	}
	var err error
	switch s.at.kind {
	case absent:
		if err = s.d.symlink(s.at.leads(s.name), s.at.path); errors.Is(err, fs.ErrExist) {
			err = sinks.ErrChanged
		}
	case linked:
		err = s.relink(s.name)
	case real:
		link := filepath.Join(s.at.shed(), s.found)
		if err = s.d.symlink(s.at.leads(s.name), link); err != nil {
			break
		}
		if err = s.d.exchange(link, s.at.path); err != nil {
			if isLink(link) {
				_ = s.d.remove(link)
			}
			break
		}
		// What came into the directory while the version was staged.
		err = s.d.carry(link, s.found, s.at, filepath.Join(s.at.shed(), s.name))
	}
	return err
}

func (s *swap) undo() error {
	if !s.holding() {
		return nil // not committed, undone, or somebody else's by now
	}
	var err error
	switch s.at.kind {
	case absent:
		err = s.d.remove(s.at.path)
	case linked:
		err = s.relink(s.at.version)
	case real:
		link := filepath.Join(s.at.shed(), s.found)
		if err = s.d.exchange(link, s.at.path); err == nil && isLink(link) {
			err = s.d.remove(link)
		}
	}
	if err != nil {
		return err
	}
	return s.d.flush(filepath.Dir(s.at.path))
}

func (s *swap) relink(version string) error {
	tmp := filepath.Join(s.at.shed(), temporary())
	if err := s.d.symlink(s.at.leads(version), tmp); err != nil {
		return err
	}
	if err := s.d.rename(tmp, s.at.path); err != nil {
		_ = s.d.remove(tmp)
		return err
	}
	return nil
}

// settle removes all versions but the present one and the one before, unless
// another process has gone on to a later one.
func (s *swap) settle() error {
	if !s.current() {
		return nil
	}
	all, err := versions(s.at.shed())
	if err != nil {
		return err
	}
	for _, v := range all {
		dir := filepath.Join(s.at.shed(), v.name)
		switch {
		case v.name == s.name, s.at.kind == linked && v.name == s.at.version:
		case v.found():
			_ = s.d.remove(dir) // if it is empty
		default:
			s.d.clear(dir)
		}
	}
	if s.at.kind == linked { // what came into the version before while this one was staged
		return s.d.carry(s.at.inside(), s.at.version, s.at, filepath.Join(s.at.shed(), s.name))
	}
	return nil
}

func (s *swap) discard() {
	if s.current() {
		return
	}
	s.d.clear(filepath.Join(s.at.shed(), s.name))
}
