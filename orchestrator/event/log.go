package event

import (
	"context"
	"log/slog"
	"time"
)

// Level is how much an event should worry people.
func (k Kind) Level() slog.Level {
	switch k {
	case Failed, Ailing, ConfigRefused:
		return slog.LevelError
	case Warned, Owing, Retrying, GaveUp, FellBack, Skipped:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Log is a Listener that writes each event as one record of h: the sentence as
// its message, what the event is about as attributes. Put it behind Tee. What
// h cannot write is lost: a log must not stop the work.
func Log(h slog.Handler) Listener {
	return func(e Event) {
		level := e.Kind.Level()
		if !h.Enabled(context.Background(), level) {
			return
		}
		r := slog.NewRecord(e.Time, level, e.Words(time.UTC), 0)
		r.AddAttrs(slog.String("event", string(e.Kind)))
		for _, a := range []struct{ name, value string }{
			{"certificate", e.Certificate}, {"place", e.Place}, {"issuer", e.Issuer}, {"provider", e.Provider},
			{"zone", e.Zone}, {"leaf_sha256", e.Leaf},
		} {
			if a.value != "" {
				r.AddAttrs(slog.String(a.name, a.value))
			}
		}
		if e.N != 0 {
			r.AddAttrs(slog.Int("n", e.N))
		}
		if e.Took != 0 {
			r.AddAttrs(slog.Duration("took", e.Took))
		}
		if !e.Until.IsZero() {
			r.AddAttrs(slog.Time("until", e.Until.UTC()))
		}
		if !e.NotAfter.IsZero() {
			r.AddAttrs(slog.Time("not_after", e.NotAfter.UTC()))
		}
		// A handler's error has nowhere to go.
		_ = h.Handle(context.Background(), r)
	}
}
