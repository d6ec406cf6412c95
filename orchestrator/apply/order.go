package apply

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// ordersPerRun is how many orders of one certificate may be lost in one run
// before it is left to the next.
const ordersPerRun = 3

// issue brings the record from wanted to issued: by the issuer that has the
// order under way, by the first, or by a fallback where the rule allows one. On
// success the new bundle is stored, is live in the record in memory, and its
// TXT values are owed there; deliver saves that with its first intents.
func (e *Engine) issue(ctx context.Context, j *journal, want *plan.Want, order *plan.Step, say event.Listener) (*cert.Bundle, error) {
	var errs []error
	wait := &waiting{}
	for _, i := range turns(want, j.rec.Work) {
		wanted := &want.Issuers[i]
		if !e.mayAsk(j, want, i, wait) {
			continue
		}
		issuer, ok := e.Issuers[wanted.Address]
		if !ok {
			return nil, fmt.Errorf("issuer %s is not open", wanted.Address)
		}
		if i > 0 && (j.rec.Work == nil || j.rec.Work.Account != wanted.Account) {
			fellBack(say, wanted, errs)
		}
		b, err := e.orderFrom(ctx, j, want, order, wanted, issuer, i > 0, say)
		if err == nil {
			j.rec.Issuing = nil
			return b, nil
		}
		err = fmt.Errorf("%s: %w", wanted.Address, err)
		errs = append(errs, err)
		var held *heldError
		if errors.As(err, &held) || errors.Is(err, errStopped) || errors.Is(err, state.ErrConflict) || ctx.Err() != nil {
			break
		}
		j.failed(want, wanted.Address, err)
	}
	if len(errs) == 0 {
		return nil, wait.err()
	}
	return nil, errors.Join(errs...)
}

func fellBack(say event.Listener, issuer *plan.Issuer, errs []error) {
	say(event.Event{Kind: event.FellBack, Issuer: issuer.Address, Err: errors.Join(errs...)})
}

// waiting is why no issuer may be asked.
type waiting struct {
	until  time.Time // the first of their Retry-Afters, zero if nobody gave one
	issuer string    // whose it is
	said   string    // with it
}

func (w *waiting) err() error {
	if w.until.IsZero() {
		return errors.New("its issuers are left alone for a while, after failures")
	}
	return world.At(fmt.Errorf("%s is not asked again before %s, as it was told to wait when it failed: %s",
		w.issuer, w.until.UTC().Format("2006-01-02 15:04:05 MST"), w.said), w.until)
}

// mayAsk reports whether the i-th issuer may be asked now, and notes for how
// long it may not.
func (e *Engine) mayAsk(j *journal, want *plan.Want, i int, w *waiting) bool {
	now := time.Now()
	if !plan.MayAsk(*want, j.rec, i, now) {
		return false
	}
	t := plan.Failures(*want, j.rec, want.Issuers[i].Address)
	if t == nil {
		return true
	}
	if t.Asked.After(now) {
		if w.until.IsZero() || t.Asked.Before(w.until) {
			w.until, w.issuer, w.said = t.Asked, want.Issuers[i].Address, t.Why
		}
		return false
	}
	return !e.Patient || !t.Next.After(now)
}

// turns is the order in which issuers are asked: who has the order under way
// goes on with it, then as listed.
func turns(want *plan.Want, w *state.Work) []int {
	var out []int
	for i, issuer := range want.Issuers {
		if w != nil && w.Account == issuer.Account {
			out = slices.Insert(out, 0, i)
		} else {
			out = append(out, i)
		}
	}
	return out
}

// failed counts a failure to issue. A pause takes at most a quarter of the life
// that is left, so that a certificate of a day outlives a morning without its
// CA; only the CA's own Retry-After is longer.
func (j *journal) failed(want *plan.Want, issuer string, err error) {
	if j.rec.Issuing == nil {
		j.rec.Issuing = map[string]*state.Tries{}
	}
	at, _ := world.RetryAt(err)
	now := time.Now()
	t := state.Failed(plan.Failures(*want, j.rec, issuer), now, at, err.Error())
	t.Names, t.Asked = want.Sorted(), at
	if live := j.rec.Live; live != nil {
		most := max(live.NotAfter.Sub(now)/4, time.Minute)
		if last := now.Add(most); t.Next.After(last) {
			t.Next = last
		}
		if at.After(t.Next) {
			t.Next = at
		}
	}
	j.rec.Issuing[issuer] = t
}

