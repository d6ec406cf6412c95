// Package age is the seal with an age identity in a file: the default.
//
// It encrypts with X25519 (age-encryption.org/v1) and keeps nothing but the
// identity; what is sealed is stored by others.
package age

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"filippo.io/age"

	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/world"
)

// Seal is one opened identity file. Its methods may be called concurrently.
// It prints as its public half.
type Seal struct {
	path  string // "" for one that is in memory only
	found bool   // the identity file was there

	identities []*age.X25519Identity // all that unseal
	to         *age.X25519Recipient  // who can unseal what is sealed now

	// kept: the identity of to was in the file, so that it must still be there
	// whenever something is sealed.
	kept bool
	mu   sync.Mutex
	read fs.FileInfo // of the file when it was last found to hold it; nil: not yet
}

var _ seal.Seal = (*Seal)(nil)

// Open reads the identity file at path. recorded is the public half that the
// state names, "" for a state that has none yet.
//
// The first identity of the file seals and all of them unseal, so that a key
// is rotated by writing a new identity above the old one. If the file is
// missing, or recorded is not in it, the Seal can still seal for recorded, and
// Check and Unseal say that the identity is missing (seal.ErrNoIdentity); a
// missing file without recorded is an error that wraps fs.ErrNotExist.
//
// An identity that was there is looked for each time something is sealed: what
// is sealed for one that is in memory only could not be unsealed by the next
// process. Without it Seal fails as Check does, until it is back.
//
// A file that others may read is an error. No error quotes the file.
func Open(path, recorded string) (*Seal, error) {
	s := &Seal{path: path}
	var of *age.X25519Recipient
	if recorded != "" {
		var err error
		if of, err = age.ParseX25519Recipient(recorded); err != nil {
			return nil, errors.New("the public half of the seal that the state names is not an age recipient (age1...)")
		}
	}
	identities, read, err := readIdentities(path)
	switch {
	case err == nil:
		s.found, s.read = true, read
	case !missing(err) || of == nil:
		return nil, err
	}
	s.identities = identities
	if of == nil || holds(identities, recorded) {
		of, s.kept = identities[0].Recipient(), true
	}
	s.to = of
	return s, nil
}

// Ephemeral makes a seal whose identity is in memory only and gone with it:
// for tests.
func Ephemeral() (*Seal, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("make an age identity: %w", err)
	}
	return &Seal{found: true, identities: []*age.X25519Identity{id}, to: id.Recipient()}, nil
}

func holds(identities []*age.X25519Identity, recipient string) bool {
	return slices.ContainsFunc(identities, func(id *age.X25519Identity) bool { return id.Recipient().String() == recipient })
}

// Public implements seal.Seal: the recipient for whom is sealed now.
func (s *Seal) Public() string { return s.to.String() }

func (s *Seal) String() string   { return "age seal " + s.Public() }
func (s *Seal) GoString() string { return s.String() }

// Check implements seal.Seal.
func (s *Seal) Check(ctx context.Context) error {
	if err := s.lost(s.Public()); err != nil {
		return err
	}
	const about = "check"
	sealed, err := s.Seal(ctx, about, []byte(about))
	if err == nil {
		_, err = s.Unseal(ctx, about, sealed)
	}
	if err != nil {
		return fmt.Errorf("check age identity %s: %w", s.path, err)
	}
	return nil
}

// lost says that the identity of recipient is not here, nil if it is.
func (s *Seal) lost(recipient string) error {
	return s.lostFrom(s.found, s.identities, recipient)
}

// lostFrom says that the identity of recipient is not among those of the file,
// which may be there or not.
func (s *Seal) lostFrom(there bool, identities []*age.X25519Identity, recipient string) error {
	switch {
	case !there:
		return world.Hint(fmt.Errorf("age identity %s: %w", s.path, seal.ErrNoIdentity),
			fmt.Sprintf("restore %s from your backup; it is the identity of %s", s.path, recipient))
	case !holds(identities, recipient):
		return world.Hint(fmt.Errorf("age identity %s: it is not the identity of %s, for which the state's keys are sealed: %w", s.path, recipient, seal.ErrNoIdentity),
			fmt.Sprintf("restore the identity of %s from your backup, as one more line of %s", recipient, s.path))
	}
	return nil
}

// inPlace makes sure that the file still holds the identity for which is
// sealed. It is read only where it has changed.
func (s *Seal) inPlace() error {
	if !s.kept {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, err := os.Stat(s.path); err == nil && s.read != nil && os.SameFile(now, s.read) &&
		now.Size() == s.read.Size() && now.ModTime().Equal(s.read.ModTime()) && now.Mode() == s.read.Mode() {
		return nil
	}
	s.read = nil
	identities, read, err := readIdentities(s.path)
	if err != nil && !missing(err) {
		return err
	}
	if err := s.lostFrom(err == nil, identities, s.Public()); err != nil {
		return err
	}
	s.read = read
	return nil
}

// Seal implements seal.Seal.
func (s *Seal) Seal(ctx context.Context, about string, plain []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("seal %s: %w", about, err)
	}
	if err := s.inPlace(); err != nil {
		return nil, fmt.Errorf("seal %s: %w", about, err)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, s.to)
	if err == nil {
		_, err = w.Write(envelope(about, plain))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", about, err)
	}
	return out.Bytes(), nil
}

// Unseal implements seal.Seal.
func (s *Seal) Unseal(ctx context.Context, about string, sealed []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("unseal %s: %w", about, err)
	}
	if !s.found {
		return nil, fmt.Errorf("unseal %s: %w", about, s.lost(s.Public()))
	}
	identities := make([]age.Identity, len(s.identities))
	for i, id := range s.identities {
		identities[i] = id
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), identities...)
	if err != nil {
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			return nil, world.Hint(fmt.Errorf("unseal %s: it was sealed for another identity than those of %s: %w", about, s.path, seal.ErrNoIdentity),
				fmt.Sprintf("restore the identity that sealed it from your backup, as one more line of %s", s.path))
		}
		return nil, fmt.Errorf("unseal %s: %w", about, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unseal %s: %w", about, err)
	}
	bound, plain, ok := open(text)
	if !ok {
		return nil, fmt.Errorf("unseal %s: the sealed text was not made by certform", about)
	}
	if bound != about {
		return nil, fmt.Errorf("unseal %s: the sealed text belongs to %s", about, bound)
	}
	return plain, nil
}

// envelope binds about to plain: its length in four octets, itself, the rest.
func envelope(about string, plain []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(about)+len(plain)), uint32(len(about)))
	b = append(b, about...)
	return append(b, plain...)
}

func open(text []byte) (about string, plain []byte, ok bool) {
	if len(text) < 4 {
		return "", nil, false
	}
	n := uint64(binary.BigEndian.Uint32(text))
	if uint64(len(text)) < 4+n {
		return "", nil, false
	}
	return string(text[4 : 4+n]), text[4+n:], true
}
