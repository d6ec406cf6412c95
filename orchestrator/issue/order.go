package issue

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"
)

// memory is Work.Data of an ACME order.
type memory struct {
	Order    string   `json:"order"`
	Finalize string   `json:"finalize,omitempty"`
	Authzs   []string `json:"authorizations,omitempty"`
	Profile  string   `json:"profile,omitempty"` // what was sent
}

// atOnce is how many requests one certificate makes at a time; the gate bounds
// those of all certificates.
const atOnce = 8

// order makes the order (RFC 8555, section 7.4) and says which values its
// challenges want. Nothing is written to DNS.
func (s *session) order(ctx context.Context, w *state.Work) error {
	profile, err := s.profile(w.Profile)
	if err != nil {
		return err
	}
	want := acme.Order{Profile: profile}
	for _, n := range s.trip.job.Names {
		want.Identifiers = append(want.Identifiers, acme.Identifier{Type: "dns", Value: n.Value})
	}
	if w.Replaces != "" && s.trip.job.Old != nil && s.dir.RenewalInfo != "" {
		if id, err := renewalID(s.trip.job.Old); err == nil {
			want.Replaces = id
		}
	}
	o, err := s.newOrder(ctx, want)
	switch {
	case err == nil:
	case want.Replaces != "" && refusedReplaces(err):
		return &marked{err, ErrRefusedReplaces}
	default:
		if p, ok := problemOf(err); ok && p.Type == acme.ProblemTypeNamespace+"invalidProfile" {
			return world.Hint(err, s.profiles())
		}
		return err
	}
	if o.Location == "" {
		return fmt.Errorf("%s: new order: the CA gave it no URL", s.client.host)
	}

	var authzs []acme.Authorization
	var values []state.Value
	switch o.Status {
	case acme.StatusReady, acme.StatusProcessing, acme.StatusValid:
		// The CA handed back an order that needs no proof any more.
	case acme.StatusInvalid:
		return s.dead(ctx, o, true)
	default:
		if authzs, err = s.authorizations(ctx, o.Authorizations); err != nil {
			return err
		}
		if values, err = s.values(ctx, authzs); err != nil {
			return err
		}
	}
	data, err := json.Marshal(memory{Order: o.Location, Finalize: o.Finalize, Authzs: o.Authorizations, Profile: profile})
	if err != nil {
		return err
	}
	s.client.keep(o, authzs)
	w.Data, w.Values, w.Phase = data, values, state.Ordered
	if len(values) == 0 {
		s.trip.job.Ticket.Done()
	}
	s.say(event.Event{Kind: event.Ordered, N: len(values), Note: o.Location})
	return nil
}

// newOrder sends the order. An account that the CA has dropped is registered
// again, once.
func (s *session) newOrder(ctx context.Context, want acme.Order) (o *acme.Order, err error) {
	o = &acme.Order{}
	for again := false; ; again = true {
		err = s.ask(ctx, "new order", func(ctx context.Context) (err error) {
			*o, err = s.dir.client.NewOrder(ctx, s.account, want)
			return err
		})
		p, ok := problemOf(err)
		if again || !ok || p.Type != acme.ProblemTypeAccountDoesNotExist {
			return o, err
		}
		if s.account, err = s.client.account(ctx, s, s.account.Location); err != nil {
			return o, err
		}
	}
}

// profile checks what is wanted against what the CA offers.
func (s *session) profile(want string) (string, error) {
	if want == "" {
		return "", nil
	}
	if s.dir.Meta != nil {
		if _, ok := s.dir.Meta.Profiles[want]; ok {
			return want, nil
		}
	}
	if s.trip.job.Fallback {
		return "", nil
	}
	return "", world.Hint(world.Never(fmt.Errorf("%s does not offer the profile %q", s.client.host, want)), s.profiles())
}

func (s *session) profiles() string {
	if s.dir.Meta == nil || len(s.dir.Meta.Profiles) == 0 {
		return "this CA has no profiles: leave the argument out"
	}
	return "this CA offers: " + strings.Join(slices.Sorted(maps.Keys(s.dir.Meta.Profiles)), ", ")
}

// authorizations reads them all, in the order of urls.
func (s *session) authorizations(ctx context.Context, urls []string) ([]acme.Authorization, error) {
	out := make([]acme.Authorization, len(urls))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, url := range urls {
		g.Go(func() error {
			return s.ask(ctx, "read authorization", func(ctx context.Context) (err error) {
				out[i], err = s.dir.client.GetAuthorization(ctx, s.account, url)
				return err
			})
		})
	}
	return out, g.Wait()
}

// values says which TXT values authzs want, one for each provider of the zone.
// Two authorizations may want two values at one name: *.x and x.
func (s *session) values(ctx context.Context, authzs []acme.Authorization) ([]state.Value, error) {
	var mu sync.Mutex
	found := make([][]state.Value, len(authzs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, z := range authzs {
		if z.Status == acme.StatusValid {
			continue
		}
		ch, err := dns01(z)
		if err != nil {
			return nil, err
		}
		name := authzName(z)
		g.Go(func() error {
			f, err := s.d.Zones.Find(ctx, name)
			if err != nil {
				return fmt.Errorf("where %s is proven: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range f.Providers {
				found[i] = append(found[i], state.Value{Zone: f.Zone, Name: f.Target, Type: "TXT",
					Value: ch.DNS01KeyAuthorization(), Provider: p, Since: time.Now()})
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []state.Value
	for _, vs := range found {
		for _, v := range vs {
			same := func(o state.Value) bool { return o.Key() == v.Key() && o.Provider == v.Provider }
			if !slices.ContainsFunc(out, same) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

func authzName(z acme.Authorization) cert.Name {
	n := cert.Name{Kind: cert.DNS, Value: strings.ToLower(z.Identifier.Value)}
	if z.Wildcard && !n.Wildcard() {
		n.Value = "*." + n.Value
	}
	return n
}

// dns01 picks the challenge that we can answer.
func dns01(z acme.Authorization) (acme.Challenge, error) {
	var offered []string
	for _, ch := range z.Challenges {
		if ch.Type == acme.ChallengeTypeDNS01 {
			return ch, nil
		}
		offered = append(offered, ch.Type)
	}
	if z.Status != acme.StatusPending {
		return acme.Challenge{}, invalidf("the authorization of %s is %s%s", authzName(z), z.Status, authzProblem(z))
	}
	return acme.Challenge{}, world.Never(fmt.Errorf("the CA does not offer dns-01 for %s, only %s", authzName(z), strings.Join(offered, ", ")))
}

// authzProblem is what the CA held against z, in its words, or "".
func authzProblem(z acme.Authorization) string {
	for _, ch := range z.Challenges {
		if ch.Error != nil {
			return ": " + problemText(*ch.Error)
		}
	}
	return ""
}
