package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/plan"
)

// secrets proves, before anybody is asked and anything is made, that every
// secret can be had that what the plan changes needs, and opens the dns blocks.
func (s *session) secrets(ctx context.Context, p *plan.Plan) error {
	refs, dns := s.needs(ctx, p)
	var errs []error
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		if _, err := s.world.Resolve(ctx, ref); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", refs[ref], err))
		}
	}
	if len(errs) == 0 {
		return s.zones.Ready(ctx, dns)
	}
	return errors.Join(errs...)
}

// missing says which of them are not there, as far as can be seen without
// asking anybody: a plan job need not have them, but should know.
func (s *session) missing(ctx context.Context, p *plan.Plan) (out []string) {
	refs, _ := s.needs(ctx, p)
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		if scheme, _, _ := strings.Cut(ref, ":"); scheme != "env" && scheme != "file" {
			continue
		}
		if _, err := s.world.Resolve(ctx, ref); err != nil {
			out = append(out, fmt.Sprintf("%s: %v; apply needs it", refs[ref], err))
		}
	}
	return out
}

// needs is the secrets, with who needs each, and the dns blocks of what a plan
// changes: the places of its certificates, the dns blocks that answer for their
// names, and an external account binding where the account is yet to be made.
// Where a plan could not find out which dns blocks these are, it is all that may
// be asked.
func (s *session) needs(ctx context.Context, p *plan.Plan) (refs map[string]string, dns []string) {
	places, answering, issuers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, it := range p.Items {
		for _, v := range it.Places {
			places[it.Address+" "+v.ID] = true
		}
		if it.Issues() != nil && len(it.Errors) == 0 {
			issuers[it.Issuer] = true
		}
		for _, n := range it.Names {
			for _, address := range n.Providers {
				answering[address] = true
			}
			for _, d := range s.cfg.DNS {
				if n.Unknown != "" && len(d.Zones) == 0 {
					answering[d.Address] = true
				}
			}
		}
	}
	refs = map[string]string{}
	for _, w := range s.wants {
		for _, pl := range w.Places {
			if !places[w.Address+" "+pl.ID] {
				continue
			}
			for _, ref := range pl.Secrets {
				refs[ref] = pl.ID
			}
		}
	}
	for _, d := range s.cfg.DNS {
		if !answering[d.Address] {
			continue
		}
		for _, ref := range block.Secrets(d.Spec) {
			refs[ref.Ref()] = d.Address
		}
	}
	for _, i := range s.cfg.Issuers {
		if !issuers[i.Address] {
			continue
		}
		if known, err := s.issuers[i.Address].Known(ctx); err == nil && known.Account != "" {
			continue
		}
		for _, ref := range block.Secrets(i.Spec) {
			refs[ref.Ref()] = i.Address
		}
	}
	return refs, slices.Sorted(maps.Keys(answering))
}
