package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
)

// accountEntry is what the state keeps of an account, by directory and EAB id.
type accountEntry struct {
	Format    int      `json:"format"`
	Directory string   `json:"directory"`
	EAB       string   `json:"eab,omitempty"`
	Key       []byte   `json:"key"` // sealed, about the entry's own key
	URL       string   `json:"url,omitempty"`
	Email     string   `json:"email,omitempty"`
	CAA       []string `json:"caa_identities,omitempty"` // as the directory said last (RFC 8555, section 7.1.1)
}

// AccountKey is the store key of the account at a directory.
func AccountKey(directory, eabKid string) string {
	if eabKid == "" {
		return state.Key(state.Accounts, directory, "plain")
	}
	return state.Key(state.Accounts, directory, "eab-"+eabKid)
}

// account is the account at the CA, made by the first who needs it and the
// same for every runner. gone is the URL of one that the CA no longer knows,
// which is registered again with its key; "" asks for whatever there is.
func (c *client) account(ctx context.Context, s *session, gone string) (acme.Account, error) {
	good := func(a acme.Account) bool { return a.Location != gone }
	return c.acct.get(ctx, s.trip, good, func(ctx context.Context) (acme.Account, error) {
		a, err := s.ensureAccount(ctx, gone)
		if err != nil {
			return a, fmt.Errorf("account at %s: %w", c.host, err)
		}
		return a, nil
	})
}

// mostConflicts is how often another runner may come between; each time its
// account is taken over, so twice is already strange.
const mostConflicts = 10

func (s *session) ensureAccount(ctx context.Context, gone string) (acme.Account, error) {
	key := AccountKey(s.cfg.Directory, s.cfg.EABKid)
	for range mostConflicts {
		e, rev, isNew, err := s.loadAccount(ctx, key)
		if errors.Is(err, state.ErrConflict) {
			continue
		}
		if err != nil {
			return acme.Account{}, err
		}
		plain, err := s.d.Seal.Unseal(ctx, key, e.Key)
		if err != nil {
			return acme.Account{}, fmt.Errorf("unseal its key: %w", err)
		}
		k, err := cert.ParseKey(plain)
		if err != nil {
			return acme.Account{}, err
		}
		acct := acme.Account{PrivateKey: k.Signer(), Location: e.URL}
		caa := s.dir.identities()
		if e.URL != "" && e.URL != gone {
			if len(caa) == 0 || slices.Equal(caa, e.CAA) {
				return acct, nil
			}
			// Only plans read it: who comes between knows as much.
			e.CAA = caa
			if err := s.saveAccount(ctx, key, e, rev); err != nil && !errors.Is(err, state.ErrConflict) {
				return acct, err
			}
			return acct, nil
		}
		acct.Location = ""
		if acct.Location, err = s.register(ctx, acct, !isNew && e.URL == ""); err != nil {
			return acme.Account{}, err
		}
		e.URL, e.Email, e.CAA = acct.Location, s.cfg.Email, caa
		err = s.saveAccount(ctx, key, e, rev)
		if errors.Is(err, state.ErrConflict) {
			// The other runner registered the same key: it is the same account.
			continue
		}
		return acct, err
	}
	return acme.Account{}, fmt.Errorf("%s: %w", key, state.ErrConflict)
}

// loadAccount reads the entry, or writes a new one with a key in it before
// anybody uses that key.
func (s *session) loadAccount(ctx context.Context, key string) (e accountEntry, rev state.Revision, isNew bool, err error) {
	entry, err := s.d.Store.Get(ctx, key)
	if err == nil {
		if err := json.Unmarshal(entry.Data, &e); err != nil {
			return e, "", false, fmt.Errorf("%s is damaged: %w", key, err)
		}
		if e.Format > state.Format {
			return e, "", false, fmt.Errorf("%s: %w", key, state.ErrNewer)
		}
		return e, entry.Rev, false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return e, "", false, err
	}
	k, err := cert.GenerateKey(cert.ECDSAP256)
	if err != nil {
		return e, "", false, err
	}
	pem, err := k.PEM()
	if err != nil {
		return e, "", false, err
	}
	e = accountEntry{Directory: s.cfg.Directory, EAB: s.cfg.EABKid}
	if e.Key, err = s.d.Seal.Seal(ctx, key, pem); err != nil {
		return e, "", false, fmt.Errorf("seal its key: %w", err)
	}
	rev, err = s.put(ctx, key, &e, "")
	return e, rev, true, err
}

