package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// Kept is one entry below keys/ or bundles/, as Unreferenced judges it.
type Kept struct {
	Key    string           // of the store
	Stored time.Time        // when it was written, by its writer's clock; zero if unknown
	SPKI   cert.Fingerprint // a bundle's: the key that belongs to it
}

// Unreferenced finds the keys and bundles that nothing names any more. named
// are the fingerprints that all other entries of the store name; a bundle that
// stays keeps its key. It is pure.
func Unreferenced(named map[cert.Fingerprint]bool, keys, bundles []Kept) []Kept {
	var out []Kept
	with := map[cert.Fingerprint]bool{}
	for _, b := range bundles {
		if named[fingerprint(b.Key, Bundles)] {
			with[b.SPKI] = true
		} else {
			out = append(out, b)
		}
	}
	for _, k := range keys {
		if f := fingerprint(k.Key, Keys); !named[f] && !with[f] {
			out = append(out, k)
		}
	}
	return out
}

func fingerprint(key, prefix string) cert.Fingerprint {
	return cert.Fingerprint(strings.TrimPrefix(key, prefix))
}

// How long an entry must have been unreferenced, or old, before it goes.
const (
	watched = time.Hour
	old     = 7 * 24 * time.Hour
)

// Sweeper removes the keys and bundles that nothing names any more. Its zero
// value is ready; it is for one goroutine at a time.
//
// A key is written before the record that names it, so an entry that nothing
// names may be on its way to being named by another runner. What is named once
// and then dropped cannot come back: the record that dropped it was replaced
// by compare-and-swap. So only young entries are in danger, and an entry goes
// only if this Sweeper has watched it unreferenced for an hour of its own
// monotonic clock (a daemon, which sweeps every hour), or if it was written a
// week ago (a run that ends before it has watched anything). A runner has no
// more than 45 seconds between the two writes before it must prove again that
// it is alive; the week is so long that no clock of another machine matters.
//
// What names an entry is found by reading every other entry of the store for
// fingerprints, also those of a newer program: it is better to keep too much.
type Sweeper struct {
	seen map[string]time.Time // first look that found it unreferenced
}

// Sweep takes one look and removes what is ripe; it returns how many entries.
// It may be called at any time, by several processes at once, as often as one
// likes. An entry that cannot be read ends it before anything is removed.
func (w *Sweeper) Sweep(ctx context.Context, s Store) (removed int, err error) {
	// What may go is listed before what names it, so that whatever was being
	// written meanwhile counts as named.
	keys, err := kept(ctx, s, Keys)
	if err != nil {
		return 0, err
	}
	bundles, err := kept(ctx, s, Bundles)
	if err != nil {
		return 0, err
	}
	named, err := names(ctx, s)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	seen := map[string]time.Time{}
	for _, k := range Unreferenced(named, keys, bundles) {
		since, again := w.seen[k.Key]
		if !again {
			since = now
		}
		if now.Sub(since) < watched && (k.Stored.IsZero() || now.Sub(k.Stored) < old) {
			seen[k.Key] = since
			continue
		}
		if err := s.Delete(ctx, k.Key); err != nil {
			return removed, fmt.Errorf("sweep: %w", err)
		}
		removed++
	}
	w.seen = seen
	return removed, nil
}

// kept lists the entries below prefix.
func kept(ctx context.Context, s Store, prefix string) ([]Kept, error) {
	var out []Kept
	for e, err := range s.List(ctx, Query{Prefix: prefix}) {
		if err != nil {
			return nil, fmt.Errorf("sweep: %w", err)
		}
		var entry struct {
			Stored time.Time        `json:"stored"`
			SPKI   cert.Fingerprint `json:"spki"`
		}
		if err := json.Unmarshal(e.Data, &entry); err != nil {
			return nil, fmt.Errorf("sweep: %s is damaged: %w", e.Key, err)
		}
		out = append(out, Kept{Key: e.Key, Stored: entry.Stored, SPKI: entry.SPKI})
	}
	return out, nil
}

// names collects the fingerprints in all entries that are neither keys nor
// bundles.
func names(ctx context.Context, s Store) (map[cert.Fingerprint]bool, error) {
	out := map[cert.Fingerprint]bool{}
	for e, err := range s.List(ctx, Query{}) {
		if err != nil {
			return nil, fmt.Errorf("sweep: %w", err)
		}
		if !strings.HasPrefix(e.Key, Keys) && !strings.HasPrefix(e.Key, Bundles) {
			collect(out, e.Data)
		}
	}
	return out, nil
}

// collect adds every run of exactly 64 lower-case hex digits of data.
func collect(into map[cert.Fingerprint]bool, data []byte) {
	const size = 64
	begin := 0
	for i := 0; i <= len(data); i++ {
		if i < len(data) && (data[i] >= '0' && data[i] <= '9' || data[i] >= 'a' && data[i] <= 'f') {
			continue
		}
		if i-begin == size {
			into[cert.Fingerprint(data[begin:i])] = true
		}
		begin = i + 1
	}
}
