package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
)

// Moment is when b should be renewed: a point in the CA's window (RFC 9773,
// section 4.2) that is always the same for this certificate, so that every
// runner computes the same instant and a fleet is spread; without a window at
// 2/3 of the life, or 1/2 where it is ten days or less.
func Moment(address string, b *state.Bundle, r *state.Renewal) (at time.Time, why string) {
	if r != nil && r.Leaf == b.Leaf && r.End.After(r.Start) {
		h := sha256.Sum256([]byte(address + "\x00" + string(b.Leaf)))
		share := float64(binary.BigEndian.Uint64(h[:8])>>11) / (1 << 53)
		return r.Start.Add(time.Duration(share * float64(r.End.Sub(r.Start)))), "the CA's renewal window"
	}
	life := b.NotAfter.Sub(b.NotBefore)
	if life <= 10*24*time.Hour {
		return b.NotBefore.Add(life / 2), "half of its life"
	}
	return b.NotBefore.Add(life / 3 * 2), "two thirds of its life"
}

// Deadline is when b has so little life left that any apply renews it: 1/5 of
// it or 24 hours. The day does not count for lives of two days or less, which
// would be past it from the first.
func Deadline(b *state.Bundle) time.Time {
	life := b.NotAfter.Sub(b.NotBefore)
	left := life / 5
	if left < 24*time.Hour && life > 48*time.Hour {
		left = 24 * time.Hour
	}
	return b.NotAfter.Add(-left)
}

// MayFallBack reports whether an issuer after the first may be asked: when
// little life is left, or nothing is live and the first has failed for 15
// minutes.
func MayFallBack(rec *state.Record, first string, now time.Time) bool {
	if rec == nil {
		return false
	}
	at := fallBackAt(rec, first)
	return !at.IsZero() && !now.Before(at)
}

// fallBackAt is from when on a fallback may be asked, zero if nothing has gone
// wrong yet.
func fallBackAt(rec *state.Record, first string) time.Time {
	if rec.Live != nil {
		return Deadline(rec.Live)
	}
	if t := rec.Issuing[first]; t != nil { // of other names, too: the CA may be down
		return t.First.Add(15 * time.Minute)
	}
	return time.Time{}
}

// Paused is until when no issuer of want may be asked, after failures, by who
// keeps the pauses; zero if one may be asked now. A fallback is nobody to wait
// for before its time, and has pauses of its own.
func Paused(want Want, rec *state.Record, now time.Time) time.Time {
	var first time.Time
	for i, issuer := range want.Issuers {
		if !MayAsk(want, rec, i, now) {
			continue
		}
		t := Failures(want, rec, issuer.Address)
		if t == nil || !t.Next.After(now) {
			return time.Time{}
		}
		if first.IsZero() || t.Next.Before(first) {
			first = t.Next
		}
	}
	if len(want.Issuers) > 1 {
		if at := fallBackAt(rec, want.Issuers[0].Address); at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Failures is the run of failures to issue want's names at an issuer, nil if
// there is none.
func Failures(want Want, rec *state.Record, issuer string) *state.Tries {
	t := rec.Issuing[issuer]
	if t == nil || t.Names != nil && !slices.Equal(t.Names, want.Sorted()) {
		return nil
	}
	return t
}

// Sorted is the names as texts, each once.
func (w Want) Sorted() []string {
	names := cert.Values(w.Names)
	slices.Sort(names)
	return slices.Compact(names)
}

// MayAsk reports whether the i-th issuer of want may be asked: the first may
// always, a fallback when its time has come or when it has the order under way.
func MayAsk(want Want, rec *state.Record, i int, now time.Time) bool {
	if i == 0 || rec.Work != nil && rec.Work.Account == want.Issuers[i].Account {
		return true
	}
	return MayFallBack(rec, want.Issuers[0].Address, now)
}
