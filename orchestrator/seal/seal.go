// Package seal is how private keys rest: encrypted for whoever may deliver
// them, readable to nobody who only holds the state.
//
// It keeps nothing itself; the sealed bytes are stored by state.
package seal

import (
	"context"
	"errors"
)

// ErrNoIdentity is in the chain when the identity that can unseal is not
// there. Sealing needs only the public half and still works.
var ErrNoIdentity = errors.New("the identity that unseals the keys is missing")

// Seal encrypts small secrets. Its methods may be called concurrently.
type Seal interface {
	// Public is the public half (an age recipient): stored in meta/state, so
	// that another machine with another identity is noticed.
	Public() string
	// Check proves that Unseal would work, without any sealed value. An apply
	// calls it once, before its first outside effect.
	Check(ctx context.Context) error
	// Seal encrypts. about is bound into the text: Unseal with another about
	// fails, so that two stored values cannot be swapped.
	Seal(ctx context.Context, about string, plain []byte) ([]byte, error)
	// Unseal decrypts what Seal made, or says that the identity is missing
	// (ErrNoIdentity) or the text is not for it.
	Unseal(ctx context.Context, about string, sealed []byte) ([]byte, error)
}
