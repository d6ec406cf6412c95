// Package pull is the sink of consumers that fetch for themselves: nothing is
// put, and only their endpoints prove that they have done so.
package pull

import (
	"context"
	"errors"
	"fmt"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
)

// Spec is a decoded block. It has no arguments.
type Spec struct{}

// Kind is the sink's line in the table of kinds.
func Kind() sinks.Kind {
	return sinks.Kind{
		Name: "pull",
		Doc:  "Consumers that fetch the certificate for themselves, from Vault or S3 say: nothing is written, but their endpoints must serve it within the time they take.",
		Example: `sink "pull" "apps" {
  endpoint { within = "20m" }
}
`,
		New:     func() sinks.Spec { return &Spec{} },
		Blind:   true,
		Passive: true,
	}
}

// Check finds nothing wrong: that there is an endpoint is for config to see to,
// as for every blind sink.
func (*Spec) Check() []block.Problem { return nil }

// Target is nothing: no two places of consumers clash.
func (*Spec) Target() string { return "" }

// Open gives a Sink that refuses to be put.
func (*Spec) Open(context.Context, *world.World) (sinks.Sink, error) { return sink{}, nil }

type sink struct{}

// Put is never called, since the kind is passive.
func (sink) Put(context.Context, *cert.Bundle, sinks.Held) (sinks.Held, error) {
	return sinks.Held{}, fmt.Errorf("put to a consumer that fetches for itself: %w", errors.ErrUnsupported)
}
