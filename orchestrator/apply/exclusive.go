package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// Exclusive gets a lock across all runners of the state, for hosts that can
// only replace a whole set and not compare: two writers at once would lose a
// value. The lock names its runner, so that one of a dead runner is taken
// over by the same rule as its certificates. It waits until ctx ends.
func (r *Runner) Exclusive(ctx context.Context, key string) (release func(), err error) {
	name := state.Key(state.Locks, key)
	data, err := json.Marshal(r.id)
	if err != nil {
		return nil, err
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		e, err := r.store.Get(ctx, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("lock %s: %w", key, err)
		}
		free := err != nil || string(e.Data) == freed
		if !free {
			var owner string
			if err := json.Unmarshal(e.Data, &owner); err != nil {
				return nil, fmt.Errorf("lock %s: its entry is damaged: %w", key, err)
			}
			alive, _, err := r.Alive(ctx, owner)
			if err != nil {
				return nil, fmt.Errorf("lock %s: look for its owner: %w", key, err)
			}
			free = !alive || owner == r.id
		}
		if free {
			rev, err := r.store.Put(ctx, state.Entry{Key: name, Data: data, Rev: e.Rev})
			if err == nil {
				return func() { r.unlock(context.WithoutCancel(ctx), name, rev) }, nil
			}
			if !errors.Is(err, state.ErrConflict) {
				return nil, fmt.Errorf("lock %s: %w", key, err)
			}
			continue
		}
		if err := sleep(ctx, nil, pause); err != nil {
			return nil, fmt.Errorf("lock %s: %w", key, err)
		}
	}
}

// freed is the data of a lock that nobody holds. The entry stays: a key that
// is written again must not be deleted.
const freed = `""`

// unlock frees the lock; one that somebody took over is left alone.
func (r *Runner) unlock(ctx context.Context, name string, rev state.Revision) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// One that is not freed costs the others a minute at most.
	_, _ = r.store.Put(ctx, state.Entry{Key: name, Data: []byte(freed), Rev: rev})
}
