package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
)

// upkeepKey is where a process that renews what is due says that it did, so
// that people see when nobody does.
var upkeepKey = state.Key("meta", "upkeep")

// upkeepEvery is how often a process that runs on says so.
const upkeepEvery = 10 * time.Minute

// upkeep is when renewals were last looked after, and by whom. It is for
// people: no clock of another machine is compared with.
type upkeep struct {
	At      time.Time `json:"at"`
	Command string    `json:"command"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
}

// noteUpkeep remembers that upkeep was done now. It may be called again and by
// several processes; the last one wins, and one that loses the race does not
// matter.
func (s *session) noteUpkeep(ctx context.Context, command string) {
	rev := state.Revision("")
	if e, err := s.store.Get(ctx, upkeepKey); err == nil {
		rev = e.Rev
	}
	data, err := json.Marshal(upkeep{At: time.Now().UTC().Truncate(time.Second), Command: command, Host: s.who.Host, PID: s.who.PID})
	if err == nil {
		_, err = s.store.Put(ctx, state.Entry{Key: upkeepKey, Data: data, Rev: rev})
	}
	if err != nil && !errors.Is(err, state.ErrConflict) && ctx.Err() == nil {
		s.say(event.Event{Kind: event.Warned, Note: "that upkeep was done could not be remembered", Err: err})
	}
}

// noteUpkeeps is noteUpkeep of a process that keeps doing it, until stop is
// closed or ctx ends.
func (s *session) noteUpkeeps(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		s.noteUpkeep(ctx, "run")
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lastUpkeep reads what noteUpkeep left; nil if there is nothing.
func (s *session) lastUpkeep(ctx context.Context) (*upkeep, error) {
	e, err := s.store.Get(ctx, upkeepKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var u upkeep
	if err := json.Unmarshal(e.Data, &u); err != nil {
		return nil, err
	}
	return &u, nil
}
