package issue

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"
)

// errUnsaved marks a challenge that wants a value we have not saved as an
// intent; writing it could leave it in DNS for ever.
var errUnsaved = errors.New("its challenges are not those that were saved")

// mostTurns is more than an order has states; a CA that goes round in circles
// is left.
const mostTurns = 8

// pursue takes an order from wherever it stands to its chain.
func (s *session) pursue(ctx context.Context, w *state.Work) error {
	var m memory
	if err := json.Unmarshal(w.Data, &m); err != nil || m.Order == "" {
		return lost(fmt.Errorf("the saved order is unreadable"))
	}
	o, authzs, known := s.client.recall(m.Order)
	if !known {
		var err error
		if o, _, err = s.getOrder(ctx, m.Order); err != nil {
			if forgotten(err) {
				return lost(err)
			}
			return err
		}
	}
	// An order that others brought to its end was not refused to us now.
	ours := known
	for range mostTurns {
		if o.Finalize == "" {
			o.Finalize = m.Finalize
		}
		var err error
		switch o.Status {
		case acme.StatusPending:
			o, err = s.prove(ctx, w, o, authzs)
			authzs, ours = nil, true
		case acme.StatusReady:
			s.trip.job.judged()
			o, err = s.finalize(ctx, o)
			ours = true
		case acme.StatusProcessing:
			o, err = s.signed(ctx, o.Location, time.Time{})
		case acme.StatusValid:
			s.trip.job.judged()
			return s.download(ctx, w, o)
		case acme.StatusInvalid:
			return s.dead(ctx, o, ours)
		default:
			return fmt.Errorf("%s: the order %s has the unknown status %q", s.client.host, m.Order, o.Status)
		}
		if err != nil {
			return err
		}
	}
	return invalidf("%s: the order %s does not come to an end", s.client.host, m.Order)
}

// judged says that the values in DNS have done their service.
func (j Job) judged() {
	j.Ticket.Done()
	if j.Judged != nil {
		j.Judged()
	}
}

// getOrder reads an order afresh; after is its Retry-After.
func (s *session) getOrder(ctx context.Context, url string) (o *acme.Order, after time.Time, err error) {
	o = &acme.Order{}
	err = s.ask(ctx, "read the order", func(ctx context.Context) (err error) {
		*o, err = s.dir.client.GetOrder(ctx, s.account, acme.Order{Location: url})
		after = exchangeOf(ctx).after
		return err
	})
	o.Location = url
	return o, after, err
}

// proof is what one order still has to prove.
type proof struct {
	open  int                           // authorizations
	turns [][]providers.Value           // what can be in DNS at a time
	of    map[string]acme.Authorization // by value; answered ones are taken out
}

// proof reads what is still pending.
func (s *session) proof(ctx context.Context, w *state.Work, o *acme.Order, authzs []acme.Authorization) (*proof, error) {
	if authzs == nil {
		var err error
		if authzs, err = s.authorizations(ctx, o.Authorizations); err != nil {
			if forgotten(err) {
				return nil, lost(err)
			}
			return nil, err
		}
	}
	p := &proof{of: map[string]acme.Authorization{}}
	var values []providers.Value
	for _, z := range authzs {
		if z.Status == acme.StatusValid {
			continue
		}
		if z.Status != acme.StatusPending {
			return nil, s.dead(ctx, o, false)
		}
		ch, err := dns01(z)
		if err != nil {
			return nil, err
		}
		mine := saved(w.Values, ch.DNS01KeyAuthorization())
		if len(mine) == 0 {
			return nil, lost(fmt.Errorf("%s: order %s: %w", s.client.host, o.Location, errUnsaved))
		}
		p.of[ch.DNS01KeyAuthorization()] = z
		p.open++
		values = append(values, mine...)
	}
	p.turns = s.d.Zones.Turns(ctx, values)
	return p, nil
}

// prove puts the values of what is still pending into DNS, tells the CA, and
// waits until it has judged.
func (s *session) prove(ctx context.Context, w *state.Work, o *acme.Order, authzs []acme.Authorization) (*acme.Order, error) {
	p, err := s.proof(ctx, w, o, authzs)
	if err != nil {
		return o, err
	}
	var after time.Time
	for i, turn := range p.turns {
		// The ticket stays open until the CA has judged: it protects the values
		// from another certificate's clean-up.
		if err := s.present(ctx, turn); err != nil {
			return o, err
		}
		after, err = s.take(ctx, p, turn, i == len(p.turns)-1)
		if errors.Is(err, errDeadline) {
			return o, s.stuck(ctx, o)
		}
		if err != nil {
			// The CA may have gone on without us: its order tells.
			now, _, err2 := s.getOrder(ctx, o.Location)
			if err2 != nil && forgotten(err2) {
				return o, lost(err2)
			}
			if err2 != nil || now.Status == acme.StatusPending {
				return o, err
			}
			return now, nil
		}
	}
	began := time.Now()
	o, err = s.settle(ctx, o.Location, after, &s.client.judging, func(o *acme.Order) bool { return o.Status != acme.StatusPending })
	if errors.Is(err, errDeadline) {
		return o, s.stuck(ctx, o)
	}
	if err == nil && o.Status != acme.StatusInvalid {
		s.say(event.Event{Kind: event.Validated, N: p.open, Took: time.Since(began)})
	}
	return o, err
}

