package issue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
)

// client speaks to one CA for one account. It is shared by all issuers of that
// account, and everything in it is fetched once.
type client struct {
	url, host, agent string
	gate             *gate

	dir  flight[directory]
	acct flight[acme.Account]

	// How long the CA needed last time to judge a challenge, and to sign.
	judging, signing atomic.Int64

	mu    sync.Mutex
	fresh map[string]seenOrder
	swept time.Time // when what is not fresh any more was dropped last
}

// seenOrder is an order that this process saw a moment ago with its
// authorizations, so that the next step need not ask again.
type seenOrder struct {
	order  *acme.Order
	authzs []acme.Authorization
	at     time.Time
}

func newClient(url, host, agent string, g *gate) *client {
	return &client{url: url, host: host, agent: agent, gate: g,
		dir: newFlight[directory](), acct: newFlight[acme.Account](), fresh: map[string]seenOrder{}}
}

// directory is what the CA offers (RFC 8555, section 7.1.1), and the step-wise
// client that was made of it.
type directory struct {
	acme.Directory
	client *acme.Client
	at     time.Time
}

// identities are the names by which CAA records know the CA, as it says itself.
func (d directory) identities() []string {
	if d.Meta == nil {
		return nil
	}
	return d.Meta.CAAIdentities
}

// directoryLife is how long a directory is believed; a daemon outlives many.
const directoryLife = 12 * time.Hour

// directory fetches the CA's directory, or waits for who does.
func (c *client) directory(ctx context.Context, t *trip) (directory, error) {
	young := func(d directory) bool { return time.Since(d.at) < directoryLife }
	return c.dir.get(ctx, t, young, func(ctx context.Context) (directory, error) {
		var dir acme.Directory
		err := c.ask(ctx, t, "read the directory", func(ctx context.Context) error {
			return c.getJSON(ctx, c.url, &dir)
		})
		if err != nil {
			return directory{}, err
		}
		if dir.NewNonce == "" || dir.NewAccount == "" || dir.NewOrder == "" {
			return directory{}, world.Hint(fmt.Errorf("%s: %s is not an ACME directory", c.host, c.url),
				"the directory URL of the issuer must answer with newNonce, newAccount and newOrder")
		}
		return directory{dir, c.stepwise(dir), time.Now()}, nil
	})
}

// stepwise makes the acme.Client of a directory. That package caches
// directories process-wide under one lock, which a slow CA would hold against
// all others; and with renewalInfo it would fetch that, with pauses, for each
// chain. So it gets a name of its own for the directory, an answer that costs
// nothing, and no renewalInfo.
func (c *client) stepwise(dir acme.Directory) *acme.Client {
	dir.RenewalInfo = ""
	// Strings and maps of strings cannot fail to encode.
	body, _ := json.Marshal(dir)
	name := "memory:" + rand.Text()
	return &acme.Client{
		Directory:  name,
		HTTPClient: &http.Client{Transport: remembered{name, body, c.gate}},
		UserAgent:  c.agent,
		// Negative: FinalizeOrder returns after its one request.
		PollTimeout: -1,
	}
}

// remembered answers for the directory and passes on everything else.
type remembered struct {
	name string
	body []byte
	next http.RoundTripper
}

func (r remembered) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.String() != r.name {
		return r.next.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(r.body)),
		ContentLength: int64(len(r.body)), Request: req,
	}, nil
}

// getJSON reads a resource that needs no signature.
func (c *client) getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", c.agent)
	resp, err := (&http.Client{Transport: c.gate}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p acme.Problem
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(body, &p) == nil {
			return p
		}
		return fmt.Errorf("HTTP %d: %s", resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the answer is not what was asked for: %w", err)
	}
	return nil
}

const (
	mostNonces = 12          // each stands for ten tries of acme.Client
	mostFaults = 5           // tries of a request that gets no usable answer
	mostTrying = time.Minute // no new try after this
	faultPause = time.Second / 2
)