// orderFrom orders at one issuer, making a lost order anew.
func (e *Engine) orderFrom(ctx context.Context, j *journal, want *plan.Want, order *plan.Step, wanted *plan.Issuer, issuer issue.Issuer, fallback bool, say event.Listener) (*cert.Bundle, error) {
	unlock, err := e.lock(ctx, issuer.Account()+"\x00"+strings.Join(want.Sorted(), " "), say)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var lost error
	for range ordersPerRun {
		found, err := e.find(ctx, want)
		if err != nil {
			return nil, err
		}
		if w := j.rec.Work; w == nil || w.Account != issuer.Account() {
			// An order under way is the CA's to judge.
			world.Aside(func() { err = e.allowed(ctx, want, wanted, issuer, found) })
			if err != nil {
				return nil, err
			}
			// Nor is one made whose values nobody could write.
			if err := e.Zones.Ready(ctx, serving(found)); err != nil {
				return nil, err
			}
		}
		key, err := e.claim(ctx, j, want, order, wanted, issuer, say)
		if err != nil {
			return nil, err
		}
		err = e.steps(ctx, j, want, issuer, key, found, fallback, say)
		switch {
		case err == nil:
			var b *cert.Bundle
			world.Aside(func() { b, err = e.issued(ctx, j, wanted, key, say) })
			return b, err
		case errors.Is(err, issue.ErrInvalid):
			// The CA has judged: another try at once would fail the same way.
			e.giveUp(j)
			return nil, err
		case errors.Is(err, issue.ErrLost):
			lost = err
			say(event.Event{Kind: event.GaveUp, Issuer: wanted.Address, Err: err})
			e.giveUp(j)
		default:
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d orders were lost one after the other: %w", ordersPerRun, lost)
}

// find says where the names' challenges are answered.
func (e *Engine) find(ctx context.Context, want *plan.Want) ([]providers.Found, error) {
	found := make([]providers.Found, 0, len(want.Names))
	for _, n := range want.Names {
		var f providers.Found
		var err error
		world.Aside(func() { f, err = e.Zones.Find(ctx, n) })
		if err != nil {
			return nil, fmt.Errorf("name %s: %w", n, err)
		}
		found = append(found, f)
	}
	return found, nil
}

// serving are the dns blocks that answer for names, each once.
func serving(found []providers.Found) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Providers...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// giveUp ends an order that is dead: its values become owed, in the same save
// that begins the next one.
func (e *Engine) giveUp(j *journal) {
	if j.rec.Work != nil {
		j.rec.Owe(j.rec.Work.Values...)
		j.rec.Work = nil
	}
	j.cleaned()
}

// cleaned waits for a removal that began before its order came to a bad end,
// and strikes what is gone; what is left is tried again, or named, later.
func (j *journal) cleaned() {
	_ = j.gone.wait(j.rec)
	j.gone = nil
}

// claim makes sure that the record holds work for this issuer and a key for
// it: the intent that is saved before the first outside effect.
func (e *Engine) claim(ctx context.Context, j *journal, want *plan.Want, order *plan.Step, wanted *plan.Issuer, issuer issue.Issuer, say event.Listener) (cert.Key, error) {
	names := want.Sorted()
	w := j.rec.Work
	if w != nil && w.Account == issuer.Account() && slices.Equal(w.Names, names) && w.KeyType == want.KeyType && w.Profile == want.Profile {
		key, err := seal.GetKey(ctx, e.Store, e.Seal, w.SPKI)
		if err == nil {
			if !j.mine {
				err = j.save(ctx)
			}
			return key, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return cert.Key{}, err
		}
		// A key that is gone makes the order worthless.
	}
	e.giveUp(j)
	var key cert.Key
	var err error
	world.Aside(func() { key, err = e.key(ctx, j, want) })
	if err != nil {
		return cert.Key{}, err
	}
	w = &state.Work{
		ID: strings.ToLower(rand.Text()[:12]), Phase: state.Claimed, Issuer: wanted.Address, Account: issuer.Account(),
		Names: names, KeyType: want.KeyType, Profile: want.Profile, SPKI: key.SPKI(), Why: order.Why,
		Begun: time.Now().UTC().Truncate(time.Second),
	}
	// RFC 9773, section 5: a certificate is replaced by one that shares a name.
	if live := j.rec.Live; live != nil && live.Account == w.Account && j.rec.NotReplaces != live.Leaf && shares(names, live.Names) {
		w.Replaces = live.Leaf
	}
	j.rec.Work = w
	if err := j.save(ctx); err != nil {
		return cert.Key{}, err
	}
	say(event.Event{Kind: event.Claimed, Issuer: wanted.Address})
	return key, nil
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(n string) bool { return slices.Contains(b, n) })
}

// key makes and stores a new private key, or takes the live one for a
// certificate that says reuse_key.
func (e *Engine) key(ctx context.Context, j *journal, want *plan.Want) (cert.Key, error) {
	if live := j.rec.Live; want.ReuseKey && live != nil && live.KeyType == want.KeyType {
		key, err := seal.GetKey(ctx, e.Store, e.Seal, live.SPKI)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
	}
	key, err := cert.GenerateKey(want.KeyType)
	if err != nil {
		return cert.Key{}, err
	}
	return key, seal.PutKey(ctx, e.Store, e.Seal, key)
}

// steps moves the work to Issued, saving after each step.
func (e *Engine) steps(ctx context.Context, j *journal, want *plan.Want, issuer issue.Issuer, key cert.Key, found []providers.Found, fallback bool, say event.Listener) error {
	ticket := e.Zones.Expect(found)
	defer ticket.Done()
	for j.rec.Work.Phase != state.Issued {
		if e.stopping() {
			return errStopped
		}
		old, err := e.replaced(ctx, j.rec.Work)
		if err != nil {
			return err
		}
		g, done, err := j.guard(ctx)
		if err != nil {
			return err
		}
		g, graced := e.graceful(g)
		var cleanErr error
		judged := func() {
			if j.gone == nil {
				j.gone, cleanErr = e.cleaning(ctx, j, append(slices.Clone(j.rec.Owed), j.rec.Work.Values...), say)
			}
		}
		err = issuer.Step(g, j.rec.Work, issue.Job{Names: want.Names, Key: key, Old: old, Ticket: ticket, Judged: judged, Say: say, Fallback: fallback})
		err = errors.Join(err, cleanErr)
		graced()
		done()
		switch {
		case err != nil && e.stopping() && errors.Is(context.Cause(g), errStopped):
			if !errors.Is(err, errStopped) {
				err = errors.Join(errStopped, err)
			}
			return err
		case errors.Is(err, issue.ErrRefusedReplaces) && j.rec.Work.Replaces != "":
			say(event.Event{Kind: event.Warned, Note: "the CA would not connect the order with the certificate it replaces; ordered without", Err: err})
			j.rec.NotReplaces, j.rec.Work.Replaces = j.rec.Work.Replaces, ""
		case errors.Is(err, ErrNotOwner) || (err != nil && errors.Is(context.Cause(g), ErrNotOwner)):
			// The process was stopped; guard decides whether it is still ours.
			continue
		case err != nil:
			return err
		}
		if j.rec.Work.Phase == state.Issued {
			return nil
		}
		if err := j.save(ctx); err != nil {
			return err
		}
	}
	return nil
}

// replaced reads the certificate that an order names as its predecessor.
func (e *Engine) replaced(ctx context.Context, w *state.Work) (*x509.Certificate, error) {
	if w.Replaces == "" {
		return nil, nil
	}
	chain, err := state.GetBundle(ctx, e.Store, w.Replaces)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return chain.Leaf(), nil
}

// issued stores the bundle and makes it live in the record in memory.
func (e *Engine) issued(ctx context.Context, j *journal, wanted *plan.Issuer, key cert.Key, say event.Listener) (*cert.Bundle, error) {
	w := j.rec.Work
	chain, err := cert.ParseChain(w.Chain)
	if err != nil {
		return nil, fmt.Errorf("the chain that the CA sent: %w", err)
	}
	b, err := cert.NewBundle(chain, key)
	if err != nil {
		return nil, fmt.Errorf("the chain that the CA sent: %w", err)
	}
	if err := state.PutBundle(ctx, e.Store, chain); err != nil {
		return nil, err
	}
	leaf := chain.Leaf()
	j.rec.Advance(state.Bundle{
		Leaf: b.Leaf(), Chain: chain.Fingerprint(), SPKI: key.SPKI(), Names: w.Names, KeyType: w.KeyType,
		Issuer: wanted.Address, Account: w.Account, Profile: w.Profile,
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), Serial: leaf.SerialNumber.Text(16),
	})
	j.rec.Owe(w.Values...)
	j.rec.Work, j.rec.NotReplaces = nil, ""
	say(event.Event{Kind: event.Issued, Issuer: wanted.Address, Leaf: string(b.Leaf()), NotAfter: leaf.NotAfter.UTC()})
	return b, nil
}

// afterFailedOrder takes the values of an order that does not go on out of
// DNS (the order itself is kept for the next run where it still lives), and
// saves the failure.
func (e *Engine) afterFailedOrder(ctx context.Context, j *journal, err error, say event.Listener) error {
	if ctx.Err() != nil || errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrReplaced) {
		return err
	}
	var held *heldError
	if errors.As(err, &held) {
		return err
	}
	j.cleaned()
	values := slices.Clone(j.rec.Owed)
	if j.rec.Work != nil {
		values = append(values, j.rec.Work.Values...)
	}
	cleaned, cleanErr := e.cleaning(ctx, j, values, say)
	if cleanErr != nil {
		return errors.Join(err, cleanErr)
	}
	owing := cleaned.wait(j.rec)
	return errors.Join(err, owing, j.finish(ctx))
}

func providerValues(values []state.Value) []providers.Value {
	out := make([]providers.Value, len(values))
	for i, v := range values {
		out[i] = providerValue(v)
	}
	return out
}

func providerValue(v state.Value) providers.Value {
	return providers.Value{Zone: v.Zone, Name: v.Name, Text: v.Value, Provider: v.Provider}
}
