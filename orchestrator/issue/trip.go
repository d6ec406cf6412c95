package issue

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/mholt/acmez/v3/acme"
)

// trip is one call's way through the gate. While it waits for a Retry-After
// its ticket is paused, so that no batch of DNS changes waits for it.
type trip struct {
	job      Job
	patience time.Duration // for all waits together

	mu      sync.Mutex
	waiting int
	waited  time.Duration
}

func (t *trip) say(e event.Event) {
	if t.job.Say != nil {
		t.job.Say(e)
	}
}

// wait sleeps until then, or returns a heldError at once if that is longer
// than the trip's patience. why is for people.
func (t *trip) wait(ctx context.Context, until time.Time, why string) error {
	d := time.Until(until)
	t.mu.Lock()
	if t.waited+d > t.patience {
		t.mu.Unlock()
		return &heldError{until}
	}
	t.waiting++
	first := t.waiting == 1
	if first {
		t.waited += d
		t.job.Ticket.Pause()
	}
	t.mu.Unlock()
	if first {
		t.say(event.Event{Kind: event.Waiting, Note: why, Until: until})
	}
	defer t.resume()
	return sleep(ctx, d)
}

// aside runs f, which waits for what others do, with the ticket paused.
func (t *trip) aside(f func() error) error {
	t.mu.Lock()
	t.waiting++
	if t.waiting == 1 {
		t.job.Ticket.Pause()
	}
	t.mu.Unlock()
	defer t.resume()
	return f()
}

func (t *trip) resume() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting--; t.waiting == 0 {
		t.job.Ticket.Resume()
	}
}

// concerns reports whether a rate limit is about the names of this trip alone,
// judged by the CA's words: it names one of them, a parent of one, or the
// exact set.
func (t *trip) concerns(p acme.Problem) bool {
	text := strings.ToLower(p.Detail)
	for _, s := range p.Subproblems {
		text += " " + strings.ToLower(s.Detail) + " " + strings.ToLower(s.Identifier.Value)
	}
	if strings.Contains(text, "exact set") {
		return true
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(` "'(),;:<>`, r) })
	return slices.ContainsFunc(t.job.Names, func(n cert.Name) bool {
		return slices.ContainsFunc(words, func(w string) bool {
			w = strings.TrimSuffix(strings.TrimPrefix(w, "*."), ".")
			return strings.Contains(w, ".") && (w == n.Base() || strings.HasSuffix(n.Base(), "."+w))
		})
	})
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
