package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
)

// certbot's names.
const (
	fullchainName = "fullchain.pem"
	keyName       = "privkey.pem"
	certName      = "cert.pem"
	chainName     = "chain.pem"
)

var (
	publicNames = []string{fullchainName, certName, chainName}
	fourNames   = []string{fullchainName, keyName, certName, chainName}
)

// directory is the layout of four files.
type directory struct {
	disk
	path string
	own  owner
}

// kind is what is at a directory's path.
type kind int

const (
	absent kind = iota
	linked      // a link of ours
	real        // somebody's directory
)

// spot is where a directory is, after links that are not ours were followed.
type spot struct {
	path    string
	kind    kind
	version string // linked: the version it leads to
}

// shed is the directory beside the link that keeps the versions.
func (s spot) shed() string {
	return filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".certform")
}

// leads is the link's text when it leads to version.
func (s spot) leads(version string) string {
	return filepath.Join(filepath.Base(s.shed()), version)
}

// inside is the directory that holds the files now.
func (s spot) inside() string {
	if s.kind == linked {
		return filepath.Join(s.shed(), s.version)
	}
	return s.path
}

func (d *directory) spot() (spot, error) {
	p := d.path
	for range 40 {
		info, err := os.Lstat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if p != d.path && isLink(d.path) {
				return spot{}, fmt.Errorf("it is a symbolic link that ends at %s, where nothing is: %w", p, errInTheWay)
			}
			return spot{path: p}, nil
		case err != nil:
			return spot{}, err
		case info.IsDir():
			return spot{path: p, kind: real}, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return spot{}, fmt.Errorf("%s is a file, not a directory: %w", p, errInTheWay)
		}
		to, err := os.Readlink(p)
		if err != nil {
			return spot{}, err
		}
		if s := (spot{path: p, kind: linked, version: filepath.Base(to)}); s.leads(s.version) == to {
			return s, nil
		}
		if !filepath.IsAbs(to) {
			// ".." in a link is relative to where the link really is.
			parent, err := filepath.EvalSymlinks(filepath.Dir(p))
			if err != nil {
				return spot{}, err
			}
			to = filepath.Join(parent, to)
		}
		p = filepath.Clean(to)
	}
	return spot{}, fmt.Errorf("its symbolic links go round in a circle: %w", errInTheWay)
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// entry is one of the four files as it is.
type entry struct {
	data []byte
	info fs.FileInfo
	err  error
}

func read(path string) (e entry) {
	// Without O_NONBLOCK a pipe by that name would hold up everything.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		// Who may not read a file can still see whose it is.
		e.info, _ = os.Stat(path)
		e.err = err
		return e
	}
	defer f.Close()
	if e.info, e.err = f.Stat(); e.err != nil {
		return e
	}
	if !e.info.Mode().IsRegular() {
		e.err = errInTheWay
		return e
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(e.info.Size(), fileLimit)+bytes.MinRead))
	_, e.err = buf.ReadFrom(io.LimitReader(f, fileLimit))
	e.data = buf.Bytes()
	return e
}

// fileLimit is the most that is read of a file: no chain is a megabyte.
const fileLimit = 1 << 20

func (d *directory) files() (spot, map[string]entry, error) {
	at, err := d.spot()
	if err != nil {
		return at, nil, err
	}
	in, files := at.inside(), map[string]entry{}
	missing := 0
	for _, n := range fourNames {
		e := read(filepath.Join(in, n))
		files[n] = e
		switch {
		case errors.Is(e.err, fs.ErrNotExist) && !isLink(filepath.Join(in, n)):
			missing++
		case errors.Is(e.err, fs.ErrPermission) && n == keyName, errors.Is(e.err, errInTheWay), errors.Is(e.err, fs.ErrNotExist):
		case e.err != nil:
			return at, nil, e.err
		}
	}
	if missing == len(fourNames) && at.kind != linked {
		return at, nil, fs.ErrNotExist
	}
	return at, files, nil
}

