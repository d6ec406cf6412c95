package survey

import (
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/verify"
)

// Status is what verify saw, as a plan takes it.
func Status(s verify.Seen) plan.EndpointStatus {
	var out plan.EndpointStatus
	if s.Err != nil {
		out.Err = s.Err.Error()
	}
	for _, a := range s.Addresses {
		v := plan.Address{
			Address: a.Addr.String(), Leaf: a.Leaf, NotAfter: a.NotAfter, Names: a.Names, Issuer: a.Issuer,
			Unrouted: a.Unroutable, NoAnswer: a.Leaf == "",
		}
		if a.Err != nil {
			v.Err = a.Err.Error()
		}
		out.Addresses = append(out.Addresses, v)
	}
	return out
}
