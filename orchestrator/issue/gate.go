package issue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// gate stands before every request to one CA. It bounds how many are in
// flight, keeps what the CA said about coming back later, and lets nobody
// through before that. Another CA has another gate.
type gate struct {
	next     http.RoundTripper
	slots    chan struct{}
	timeout  time.Duration // of one request and its answer
	patience time.Duration

	mu    sync.Mutex
	until time.Time
}

// bodyLimit is more than any answer of a CA: a chain has a few kilobytes.
const bodyLimit = 1 << 20

func newGate(c *http.Client, inFlight int, patience time.Duration) *gate {
	return &gate{next: c.Transport, timeout: c.Timeout, slots: make(chan struct{}, inFlight), patience: patience}
}

// Close lets go of the idle connections; World calls it.
func (g *gate) Close() error {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	return nil
}

// exchange is what one call and the gate tell each other. It travels in the
// context because acme.Client has no other place for it, and is used by one
// request at a time.
type exchange struct {
	trip     *trip
	oneChain bool // alternate chains are not wanted
	inside   bool // a slot of the gate is held

	status    int       // of the last answer, 0 if none came
	after     time.Time // its Retry-After, zero if it had none
	notBefore time.Time // acme.Client repeats on its own; not before this
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{trip: &trip{}}
}

// RoundTrip implements http.RoundTripper. The answer's body is read here, so
// that the time limit counts until its end. The slot stays with the exchange.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	x.status, x.after = 0, time.Time{}
	if x.inside && time.Until(g.later(x.notBefore)) > 0 {
		// acme.Client repeats by itself, and now is not the time.
		g.leave(x)
	}
	if !x.inside {
		if err := g.enter(req.Context(), x); err != nil {
			return nil, err
		}
	}

	ctx, cancel := req.Context(), context.CancelFunc(func() {})
	if g.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, g.timeout)
	}
	defer cancel()
	resp, err := g.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	resp.Body.Close()
	if err == nil {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	} else {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
	}
	resp.Request = req

	x.status, x.after = resp.StatusCode, retryAfter(resp.Header, time.Now())
	if x.status >= 400 && x.after.After(x.notBefore) {
		x.notBefore = x.after
	}
	if x.oneChain {
		dropAlternates(resp.Header)
	}
	g.learn(x, body)
	return resp, nil
}

// enter waits for the CA's Retry-After and then for a free slot. Callers enter
// before they ask acme.Client for anything: it takes a nonce before it sends,
// and there are only as many as there were answers.
func (g *gate) enter(ctx context.Context, x *exchange) error {
	for {
		if until := g.later(x.notBefore); time.Until(until) > 0 {
			if err := x.trip.wait(ctx, until, askedLater); err != nil {
				return err
			}
			continue
		}
		select {
		case g.slots <- struct{}{}:
			x.inside = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if time.Until(g.later(x.notBefore)) <= 0 {
			return nil
		}
		g.leave(x)
	}
}

// leave gives the slot back; without one it does nothing.
func (g *gate) leave(x *exchange) {
	if x.inside {
		x.inside = false
		<-g.slots
	}
}

// later is the later of t and the time before which nobody may pass.
func (g *gate) later(t time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.After(g.until) {
		return t
	}
	return g.until
}

// learn keeps a Retry-After that is meant for everybody. 503 is the CA's front
// door. A 429 may be about these names alone (an exact set of names, one
// registered domain), which is nobody else's business and can last for days;
// so it holds the others up only when it is not, and never for longer than
// somebody would wait anyway.
func (g *gate) learn(x *exchange, body []byte) {
	until := x.after
	if until.IsZero() {
		return
	}
	switch x.status {
	case http.StatusServiceUnavailable:
	case http.StatusTooManyRequests:
		var p acme.Problem
		if json.Unmarshal(body, &p) == nil && x.trip.concerns(p) {
			return
		}
		if most := time.Now().Add(g.patience); until.After(most) {
			until = most
		}
	default:
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.until) {
		g.until = until
	}
}

// longestRetryAfter is where a Retry-After stops being believed.
const longestRetryAfter = 30 * 24 * time.Hour

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3):
// seconds, or a date, which is taken relative to the server's own clock.
func retryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return time.Time{}
	}
	var d time.Duration
	if n, err := strconv.ParseInt(v, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		n = max(0, min(n, int64(longestRetryAfter/time.Second)))
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		theirs := now
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			theirs = date
		}
		d = max(0, min(at.Sub(theirs), longestRetryAfter))
	} else {
		return time.Time{}
	}
	return now.Add(d)
}

// dropAlternates removes the links to other chains, which acme.Client would
// follow all.
func dropAlternates(h http.Header) {
	kept := h["Link"][:0:0]
	for _, l := range h["Link"] {
		var parts []string
		for p := range strings.SplitSeq(l, ",") {
			if !strings.Contains(p, `rel="alternate"`) {
				parts = append(parts, p)
			}
		}
		if len(parts) > 0 {
			kept = append(kept, strings.Join(parts, ","))
		}
	}
	h["Link"] = kept
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// askedLater is why a trip waits for a Retry-After.
const askedLater = "the CA asked to come back later"

// heldError says that the CA wants nobody before a time that is too far off to
// be waited for here.
type heldError struct{ until time.Time }

func (e *heldError) Error() string {
	return fmt.Sprintf("the CA asks to be left alone until %s", e.until.UTC().Format(time.RFC3339))
}
