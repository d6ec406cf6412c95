package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// Meta is the entry meta/state: which state this is.
type Meta struct {
	Format  int    `json:"format"`
	Lineage string `json:"lineage"` // made once, tells two states apart
	// Seal is the public half of the seal that keys rest under (an age
	// recipient, say), so that a lost identity is noticed before any effect.
	Seal string `json:"seal,omitempty"`
}

// LoadMeta reads meta/state; a state that has none yet gives fs.ErrNotExist.
func LoadMeta(ctx context.Context, s Store) (Meta, Revision, error) {
	e, err := s.Get(ctx, MetaKey)
	if err != nil {
		return Meta{}, "", err
	}
	var m Meta
	if err := json.Unmarshal(e.Data, &m); err != nil {
		return Meta{}, "", fmt.Errorf("%s is damaged: %w", MetaKey, err)
	}
	if m.Format > Format {
		return Meta{}, "", fmt.Errorf("%s has format %d, this program knows %d: %w", MetaKey, m.Format, Format, ErrNewer)
	}
	return m, e.Rev, nil
}

// EnsureMeta reads meta/state, makes it if it is missing, and notes the public
// half that keys are sealed for from now on (after a rotation, say). Several
// processes may call it at once: one lineage comes out.
func EnsureMeta(ctx context.Context, s Store, seal string) (Meta, error) {
	for {
		m, rev, err := LoadMeta(ctx, s)
		switch {
		case err == nil && (m.Seal == seal || seal == ""):
			return m, nil
		case err == nil:
			m.Seal = seal
		case errors.Is(err, fs.ErrNotExist):
			m = Meta{Format: Format, Lineage: rand.Text(), Seal: seal}
		default:
			return Meta{}, err
		}
		data, err := json.Marshal(m)
		if err != nil {
			return Meta{}, err
		}
		_, err = s.Put(ctx, Entry{Key: MetaKey, Data: data, Rev: rev})
		if err == nil {
			return m, nil
		}
		if !errors.Is(err, ErrConflict) {
			return Meta{}, fmt.Errorf("write %s: %w", MetaKey, err)
		}
	}
}
