package main

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/spf13/cobra"
)

func statusCommand(o *options) *cobra.Command {
	var patterns []string
	var offline bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what is remembered of each certificate, and what its endpoints serve",
		Long:  "Show what the state remembers of each certificate, and what its endpoints serve now.\nIt writes nothing and needs no right to write.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			s, err := o.look(c.Context(), cfg, o.progress())
			if err != nil {
				return err
			}
			defer s.Close()
			doc, err := s.status(c.Context(), patterns, offline)
			if err != nil {
				return err
			}
			if o.json {
				return writeJSON(o.out, doc)
			}
			return o.showStatus(doc)
		},
	}
	configFlags(c, o)
	c.Flags().StringArrayVar(&patterns, "target", nil, "only these certificates (an address; * stands for any text; may be repeated)")
	c.Flags().BoolVar(&offline, "offline", false, "do not look at endpoints")
	return c
}

// statusDoc is what status knows, for programs and for its own view. Its
// fields only grow.
type statusDoc struct {
	Type         string       `json:"type"`
	Format       string       `json:"format_version"`
	Version      string       `json:"certform_version"`
	AsOf         time.Time    `json:"as_of"`
	State        string       `json:"state"` // the file; it may not be there yet
	Exists       bool         `json:"state_exists"`
	Lineage      string       `json:"lineage,omitempty"`
	Upkeep       *upkeep      `json:"upkeep,omitempty"`
	Runners      []string     `json:"runners"` // at work now
	Certificates []certStatus `json:"certificates"`
}

type certStatus struct {
	Address    string           `json:"address"`
	Names      []string         `json:"names"`
	Configured bool             `json:"configured"`
	Rest       bool             `json:"at_rest"` // nothing to do, as far as is known without looking at places
	Live       *state.Bundle    `json:"live,omitempty"`
	Short      bool             `json:"short_life,omitempty"` // any apply would renew it now
	RenewAt    time.Time        `json:"renew_at,omitzero"`
	RenewWhy   string           `json:"renew_why,omitempty"`
	Due        bool             `json:"renewal_due,omitempty"`
	Work       *workStatus      `json:"work,omitempty"`
	Owner      string           `json:"owner,omitempty"` // the live runner that works on it
	Places     []placeStatus    `json:"places"`
	Endpoints  []endpointStatus `json:"endpoints"`
	Tries      []triesStatus    `json:"tries,omitempty"` // of issuers
	Owed       []state.Value    `json:"owed,omitempty"`
	Gone       time.Time        `json:"gone,omitzero"`
	Updated    time.Time        `json:"updated,omitzero"`
}

type workStatus struct {
	Phase  state.Phase `json:"phase"`
	Issuer string      `json:"issuer"`
	Begun  time.Time   `json:"begun"`
	Why    string      `json:"why,omitempty"`
}

type placeStatus struct {
	ID     string           `json:"id"`
	Leaf   cert.Fingerprint `json:"leaf_sha256,omitempty"` // what it held when we last finished there
	Holds  string           `json:"holds"`                 // current, earlier, nothing, itself, unknown
	Proven bool             `json:"proven,omitempty"`
	Wanted bool             `json:"configured"`
	Tries  *triesStatus     `json:"tries,omitempty"`
}

type endpointStatus struct {
	ID        string         `json:"id"`
	Serves    bool           `json:"serves"`
	Why       string         `json:"why,omitempty"`
	Addresses []plan.Address `json:"addresses,omitempty"`
}

type triesStatus struct {
	Of   string    `json:"of"`
	N    int       `json:"failures"`
	Next time.Time `json:"next"`
	Why  string    `json:"why"`
}

func tries(of string, t *state.Tries) *triesStatus {
	if t == nil {
		return nil
	}
	return &triesStatus{Of: of, N: t.N, Next: t.Next, Why: t.Why}
}

// status reads the state, and looks at endpoints unless offline.
func (s *session) status(ctx context.Context, patterns []string, offline bool) (*statusDoc, error) {
	doc := &statusDoc{Type: "status", Format: plan.FormatVersion, Version: version, AsOf: asOf(), State: relative(s.statePath()),
		Lineage: s.meta.Lineage, Exists: s.store != nil, Runners: []string{}, Certificates: []certStatus{}}
	records, err := s.survey.Records(ctx)
	if err != nil {
		return nil, err
	}
	owners := map[string]string{}
	if s.store != nil {
		if owners, err = apply.Owners(ctx, s.store, s.who); err != nil {
			return nil, err
		}
		if doc.Upkeep, err = s.lastUpkeep(ctx); err != nil {
			return nil, err
		}
	}
	doc.Runners = append(doc.Runners, slices.Sorted(maps.Values(owners))...)
	wants := map[string]plan.Want{}
	for _, w := range s.wants {
		wants[w.Address] = w
	}
	if err := checkTargetsOf("target", patterns, slices.Collect(addresses(wants, records))); err != nil {
		return nil, err
	}
	only := targets(patterns)
	var chosen []plan.Want
	for _, address := range slices.Sorted(addresses(wants, records)) {
		if only == nil || only(address) {
			w := wants[address]
			w.Address = address
			chosen = append(chosen, w)
		}
	}
	seen := map[string]plan.Seen{}
	if !offline {
		seen = s.endpoints(ctx, chosen, records)
	}
	for _, w := range chosen {
		_, configured := wants[w.Address]
		doc.Certificates = append(doc.Certificates, statusOf(w, configured, records[w.Address], seen[w.Address], owners, doc.AsOf))
	}
	return doc, nil
}

