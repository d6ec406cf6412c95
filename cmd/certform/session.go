package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/seal/age"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/local"
	"github.com/certform/certform/orchestrator/survey"
	"github.com/certform/certform/orchestrator/verify"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/hashicorp/hcl/v2"
)

// load reads the configuration and prints what is wrong with it.
func (o *options) load() (*config.Config, error) {
	cfg, diags := o.read()
	o.diagnostics(cfg.Files(), diags)
	if diags.HasErrors() {
		return nil, exit(exitError)
	}
	return cfg, nil
}

func (o *options) read() (*config.Config, hcl.Diagnostics) {
	return config.Load(config.Options{
		Dir: o.dir, Version: version, Vars: o.vars,
		Sinks: sinkKinds(), Providers: providerKinds(),
	})
}

// session is a configuration with everything that is needed to look at its
// world, and after writable also to change it.
type session struct {
	o       *options
	cfg     *config.Config
	world   *world.World
	store   state.Store // as this configuration sees it; nil: there is no state yet
	whole   state.Store // the same, with the records of other configurations
	meta    state.Meta
	seal    seal.Seal
	zones   *providers.Zones
	issuers map[string]issue.Issuer
	survey  *survey.Survey
	runner  *apply.Runner // nil until there is one; a plan has none
	wants   []plan.Want
	say     event.Listener
	who     apply.Identity
}

// look opens a configuration for looking: the state is opened for reading
// only, nothing is created.
func (o *options) look(ctx context.Context, cfg *config.Config, say event.Listener) (*session, error) {
	s := &session{o: o, cfg: cfg, say: say, world: newWorld(cfg.Dir), who: apply.ThisProcess()}
	store, err := local.Open(ctx, s.statePath(), local.Options{ReadOnly: true})
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		s.keep(store)
		if s.meta, _, err = state.LoadMeta(ctx, store); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, store.Close())
		}
	}
	s.wire(ctx)
	return s, nil
}

