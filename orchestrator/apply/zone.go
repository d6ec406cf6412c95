package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/providers"
)

// saveZone writes zones/ZONE where it says something new.
func saveZone(ctx context.Context, store state.Store, zone string, l providers.Learnt) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	key := state.Key(state.Zones, zone)
	e, err := store.Get(ctx, key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if bytes.Equal(e.Data, data) {
		return nil
	}
	_, err = store.Put(ctx, state.Entry{Key: key, Data: data, Rev: e.Rev})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}
