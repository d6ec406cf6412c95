package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// bundleEntry is what the state keeps of one issued chain. Its key is sealed
// and kept by itself, under SPKI.
type bundleEntry struct {
	Format int              `json:"format"`
	Stored time.Time        `json:"stored"` // when the entry was written, for Sweeper
	SPKI   cert.Fingerprint `json:"spki"`
	Names  []string         `json:"names"` // for people
	Chain  string           `json:"chain"` // PEM, leaf first
}

// PutBundle stores an issued chain under bundles/LEAF. It is called before the
// record that names the leaf is written and may be repeated: a bundle that is
// there is left as it is.
func PutBundle(ctx context.Context, s Store, chain cert.Chain) error {
	if len(chain) == 0 {
		return errors.New("store bundle: the chain is empty")
	}
	leaf := chain.LeafPrint()
	data, err := json.Marshal(bundleEntry{
		Format: Format, Stored: time.Now().UTC(), SPKI: cert.SPKI(chain.Leaf().PublicKey),
		Names: chain.Names(), Chain: string(chain.PEM()),
	})
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, Entry{Key: Key(Bundles, string(leaf)), Data: data})
	if err != nil && !errors.Is(err, ErrConflict) {
		return fmt.Errorf("store bundle %s: %w", leaf.Short(), err)
	}
	return nil
}

// GetBundle reads the chain of leaf. One that is not there wraps
// fs.ErrNotExist.
func GetBundle(ctx context.Context, s Store, leaf cert.Fingerprint) (cert.Chain, error) {
	fail := func(err error) (cert.Chain, error) {
		return nil, fmt.Errorf("bundle %s: %w", leaf.Short(), err)
	}
	e, err := s.Get(ctx, Key(Bundles, string(leaf)))
	if err != nil {
		return fail(err)
	}
	var entry bundleEntry
	if err := json.Unmarshal(e.Data, &entry); err != nil {
		return fail(fmt.Errorf("its entry in the state is damaged: %w", err))
	}
	if entry.Format > Format {
		return fail(fmt.Errorf("its entry has format %d, this program knows %d: %w", entry.Format, Format, ErrNewer))
	}
	chain, err := cert.ParseChain([]byte(entry.Chain))
	if err != nil {
		return fail(err)
	}
	if chain.LeafPrint() != leaf {
		return fail(fmt.Errorf("the state holds %s in its place", chain.LeafPrint().Short()))
	}
	return chain, nil
}