// ask does one request, given as f, until it has an answer. Rejected nonces
// are repeated beyond the tries of acme.Client; a server fault or a lost
// connection is repeated a few times; a Retry-After is waited for while the
// trip has patience. Everything else is the answer. The error is a world.Fault
// with the CA's problem document in its chain.
func (c *client) ask(ctx context.Context, t *trip, what string, f func(context.Context) error) error {
	what = c.host + ": " + what
	begun := time.Now()
	nonces, faults := 0, 0
	for {
		x := &exchange{trip: t}
		err := c.gate.enter(ctx, x)
		if err == nil {
			world.Aside(func() { err = f(context.WithValue(ctx, exchangeKey{}, x)) })
		}
		c.gate.leave(x)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		var held *heldError
		p, isProblem := problemOf(err)
		pause := time.Duration(0)
		switch {
		case errors.As(err, &held):
			return fault(what, x, err)
		case isProblem && p.Type == acme.ProblemTypeBadNonce && nonces < mostNonces:
			nonces++
		case isProblem && paused(p):
			return fault(what, x, err)
		case x.status == http.StatusTooManyRequests || x.status == http.StatusServiceUnavailable && !x.after.IsZero():
			if !x.after.After(time.Now()) {
				if faults++; faults >= mostFaults {
					return fault(what, x, err)
				}
				pause = faultPause << faults
				break
			}
			if t.wait(ctx, x.after, askedLater) != nil {
				return fault(what, x, err)
			}
		case untrusted(err) || noSuchHost(err):
			// Asked again a second later, neither will have changed.
			return fault(what, x, err)
		case x.status == 0 || x.status >= 500:
			if faults++; faults >= mostFaults || time.Since(begun) > mostTrying {
				return fault(what, x, err)
			}
			pause = max(faultPause<<(faults-1), time.Until(x.after))
		default:
			return fault(what, x, err)
		}
		if pause > 0 && t.wait(ctx, time.Now().Add(pause), "no usable answer from the CA, asking again") != nil {
			return fault(what, x, err)
		}
	}
}

// keep remembers an order for the step that follows.
func (c *client) keep(o *acme.Order, authzs []acme.Authorization) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.swept) > freshness {
		maps.DeleteFunc(c.fresh, func(_ string, s seenOrder) bool { return now.Sub(s.at) > freshness })
		c.swept = now
	}
	c.fresh[o.Location] = seenOrder{o, authzs, time.Now()}
}

// freshness is how long what was seen of an order may stand for asking again.
const freshness = time.Minute

// recall gives back what keep remembered, once.
func (c *client) recall(url string) (o *acme.Order, authzs []acme.Authorization, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.fresh[url]
	delete(c.fresh, url)
	return s.order, s.authzs, ok && time.Since(s.at) < freshness
}

// flight lets the first of many callers fetch what all of them need. A failure
// is shared by those who waited for it; who comes later tries again. It is a
// channel and not a mutex, because what is waited for is the network.
type flight[T any] struct {
	turn   chan struct{}
	value  T
	have   bool
	err    error
	failed time.Time
}

func newFlight[T any]() flight[T] { return flight[T]{turn: make(chan struct{}, 1)} }

func (f *flight[T]) get(ctx context.Context, t *trip, good func(T) bool, fetch func(context.Context) (T, error)) (T, error) {
	var zero T
	came := time.Now()
	select {
	case f.turn <- struct{}{}:
	default:
		err := t.aside(func() error {
			select {
			case f.turn <- struct{}{}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err != nil {
			return zero, err
		}
	}
	defer func() { <-f.turn }()
	if f.have && good(f.value) {
		return f.value, nil
	}
	if f.err != nil && !f.failed.Before(came) {
		return zero, f.err
	}
	v, err := fetch(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.err, f.failed = err, time.Now()
		}
		return zero, err
	}
	f.value, f.have, f.err = v, true, nil
	return v, nil
}