func (s *session) present(ctx context.Context, values []providers.Value) error {
	began := time.Now()
	if err := s.d.Zones.Present(ctx, s.trip.job.Ticket, values); err != nil {
		return err
	}
	s.say(event.Event{Kind: event.Propagated, N: len(values), Took: time.Since(began)})
	return nil
}

// take answers the challenges whose values are in DNS, and makes room for those
// that have none beside them. after is the CA's Retry-After.
func (s *session) take(ctx context.Context, p *proof, values []providers.Value, last bool) (after time.Time, err error) {
	var now []acme.Authorization
	for _, v := range values {
		if z, ok := p.of[v.Text]; ok {
			delete(p.of, v.Text) // a zone of two providers has each value twice
			now = append(now, z)
		}
	}
	if after, err = s.answer(ctx, now); err == nil && !last {
		err = s.yield(ctx, now, after, values)
	}
	return after, err
}

// yield waits until the CA has judged some authorizations, and takes their
// values out of DNS, where the next ones have no room beside them.
func (s *session) yield(ctx context.Context, authzs []acme.Authorization, after time.Time, values []providers.Value) error {
	urls := make([]string, len(authzs))
	for i, z := range authzs {
		urls[i] = z.Location
	}
	deadline := time.Now().Add(s.d.Deadline)
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		if err := s.pause(ctx, pause, after, "authorizations"); err != nil {
			return err
		}
		now, err := s.authorizations(ctx, urls)
		if err != nil {
			return err
		}
		pending := slices.ContainsFunc(now, func(z acme.Authorization) bool { return z.Status == acme.StatusPending })
		if !pending && slices.ContainsFunc(now, func(z acme.Authorization) bool { return z.Status != acme.StatusValid }) {
			return errors.New("the CA refused the first of its names") // its order says more
		}
		if !pending {
			break
		}
		if !time.Now().Before(deadline) {
			return errDeadline
		}
	}
	if left := s.d.Zones.Clean(ctx, values); len(left) > 0 {
		return left[0].Err
	}
	return nil
}

// saved are the intents with this text.
func saved(values []state.Value, text string) []providers.Value {
	var out []providers.Value
	for _, v := range values {
		if v.Value == text {
			out = append(out, providers.Value{Zone: v.Zone, Name: v.Name, Text: v.Value, Provider: v.Provider})
		}
	}
	return out
}

// answer tells the CA that the challenges are ready (RFC 8555, section 7.5.1).
// after is the latest Retry-After of its replies.
func (s *session) answer(ctx context.Context, authzs []acme.Authorization) (after time.Time, err error) {
	times := make([]time.Time, len(authzs))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range authzs {
		g.Go(func() (err error) {
			times[i], err = s.initiate(ctx, &authzs[i])
			return err
		})
	}
	err = g.Wait()
	for _, t := range times {
		if t.After(after) {
			after = t
		}
	}
	return after, err
}

func (s *session) initiate(ctx context.Context, z *acme.Authorization) (after time.Time, err error) {
	ch, err := dns01(*z)
	if err != nil || ch.Status != acme.StatusPending && ch.Status != "" {
		return after, err
	}
	err = s.ask(ctx, "answer the challenge of "+authzName(*z).Value, func(ctx context.Context) error {
		_, err := s.dir.client.InitiateChallenge(ctx, s.account, ch)
		after = exchangeOf(ctx).after
		return err
	})
	return after, err
}

// errDeadline is returned by settle.
var errDeadline = errors.New("the CA takes too long")

const (
	firstPoll = 25 * time.Millisecond
	lastPoll  = 5 * time.Second
)

// settle polls the order until done says so. One order stands for all its
// authorizations, however many names it has. The CA's Retry-After is kept,
// otherwise the pauses grow from how long the CA was seen to need the last time.
func (s *session) settle(ctx context.Context, url string, after time.Time, usual *atomic.Int64, done func(*acme.Order) bool) (*acme.Order, error) {
	began := time.Now()
	deadline := began.Add(s.d.Deadline)
	pause := min(max(time.Duration(usual.Load()), firstPoll), lastPoll)
	// A CA that was done by the first look may be quicker still.
	early := pause * 3 / 4
	for {
		if err := s.pause(ctx, pause, after, "the order"); err != nil {
			return &acme.Order{Location: url}, err
		}
		asked := time.Since(began)
		o, a, err := s.getOrder(ctx, url)
		if err != nil {
			if forgotten(err) {
				err = lost(err)
			}
			return o, err
		}
		if done(o) {
			usual.Store(int64(early))
			return o, nil
		}
		early = asked
		if !time.Now().Before(deadline) {
			return o, errDeadline
		}
		after, pause = a, min(2*pause, lastPoll)
	}
}

