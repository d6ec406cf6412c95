package seal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
)

// keyEntry is what the state keeps of one private key.
type keyEntry struct {
	Format int `json:"format"`
	// Stored is when the entry was written, for state.Sweeper.
	Stored time.Time `json:"stored"`
	Sealed []byte    `json:"sealed"` // PKCS #8 PEM, about the entry's own key
}

// PutKey stores k, sealed, under keys/SPKI. It is called before the record
// that names the key is written and may be repeated: a key that is there is
// left as it is. It needs no identity.
func PutKey(ctx context.Context, store state.Store, s Seal, k cert.Key) error {
	at := state.Key(state.Keys, string(k.SPKI()))
	if k.Zero() {
		return errors.New("store private key: there is none")
	}
	pem, err := k.PEM()
	if err != nil {
		return err
	}
	sealed, err := s.Seal(ctx, at, pem)
	if err != nil {
		return fmt.Errorf("store private key %s: %w", k.SPKI().Short(), err)
	}
	data, err := json.Marshal(keyEntry{Format: state.Format, Stored: time.Now().UTC(), Sealed: sealed})
	if err != nil {
		return err
	}
	if _, err := store.Put(ctx, state.Entry{Key: at, Data: data}); err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("store private key %s: %w", k.SPKI().Short(), err)
	}
	return nil
}

// GetKey reads and unseals the private key whose public half is spki. A key
// that is not there wraps fs.ErrNotExist, a lost identity ErrNoIdentity.
func GetKey(ctx context.Context, store state.Store, s Seal, spki cert.Fingerprint) (cert.Key, error) {
	at := state.Key(state.Keys, string(spki))
	fail := func(err error) (cert.Key, error) {
		return cert.Key{}, fmt.Errorf("private key %s: %w", spki.Short(), err)
	}
	e, err := store.Get(ctx, at)
	if err != nil {
		return fail(err)
	}
	var entry keyEntry
	if err := json.Unmarshal(e.Data, &entry); err != nil {
		return fail(errors.New("its entry in the state is damaged"))
	}
	if entry.Format > state.Format {
		return fail(fmt.Errorf("its entry has format %d, this program knows %d: %w", entry.Format, state.Format, state.ErrNewer))
	}
	pem, err := s.Unseal(ctx, at, entry.Sealed)
	if err != nil {
		return fail(err)
	}
	k, err := cert.ParseKey(pem)
	if err != nil {
		return fail(err)
	}
	if k.SPKI() != spki {
		return fail(fmt.Errorf("the state holds key %s in its place", k.SPKI().Short()))
	}
	return k, nil
}