func (s *session) saveAccount(ctx context.Context, key string, e accountEntry, rev state.Revision) error {
	_, err := s.put(ctx, key, &e, rev)
	return err
}

func (s *session) put(ctx context.Context, key string, e *accountEntry, rev state.Revision) (state.Revision, error) {
	e.Format = state.Format
	data, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	return s.d.Store.Put(ctx, state.Entry{Key: key, Data: data, Rev: rev})
}

// register makes the account (RFC 8555, section 7.3) and returns its URL.
// asked says that an earlier runner may have registered this key and died
// before it could save the URL: then it is looked up first, since some CAs
// take an external binding only once.
func (s *session) register(ctx context.Context, acct acme.Account, asked bool) (string, error) {
	if asked {
		var got acme.Account
		err := s.ask(ctx, "look up the account", func(ctx context.Context) (err error) {
			got, err = s.dir.client.GetAccount(ctx, acct)
			return err
		})
		if err == nil && got.Location != "" {
			return got.Location, nil
		}
		if p, ok := problemOf(err); err != nil && !(ok && p.Type == acme.ProblemTypeAccountDoesNotExist) {
			return "", err
		}
	}
	acct.TermsOfServiceAgreed = true
	if s.cfg.Email != "" {
		acct.Contact = []string{"mailto:" + s.cfg.Email}
	}
	if err := s.bind(ctx, &acct); err != nil {
		return "", err
	}
	var got acme.Account
	err := s.ask(ctx, "make the account", func(ctx context.Context) (err error) {
		got, err = s.dir.client.NewAccount(ctx, acct)
		return err
	})
	if err != nil {
		return "", err
	}
	if got.Location == "" {
		return "", fmt.Errorf("the CA gave the account no URL")
	}
	if got.Status == acme.StatusDeactivated || got.Status == acme.StatusRevoked {
		return "", world.Never(fmt.Errorf("the CA says that %s is %s", got.Location, got.Status))
	}
	return got.Location, nil
}

// bind adds the external account binding (RFC 8555, section 7.3.4). Its key
// comes as base64url with or without padding, and from some CAs in the plain
// alphabet.
func (s *session) bind(ctx context.Context, acct *acme.Account) error {
	if s.cfg.EABKid == "" {
		if m := s.dir.Meta; m != nil && m.ExternalAccountRequired {
			return world.Hint(world.Never(fmt.Errorf("the CA wants an external account binding and none is configured")),
				"set eab_kid and eab_hmac_key of the issuer; the CA's site hands them out")
		}
		return nil
	}
	if s.cfg.EABKey == "" {
		return world.Never(fmt.Errorf("eab_kid is set and eab_hmac_key is not"))
	}
	mac, err := s.d.World.Resolve(ctx, s.cfg.EABKey)
	if err != nil {
		return fmt.Errorf("eab_hmac_key: %w", err)
	}
	mac = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(strings.TrimSpace(mac), "="))
	if err := acct.SetExternalAccountBinding(ctx, s.dir.client, acme.EAB{KeyID: s.cfg.EABKid, MACKey: mac}); err != nil {
		// The library's error is about the encoding and may not be quoted.
		return world.Never(fmt.Errorf("eab_hmac_key (%s): the value is not base64url", s.cfg.EABKey))
	}
	return nil
}