func (d *directory) look() (sinks.Held, error) {
	at, files, err := d.files()
	if err != nil {
		return sinks.Held{}, err
	}
	h, why := d.judge(files)
	if h.Leaf == "" {
		if _, err := os.Stat(at.inside()); errors.Is(err, fs.ErrNotExist) {
			why = "the directory that it leads to is gone"
		}
	}
	h.Broken = why
	sum := sha256.New()
	for _, n := range publicNames {
		e := files[n]
		fmt.Fprintf(sum, "%s %t %d\n", n, e.err == nil, len(e.data))
		sum.Write(e.data)
	}
	h.Rev = hex.EncodeToString(sum.Sum(nil))
	return h, nil
}

// judge says what the files hold, and why they cannot be in use.
func (d *directory) judge(files map[string]entry) (sinks.Held, string) {
	full := files[fullchainName]
	if full.err != nil {
		return sinks.Held{}, complaint(fullchainName, full.err)
	}
	chain, err := cert.ParseChain(full.data)
	if err != nil {
		var h sinks.Held
		if chain := inOtherForm(full.data); chain != nil {
			h = sinks.Hold(chain)
		}
		h.Strange = h.Leaf == "" && isArchive(full.data)
		return h, fullchainName + ": " + err.Error()
	}
	h := sinks.Hold(chain)
	key := files[keyName]
	switch {
	case errors.Is(key.err, fs.ErrPermission): // who only looks need not see it
	case key.err != nil:
		return h, complaint(keyName, key.err)
	default:
		k, err := cert.ParseKey(key.data)
		if err != nil {
			return h, keyName + ": " + err.Error()
		}
		if k.SPKI() != cert.SPKI(chain.Leaf().PublicKey) {
			return h, keyName + " does not fit " + fullchainName
		}
	}
	for n, want := range map[string][]byte{certName: chain[:1].PEM(), chainName: chain[1:].PEM()} {
		switch e := files[n]; {
		case e.err != nil:
			return h, complaint(n, e.err)
		case !samePEM(e.data, want):
			return h, n + " is not of the same chain as " + fullchainName
		}
	}
	for _, n := range fourNames {
		mode := fs.FileMode(certMode)
		if n == keyName {
			mode = d.own.mode
		}
		if info := files[n].info; info != nil {
			if why := d.own.wrong(n, info, mode); why != "" {
				return h, why
			}
		}
	}
	return h, ""
}

func complaint(name string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name + " is missing"
	case errors.Is(err, errInTheWay):
		return name + " is not a regular file"
	}
	return name + ": " + err.Error()
}

// samePEM compares certificates, not the text around them.
func samePEM(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, err := cert.ParseChain(a)
	if err != nil {
		return false
	}
	return bytes.Equal(x.PEM(), b)
}

// content is what the four files have to hold for b.
func content(b *cert.Bundle) (map[string][]byte, error) {
	key, err := b.Key().PEM()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		fullchainName: b.FullchainPEM(), keyName: key,
		certName: b.CertPEM(), chainName: b.IntermediatesPEM(),
	}, nil
}

func (d *directory) holds(b *cert.Bundle) bool {
	_, files, err := d.files()
	if err != nil {
		return false
	}
	want, err := content(b)
	if err != nil {
		return false
	}
	for _, n := range fourNames {
		if files[n].err != nil || !bytes.Equal(files[n].data, want[n]) {
			return false
		}
	}
	_, why := d.judge(files)
	return why == ""
}

// lock is on the directory of the versions, which is made for it.
func (d *directory) lock(ctx context.Context) (func(), error) {
	at, err := d.spot()
	if err != nil {
		return nil, err
	}
	if err := d.mkdir(at.shed()); err != nil {
		return nil, fmt.Errorf("make the directory of the versions, which has to be beside the link: %w", err)
	}
	f, err := os.Open(at.shed())
	if err != nil {
		return nil, err
	}
	if err := acquire(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
