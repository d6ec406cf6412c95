package survey

import (
	"context"
	"errors"
	"fmt"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/providers"
)

// allowed adds to out who may issue for a name by CAA, and whether a CA can
// look there at all.
func (s *Survey) allowed(ctx context.Context, n cert.Name, f providers.Found, out *plan.Name) {
	if f.Zone != "" {
		if err := s.Zones.Validates(ctx, f.Zone); err != nil {
			out.Broken = append(out.Broken, err.Error())
		}
	}
	set, err := s.Zones.CAA(ctx, n)
	switch {
	case errors.Is(err, providers.ErrBroken):
		if len(out.Broken) == 0 { // else for the same reason, as a rule
			out.Broken = append(out.Broken, err.Error())
		}
	case err != nil:
		out.Warnings = append(out.Warnings, fmt.Sprintf("who may issue for it could not be asked: %v", err))
	}
	for _, c := range set {
		out.CAA = append(out.CAA, plan.CAA(c))
	}
}