// pause is the time between two looks at something of the CA's: d, or until its
// Retry-After, if that is not longer than anybody would wait.
func (s *session) pause(ctx context.Context, d time.Duration, after time.Time, what string) error {
	next := time.Now().Add(d)
	if after.After(next) {
		next = after
	}
	if d = time.Until(next); d > s.d.Patience {
		return world.At(fmt.Errorf("%s: the CA wants to be asked for %s again at %s", s.client.host, what, next.UTC().Format(time.RFC3339)), next)
	}
	if err := sleep(ctx, d); err != nil {
		return fmt.Errorf("%s: read %s: %w", s.client.host, what, err)
	}
	return nil
}

// signed polls until the CA has signed, or will not.
func (s *session) signed(ctx context.Context, url string, after time.Time) (*acme.Order, error) {
	o, err := s.settle(ctx, url, after, &s.client.signing, func(o *acme.Order) bool { return o.Status != acme.StatusProcessing })
	if errors.Is(err, errDeadline) {
		err = fmt.Errorf("%s: the CA has not signed the order %s after %s", s.client.host, url, s.d.Deadline)
	}
	return o, err
}

// stuck gives up an order whose validation never ends. What is pending is
// deactivated, since the CA could hand the same order back next time.
func (s *session) stuck(ctx context.Context, o *acme.Order) error {
	var names []string
	authzs, err := s.authorizations(ctx, o.Authorizations)
	if err != nil {
		return err
	}
	for _, z := range authzs {
		if z.Status != acme.StatusPending {
			continue
		}
		names = append(names, authzName(z).Value)
		// It is as good as dead already; whether this works changes nothing.
		_ = s.ask(ctx, "deactivate authorization", func(ctx context.Context) error {
			_, err := s.dir.client.DeactivateAuthorization(ctx, s.account, z.Location)
			return err
		})
	}
	return invalidf("%s: %s: the CA has not judged the challenge after %s", s.client.host, strings.Join(names, ", "), s.d.Deadline)
}

// dead says why the CA refused an order, name by name. judged is false when
// the order ended while nobody looked; then it is only lost.
func (s *session) dead(ctx context.Context, o *acme.Order, judged bool) error {
	var why []string
	var hints []string
	never := false
	blame := func(p acme.Problem) {
		never = never || pointless(p)
		if a := advice(p); a != "" && !slices.Contains(hints, a) {
			hints = append(hints, a)
		}
	}
	var chain error
	authzs, _ := s.authorizations(ctx, o.Authorizations)
	for _, z := range authzs {
		for _, ch := range z.Challenges {
			if ch.Error != nil {
				why = append(why, authzName(z).Value+": "+problemText(*ch.Error))
				blame(*ch.Error)
				chain = errors.Join(chain, *ch.Error)
			}
		}
	}
	if o.Error != nil {
		blame(*o.Error)
		if text := problemText(*o.Error); len(why) == 0 {
			why = append(why, text)
		}
		chain = errors.Join(chain, *o.Error)
	}
	if len(why) == 0 {
		return lost(fmt.Errorf("%s: the order %s has ended", s.client.host, o.Location))
	}
	var err error = &refusal{what: s.client.host + ": the CA refused", err: &texted{strings.Join(why, "; "), chain}}
	if len(hints) > 0 || never {
		err = &world.Fault{Err: err, Never: never, Advice: strings.Join(hints, "; ")}
	}
	if judged {
		return invalid(err)
	}
	return lost(err)
}

// texted shows a text for a chain that says more.
type texted struct {
	text string
	err  error
}

func (t *texted) Error() string { return t.text }
func (t *texted) Unwrap() error { return t.err }

// finalize sends the CSR (RFC 8555, section 7.4). A lost reply is no loss: the
// order tells how far it came.
func (s *session) finalize(ctx context.Context, o *acme.Order) (*acme.Order, error) {
	var csr []byte
	var err error
	// No common name: CAs take the first name, or none (RFC 8555 needs none).
	world.Aside(func() {
		csr, err = x509.CreateCertificateRequest(rand.Reader,
			&x509.CertificateRequest{DNSNames: cert.Values(s.trip.job.Names)}, s.trip.job.Key.Signer())
	})
	if err != nil {
		return o, fmt.Errorf("make the request for the certificate: %w", err)
	}
	got := &acme.Order{}
	var after time.Time
	err = s.ask(ctx, "finalize the order", func(ctx context.Context) error {
		var err error
		*got, err = s.dir.client.FinalizeOrder(ctx, s.account, acme.Order{Location: o.Location, Finalize: o.Finalize}, csr)
		after = exchangeOf(ctx).after
		if got.Status != "" {
			// The error only says that the order is not at its end.
			return nil
		}
		return err
	})
	if err == nil {
		s.finalized = true
		got.Location = o.Location
		if got.Status == acme.StatusProcessing {
			return s.signed(ctx, o.Location, after)
		}
		return got, nil
	}
	now, _, err2 := s.getOrder(ctx, o.Location)
	switch {
	case err2 != nil && forgotten(err2):
		return o, lost(err2)
	case err2 != nil:
		return o, err
	case now.Status == acme.StatusInvalid:
		return o, invalid(err)
	case now.Status == acme.StatusProcessing, now.Status == acme.StatusValid:
		return now, nil
	}
	return o, err
}