// addresses are those of the configuration and of the records, each once.
func addresses(wants map[string]plan.Want, records map[string]*state.Record) iter.Seq[string] {
	all := map[string]bool{}
	for address := range wants {
		all[address] = true
	}
	for address, rec := range records {
		// What left the configuration and owes nothing is history.
		if rec.Gone.IsZero() || len(rec.Owed) > 0 || rec.Work != nil {
			all[address] = true
		}
	}
	return maps.Keys(all)
}

// endpoints looks at the endpoints of certificates, and at nothing else.
func (s *session) endpoints(ctx context.Context, wants []plan.Want, records map[string]*state.Record) map[string]plan.Seen {
	bare := slices.Clone(wants)
	for i := range bare {
		bare[i].Places = nil
	}
	return s.survey.All(ctx, bare, records, nil)
}

func statusOf(w plan.Want, configured bool, rec *state.Record, seen plan.Seen, owners map[string]string, now time.Time) certStatus {
	if rec == nil {
		rec = &state.Record{Address: w.Address}
	}
	out := certStatus{Address: w.Address, Configured: configured, Live: rec.Live, Owner: owners[rec.Owner], Names: []string{},
		Places: []placeStatus{}, Endpoints: []endpointStatus{}, Owed: rec.Owed, Gone: rec.Gone, Updated: rec.Updated}
	out.Names = append(out.Names, cert.Values(w.Names)...)
	if live := rec.Live; live != nil {
		if !configured {
			out.Names = live.Names
		}
		out.RenewAt, out.RenewWhy = plan.Moment(w.Address, live, rec.Renewal)
		out.Due = !now.Before(out.RenewAt)
		out.Short = !now.Before(plan.Deadline(live))
	}
	if work := rec.Work; work != nil {
		out.Work = &workStatus{Phase: work.Phase, Issuer: work.Issuer, Begun: work.Begun, Why: work.Why}
	}
	for _, issuer := range slices.Sorted(maps.Keys(rec.Issuing)) {
		out.Tries = append(out.Tries, *tries(issuer, rec.Issuing[issuer]))
	}
	out.Places = append(out.Places, placesOf(w, rec)...)
	good := configured && rec.Live != nil && rec.Work == nil && len(rec.Owed) == 0 && !out.Short && out.Owner == "" && len(out.Tries) == 0
	for _, p := range out.Places {
		good = good && (p.Holds == "current" || p.Holds == "itself") && p.Tries == nil
	}
	for _, e := range w.Endpoints {
		st, looked := seen.Endpoints[e.ID()]
		if !looked {
			continue
		}
		v := endpointStatus{ID: e.ID(), Addresses: st.Addresses, Why: "no certificate is live yet"}
		if target := rec.Target(); target != nil {
			v.Serves, v.Why = st.Serves(target.Leaf)
		}
		good = good && v.Serves
		out.Endpoints = append(out.Endpoints, v)
	}
	out.Rest = good
	return out
}

// placesOf are the places of the configuration in its order, then those that
// only the record knows.
func placesOf(w plan.Want, rec *state.Record) []placeStatus {
	var out []placeStatus
	known := map[string]bool{}
	add := func(id string, wanted, passive bool) {
		known[id] = true
		p := placeStatus{ID: id, Wanted: wanted, Holds: "nothing"}
		line := rec.Places[id]
		if line != nil {
			p.Leaf, p.Tries = line.Leaf, tries(id, line.Tries)
		}
		target := rec.Target()
		switch {
		case passive:
			p.Holds = "itself"
		case p.Leaf == "":
		case target != nil && p.Leaf == target.Leaf && line.Putting != "":
			p.Holds = "unknown" // a repair that was put back, or cut off
		case target != nil && p.Leaf == target.Leaf:
			p.Holds, p.Proven = "current", line.Proven == p.Leaf
		default:
			p.Holds = "earlier"
		}
		out = append(out, p)
	}
	for _, p := range w.Places {
		add(p.ID, true, p.Passive)
	}
	for _, id := range slices.Sorted(maps.Keys(rec.Places)) {
		if !known[id] {
			add(id, false, false)
		}
	}
	return out
}
