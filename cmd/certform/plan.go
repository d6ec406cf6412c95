package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/world"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
)

// planFlags are what a plan may be asked for, by plan and by apply.
type planFlags struct {
	targets, replace []string
	upkeep           string
}

func (f *planFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.targets, "target", nil, "only these certificates (an address; * stands for any text; may be repeated)")
	c.Flags().StringArrayVar(&f.replace, "replace", nil, "issue these anew though they are good (may be repeated)")
	c.Flags().StringVar(&f.upkeep, "upkeep", "exclude", "renewals that are due: exclude (left to run), include, only")
}

func (f *planFlags) check(wants []plan.Want) error {
	switch plan.Upkeep(f.upkeep) {
	case plan.Exclude, plan.Include, plan.Only:
	default:
		return fmt.Errorf("-upkeep=%s: it is exclude, include or only", f.upkeep)
	}
	if err := checkTargets("target", f.targets, wants); err != nil {
		return err
	}
	return checkTargets("replace", f.replace, wants)
}

func planCommand(o *options) *cobra.Command {
	var f planFlags
	var out string
	var detailed bool
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what differs between the configuration and the world",
		Long:  "Show what differs between the configuration and the world. It writes nothing, takes no lock,\nand needs neither the age identity nor the CA.\n\nIt exits 3, as apply would, if a certificate cannot be issued as things are; the rest of the\nplan is good. A secret that is not there is a warning here.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			cfg, err := o.load()
			if err != nil {
				return err
			}
			s, err := o.look(ctx, cfg, o.progress())
			if err != nil {
				return err
			}
			defer s.Close()
			facts, err := s.facts(ctx, f)
			if err != nil {
				return err
			}
			p := plan.Make(facts)
			p.Warnings = append(p.Warnings, s.missing(ctx, p)...)
			saved := out
			var notSaved error
			if out != "" {
				if notSaved = savePlan(out, p); notSaved != nil {
					saved = "" // there is nothing to apply exactly
				}
			}
			if err := errors.Join(o.showPlan(p, saved), notSaved); err != nil {
				return err
			}
			switch {
			case p.Summary.Errors > 0:
				// What apply would answer: the rest of the plan is good.
				return exit(exitFailed)
			case detailed && p.Changes():
				return exit(exitChanges)
			}
			return nil
		},
	}
	configFlags(c, o)
	f.add(c)
	c.Flags().StringVar(&out, "out", "", "save the plan to a file for apply")
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 2 if there are changes")
	return c
}

// facts surveys the world for a plan. A name that no dns block can prove is a
// mistake of the configuration and ends it, unless its certificate was issued
// before: then somebody changed something, which is that certificate's fault
// alone.
func (s *session) facts(ctx context.Context, f planFlags) (plan.Facts, error) {
	if err := f.check(s.wants); err != nil {
		return plan.Facts{}, err
	}
	facts := plan.Facts{
		Now: asOf(), Wants: s.wants, Upkeep: plan.Upkeep(f.upkeep), Targets: targets(f.targets), Replace: targets(f.replace),
		Lineage: s.meta.Lineage, ConfigDigest: s.cfg.Digest,
	}
	var err error
	if facts.Records, err = s.survey.Records(ctx); err != nil {
		return facts, err
	}
	owners := map[string]string{}
	if s.store != nil {
		if owners, err = apply.Owners(ctx, s.store, s.who); err != nil {
			return facts, err
		}
	}
	wants := s.targeted(facts.Targets)
	began := time.Now()
	facts.Seen = s.survey.All(ctx, wants, facts.Records, owners)
	// Only certificates that must be ordered ask where their names are proven.
	ordered := map[string]bool{}
	for _, it := range plan.Make(facts).Items {
		ordered[it.Address] = it.Issues() != nil
	}
	var ask []plan.Want
	for _, w := range wants {
		if ordered[w.Address] {
			ask = append(ask, w)
		}
	}
	mistakes := s.survey.Names(ctx, ask, facts.Seen)
	maps.DeleteFunc(mistakes, func(address string, _ map[string]error) bool {
		rec := facts.Records[address]
		return rec != nil && rec.Live != nil
	})
	s.say(event.Event{Kind: event.Surveyed, N: len(wants), Took: time.Since(began)})
	if len(mistakes) > 0 {
		s.o.diagnostics(s.cfg.Files(), s.noZone(mistakes))
		return facts, exit(exitError)
	}
	facts.Looked = time.Now()
	return facts, ctx.Err()
}

func (s *session) targeted(only func(string) bool) []plan.Want {
	if only == nil {
		return s.wants
	}
	var out []plan.Want
	for _, w := range s.wants {
		if only(w.Address) {
			out = append(out, w)
		}
	}
	return out
}

// noZone makes diagnostics of names that nothing in the configuration proves.
func (s *session) noZone(mistakes map[string]map[string]error) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, c := range s.cfg.Certificates {
		for _, n := range c.Names {
			err, ok := mistakes[c.Address][n.Value]
			if !ok {
				continue
			}
			r := c.NamesRange
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "No DNS provider for a name",
				Detail:   fmt.Sprintf("%s: the name %s cannot be proven: %v.", c.Address, n, err),
				Subject:  &r,
			})
		}
	}
	return diags
}

// asOf is the one clock reading of a run.
func asOf() time.Time { return time.Now().UTC() }

// savePlan writes a plan for apply. It holds no secret, but it says where
// certificates are, so it is for its owner only.
func savePlan(path string, p *plan.Plan) error {
	data, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// readPlan reads what savePlan wrote.
func readPlan(path string) (*plan.Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		err = fmt.Errorf("read the plan: %w", err)
		if info, no := os.Stat(path); no == nil && info.IsDir() {
			err = world.Hint(err, "the directory of a configuration is said by -chdir="+quote(path))
		}
		return nil, err
	}
	var p plan.Plan
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("read the plan %s: it is no saved plan: %w", path, err)
	}
	if p.FormatVersion != plan.FormatVersion {
		return nil, fmt.Errorf("read the plan %s: it has format %q, this program knows %s", path, p.FormatVersion, plan.FormatVersion)
	}
	return &p, nil
}

// errNoState says that a command needs a state that is not there yet.
var errNoState = errors.New("there is no state yet: nothing was applied from this configuration")

func (s *session) needStore() (state.Store, error) {
	if s.store == nil {
		return nil, errNoState
	}
	return s.store, nil
}