// change opens a configuration for changing the world: the state and the age
// identity are made if they are missing, and the identity is proven to work
// before anything else.
func (o *options) change(ctx context.Context, cfg *config.Config, say event.Listener) (*session, error) {
	s := &session{o: o, cfg: cfg, say: say, world: newWorld(cfg.Dir), who: apply.ThisProcess()}
	_, missing := os.Stat(s.statePath())
	store, err := local.Open(ctx, s.statePath(), local.Options{})
	if err != nil {
		return nil, err
	}
	if missing != nil {
		say(event.Event{Kind: event.Noted, Note: "made the state " + relative(s.statePath())})
	}
	s.keep(store)
	if s.seal, err = s.openSeal(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if s.meta, err = state.EnsureMeta(ctx, store, s.seal.Public()); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if err := s.seal.Check(ctx); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.wire(ctx)
	return s, nil
}

// keep takes the opened state, of which this configuration sees its own part.
func (s *session) keep(whole state.Store) {
	s.whole = whole
	s.store = state.WithPrefix(whole, s.cfg.Settings.State.Spec.(*config.Local).Prefix)
}

func (s *session) statePath() string { return s.cfg.Settings.State.Spec.(*config.Local).Path }

func (s *session) identityPath() string { return s.cfg.Settings.Seal.Spec.(*config.Age).Identity }

// openSeal opens the age identity. It is made only for a state that has none
// yet: for one that has, a missing identity is a loss to be told, not mended.
func (s *session) openSeal(ctx context.Context) (seal.Seal, error) {
	meta, _, err := state.LoadMeta(ctx, s.store)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path := s.identityPath()
	if meta.Seal == "" {
		made, err := age.Create(path)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err == nil {
			s.say(event.Event{Kind: event.Noted, Note: fmt.Sprintf("made the age identity %s; back it up: without it the private keys in the state cannot be read", relative(path))})
			return made, nil
		}
	}
	return age.Open(path, meta.Seal)
}

// wire makes the parts that need no connection yet.
func (s *session) wire(ctx context.Context) {
	known := map[string]providers.Learnt{}
	if s.store != nil {
		for e, err := range s.store.List(ctx, state.Query{Prefix: state.Zones}) {
			if err != nil {
				break
			}
			var l providers.Learnt
			if json.Unmarshal(e.Data, &l) == nil {
				known[e.Key] = l
			}
		}
	}
	s.zones = providers.NewZones(s.world, providers.Options{
		DNS: s.cfg.DNS, Zones: s.cfg.Zones, Say: s.say, Exclusive: s.exclusive,
		Known: func(zone string) (providers.Learnt, bool) {
			l, ok := known[state.Key(state.Zones, zone)]
			return l, ok
		},
	})
	s.issuers = map[string]issue.Issuer{}
	refs := map[string]plan.Issuer{}
	for _, i := range s.cfg.Issuers {
		a := i.Spec.(*config.ACME)
		s.issuers[i.Address] = issue.NewACME(issue.ACME{
			Address: i.Address, Directory: a.Directory, Email: a.Email, CAFile: a.CAFile,
			EABKid: a.EABKid, EABKey: a.EABHMACKey.Ref(), CAA: a.CAAIdentities, CAADefault: a.CAA, PreferredChain: a.PreferredChain,
		}, issue.Deps{World: s.world, Store: s.store, Seal: s.seal, Zones: s.zones, UserAgent: "certform/" + version})
		// Without it the plan says less; an order reads it again.
		known, _ := s.issuers[i.Address].Known(ctx)
		refs[i.Address] = plan.Issuer{Address: i.Address, Account: s.issuers[i.Address].Account(), CA: a.Directory,
			CAA: known.CAA, AccountURL: known.Account}
	}
	s.survey = &survey.Survey{World: s.world, Store: s.store, Zones: s.zones}
	for _, c := range s.cfg.Certificates {
		w := plan.Want{
			Address: c.Address, Name: c.Name, Names: c.Names, Hosts: c.Hosts, KeyType: c.KeyType, Profile: c.Profile,
			ReuseKey: c.ReuseKey, Places: c.Places, Endpoints: c.Endpoints,
			Source: fmt.Sprintf("%s:%d", relative(c.Range.Filename), c.Range.Start.Line),
		}
		for _, a := range c.Issuers {
			w.Issuers = append(w.Issuers, refs[a])
		}
		s.wants = append(s.wants, w)
	}
}

// exclusive is the lock across processes that some DNS hosts need. Values are
// written by a runner only.
func (s *session) exclusive(ctx context.Context, key string) (release func(), err error) {
	if s.runner == nil {
		return nil, errors.New("nothing is changed without a runner")
	}
	return s.runner.Exclusive(ctx, key)
}

// Close lets go of connections and the state.
func (s *session) Close() {
	s.zones.Close()
	s.world.CloseIdle()
	if s.store != nil {
		// Everything that counts was committed by Put.
		_ = s.store.Close()
	}
}

// engine is the session as apply and run use it.
func (s *session) engine(runner *apply.Runner, stop context.Context) *apply.Engine {
	s.runner = runner
	return &apply.Engine{
		World: s.world, Store: s.store, Seal: s.seal, Zones: s.zones, Issuers: s.issuers, Runner: runner,
		Look: s.survey.One,
		Verify: func(ctx context.Context, e cert.Endpoint, chain cert.Chain, say event.Listener) error {
			_, err := verify.Wait(ctx, s.world, e, verify.Expect{Chain: chain}, say)
			return err
		},
		Say: s.say, Stop: stop,
	}
}

func relative(path string) string {
	wd, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// find returns the wants whose address matches one of the patterns.
func targets(patterns []string) func(string) bool {
	if len(patterns) == 0 {
		return nil
	}
	return func(address string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, address) })
	}
}
