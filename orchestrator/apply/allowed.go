package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/providers"
)

// allowed asks, before an order costs anything, whether CAA records let the
// issuer issue and whether a CA can look at the names at all. What this machine
// cannot find out is left to the CA.
func (e *Engine) allowed(ctx context.Context, want *plan.Want, wanted *plan.Issuer, issuer issue.Issuer, found []providers.Found) error {
	known, err := issuer.Known(ctx)
	if err != nil {
		return err
	}
	asked := *wanted
	asked.CAA, asked.AccountURL = known.CAA, known.Account
	var names []string
	sets := map[string][]plan.CAA{}
	for i, n := range want.Names {
		if err := e.Zones.Validates(ctx, found[i].Zone); err != nil {
			return fmt.Errorf("name %s: %w", n, err)
		}
		set, err := e.Zones.CAA(ctx, n)
		if errors.Is(err, providers.ErrBroken) {
			return fmt.Errorf("name %s: %w", n, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		names = append(names, n.Value)
		for _, c := range set {
			sets[n.Value] = append(sets[n.Value], plan.CAA(c))
		}
	}
	var errs []error
	for _, r := range plan.Refusals(asked, names, func(name string) []plan.CAA { return sets[name] }) {
		if r.Verdict == plan.Forbidden {
			errs = append(errs, errors.New(r.String()))
		}
	}
	return errors.Join(errs...)
}
