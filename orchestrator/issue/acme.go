package issue

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/mholt/acmez/v3/acme"
)

// ACME is one issuer block of kind acme. It is pure data; nothing of it is
// secret.
type ACME struct {
	Address        string   // issuer.acme.letsencrypt
	Directory      string   // URL of the CA's directory (RFC 8555, 7.1.1)
	Email          string   // contact for the account, "" for none
	CAFile         string   // PEM roots for the CA's own HTTPS, "" for the system's
	EABKid         string   // external account binding (RFC 8555, 7.3.4), "" for none
	EABKey         string   // secret reference of its HMAC key; resolved only when an account is made
	CAA            []string // domain names of the CA in CAA records, by the configuration; nil: as the directory says
	CAADefault     []string // those of a known CA, for when no run has seen its directory yet
	PreferredChain string   // common name of the issuer that the chain should end under
}

// Answerer puts challenge values into DNS; *providers.Zones is one.
type Answerer interface {
	Find(ctx context.Context, name cert.Name) (providers.Found, error)
	Turns(ctx context.Context, values []providers.Value) [][]providers.Value
	Present(ctx context.Context, t *providers.Ticket, values []providers.Value) error
	Clean(ctx context.Context, values []providers.Value) []providers.Left
}

// Deps is what an ACME issuer works with.
type Deps struct {
	World *world.World
	Store state.Store // accounts
	Seal  seal.Seal   // account keys
	Zones Answerer

	UserAgent string        // certform/VERSION
	InFlight  int           // requests to one CA at a time, by all its issuers; 0: 50
	Patience  time.Duration // longest wait for a Retry-After inside one call; 0: 10 minutes
	Deadline  time.Duration // longest wait for the CA to validate, and to sign; 0: 5 minutes
}

const (
	defaultInFlight = 50
	defaultPatience = 10 * time.Minute
	defaultDeadline = 5 * time.Minute
)

// issuer is an ACME CA with one account. Issuers of one directory share its
// gate, those of one account share its client, both through World.
type issuer struct {
	cfg ACME
	d   Deps
}

// NewACME makes the Issuer of an issuer block. It opens nothing.
func NewACME(cfg ACME, d Deps) Issuer {
	if d.UserAgent == "" {
		d.UserAgent = "certform"
	}
	if d.InFlight <= 0 {
		d.InFlight = defaultInFlight
	}
	if d.Patience <= 0 {
		d.Patience = defaultPatience
	}
	if d.Deadline <= 0 {
		d.Deadline = defaultDeadline
	}
	return &issuer{cfg: cfg, d: d}
}

// Account names the directory and the EAB id.
func (a *issuer) Account() string {
	if a.cfg.EABKid == "" {
		return a.cfg.Directory
	}
	return a.cfg.Directory + " eab " + a.cfg.EABKid
}

// Greet reads the directory.
func (a *issuer) Greet(ctx context.Context) error {
	c, release, err := a.shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, err = c.directory(ctx, &trip{})
	return err
}

// Known reads the account's entry: an earlier run put there what the CA's
// directory says of itself.
func (a *issuer) Known(ctx context.Context) (Known, error) {
	out := Known{CAA: a.cfg.CAA}
	var e accountEntry
	if a.d.Store != nil {
		entry, err := a.d.Store.Get(ctx, AccountKey(a.cfg.Directory, a.cfg.EABKid))
		if err == nil {
			err = json.Unmarshal(entry.Data, &e)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, fmt.Errorf("read the account at %s: %w", a.host(), err)
		}
	}
	out.Account = e.URL
	if out.CAA == nil {
		out.CAA = e.CAA
	}
	if out.CAA == nil {
		out.CAA = a.cfg.CAADefault
	}
	return out, nil
}

// Step moves w one phase forward: Claimed makes the order and names the
// values, Ordered answers, finalizes and downloads.
func (a *issuer) Step(ctx context.Context, w *state.Work, job Job) error {
	t := &trip{job: job, patience: a.d.Patience}
	err := a.step(ctx, w, t)
	if err != nil && !errors.Is(err, ErrRefusedReplaces) {
		job.Ticket.Done()
	}
	return err
}

func (a *issuer) step(ctx context.Context, w *state.Work, t *trip) error {
	if have := t.job.Key.SPKI(); have != w.SPKI {
		return world.Never(fmt.Errorf("the work is for key %s, the key at hand is %s", w.SPKI.Short(), have.Short()))
	}
	s, release, err := a.open(ctx, t)
	if err != nil {
		return err
	}
	defer release()
	switch {
	case w.Phase == state.Claimed:
		return s.order(ctx, w)
	case w.Phase == state.Issued && len(w.Chain) > 0:
		return nil
	default:
		return s.pursue(ctx, w)
	}
}

// session is one call's use of the shared client.
type session struct {
	*issuer
	client  *client
	trip    *trip
	dir     directory
	account acme.Account

	finalized bool // by us, in this step
}

// open has the client, the CA's directory and the account, each fetched or
// made by the first who needs it.
func (a *issuer) open(ctx context.Context, t *trip) (*session, func(), error) {
	c, release, err := a.shared(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := &session{issuer: a, client: c, trip: t}
	s.dir, err = c.directory(ctx, t)
	if err == nil {
		s.account, err = c.account(ctx, s, "")
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}

// shared is the client of this directory and account, one in the process.
func (a *issuer) shared(ctx context.Context) (*client, func(), error) {
	gateKey := "acme gate\x00" + a.cfg.Directory + "\x00" + a.cfg.CAFile
	g, drop, err := world.Shared(ctx, a.d.World, gateKey, func(context.Context) (*gate, error) {
		h, err := a.d.World.Client(world.HTTP{CAFile: a.cfg.CAFile, UserAgent: a.d.UserAgent})
		if err != nil {
			return nil, err
		}
		return newGate(h, a.d.InFlight, a.d.Patience), nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", a.host(), err)
	}
	key := "acme client\x00" + a.cfg.Directory + "\x00" + a.cfg.EABKid + "\x00" + a.cfg.CAFile
	c, drop2, err := world.Shared(ctx, a.d.World, key, func(context.Context) (*client, error) {
		return newClient(a.cfg.Directory, a.host(), a.d.UserAgent, g), nil
	})
	if err != nil {
		drop()
		return nil, nil, err
	}
	return c, func() { drop2(); drop() }, nil
}

// host names the CA in errors.
func (a *issuer) host() string {
	if u, err := url.Parse(a.cfg.Directory); err == nil && u.Host != "" {
		return u.Host
	}
	return a.cfg.Directory
}

// Revoke asks the CA to revoke leaf (RFC 8555, section 7.6), signed with the
// account that ordered it. A certificate that is revoked already is no error.
func (a *issuer) Revoke(ctx context.Context, leaf *x509.Certificate, reason int) error {
	s, release, err := a.open(ctx, &trip{patience: a.d.Patience})
	if err != nil {
		return err
	}
	defer release()
	err = s.ask(ctx, "revoke certificate "+cert.Print(leaf).Short(), func(ctx context.Context) error {
		return s.dir.client.RevokeCertificate(ctx, s.account, leaf, nil, reason)
	})
	if p, ok := problemOf(err); ok && p.Type == acme.ProblemTypeAlreadyRevoked {
		return nil
	}
	return err
}

// say passes an event to the job's listener.
func (s *session) say(e event.Event) {
	e.Issuer = s.cfg.Address
	s.trip.say(e)
}

func (s *session) ask(ctx context.Context, what string, f func(context.Context) error) error {
	return s.client.ask(ctx, s.trip, what, f)
}

var _ http.RoundTripper = (*gate)(nil)
