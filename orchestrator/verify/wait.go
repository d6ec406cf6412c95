package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Wait looks at e until every address serves want's leaf or e.Within is over,
// with growing pauses; it looks at least once. The error names each address
// and what it serves instead. say (may be nil) hears Verifying when what is
// seen changes, and Verified at the end.
func Wait(ctx context.Context, w *world.World, e cert.Endpoint, want Expect, say event.Listener) (Seen, error) {
	if len(want.Chain) == 0 {
		return Seen{Endpoint: e}, fmt.Errorf("endpoint %s: there is no certificate to wait for", e.ID())
	}
	leaf := want.Chain.LeafPrint()
	began := time.Now()
	deadline := began.Add(e.Within)
	told := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		// A look that is under way at the end is given a second, not its own ten.
		look, cancel := context.WithTimeout(ctx, max(time.Until(deadline), time.Second))
		s := Look(look, w, e, want)
		cancel()
		ok, why := s.Serves(leaf)
		if ok {
			speak(say, event.Event{Kind: event.Verified, Place: e.ID(), N: len(s.Addresses), Took: time.Since(began), Leaf: string(leaf)})
			return s, nil
		}
		if err := context.Cause(ctx); err != nil {
			return s, fmt.Errorf("endpoint %s: %s: %w", e.ID(), why, err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return s, fmt.Errorf("endpoint %s: not served after %s: %s", e.ID(), e.Within, why)
		}
		if why != told {
			speak(say, event.Event{Kind: event.Verifying, Place: e.ID(), Note: why, Until: deadline})
			told = why
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return s, fmt.Errorf("endpoint %s: %s: %w", e.ID(), why, context.Cause(ctx))
		}
	}
}

func speak(say event.Listener, e event.Event) {
	if say != nil {
		say(e)
	}
}
