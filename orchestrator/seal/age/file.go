package age

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/certform/certform/orchestrator/world"
)

// Create makes a new identity file at path, 0600, and its directory 0700 if
// that is missing. The file appears complete or not at all; if one is there
// already, also one that another process made just now, the error wraps
// fs.ErrExist and Open reads it.
func Create(path string) (*Seal, error) {
	s, err := Ephemeral()
	if err != nil {
		return nil, err
	}
	s.path, s.kept = path, true
	if err := writeNew(path, fileText(s.identities[0])); err != nil {
		return nil, fmt.Errorf("make age identity %s: %w", path, err)
	}
	return s, nil
}

func fileText(id *age.X25519Identity) []byte {
	return fmt.Appendf(nil, `# certform: the age identity that unseals the private keys in the state.
# Keep a copy of this file in a safe place: nothing else can read them.
# created: %s
# public key: %s
%s
`, time.Now().UTC().Format(time.RFC3339), id.Recipient(), id)
}

// writeNew writes a file under another name and links it into place: link,
// unlike rename, never replaces what is there.
func writeNew(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.new") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sizeLimit is far above what an identity file needs.
const sizeLimit = 64 << 10

// missing reports whether there is no identity file, and not some other fault.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// readIdentities reads the identity file and says which file it was.
func readIdentities(path string) ([]*age.X25519Identity, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read age identity: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read age identity: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("age identity %s: not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, nil, world.Hint(fmt.Errorf("age identity %s: its mode %04o lets other users at it", path, mode),
			fmt.Sprintf("chmod 600 %s, and if others could read it, make a new identity above the old one", path))
	}
	data, err := io.ReadAll(io.LimitReader(f, sizeLimit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read age identity: %w", err)
	}
	if len(data) > sizeLimit {
		return nil, nil, fmt.Errorf("age identity %s: larger than %d KiB, this is another kind of file", path, sizeLimit>>10)
	}
	identities, err := parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("age identity %s: %w", path, err)
	}
	return identities, info, nil
}

// parse reads one identity a line. Errors name the line and never quote it.
func parse(data []byte) ([]*age.X25519Identity, error) {
	if bytes.HasPrefix(data, []byte("age-encryption.org/")) || bytes.HasPrefix(data, []byte("-----BEGIN AGE")) {
		return nil, world.Hint(errors.New("it is encrypted itself"), "certform runs unattended and asks for no passphrase: decrypt it with age -d")
	}
	var out []*age.X25519Identity
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.HasPrefix(line, "AGE-SECRET-KEY-1") {
			return nil, fmt.Errorf("line %d is not an X25519 identity (AGE-SECRET-KEY-1...)", n)
		}
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is damaged: it is no valid X25519 identity", n)
		}
		out = append(out, id)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no identity in it")
	}
	return out, nil
}
