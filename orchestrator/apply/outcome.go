package apply

import (
	"context"
	"errors"
	"time"

	"github.com/certform/certform/orchestrator/event"
)

// Status of a certificate after a run.
type Status string

// The statuses.
const (
	Done        Status = "done"
	Failed      Status = "failed"
	Blocked     Status = "blocked"     // left alone: only people can decide
	Owing       Status = "owing"       // done, but TXT values are left in DNS
	Held        Status = "held"        // another runner works on it
	Stale       Status = "stale"       // it moved on since the plan was saved
	Interrupted Status = "interrupted" // stopped before it was done
)

// Outcome is what became of one certificate.
type Outcome struct {
	Address string
	Status  Status
	Err     error
	Issued  bool
	Puts    int
}

// Report is what became of a run.
type Report struct {
	Outcomes []Outcome
}

// Code is the exit code of the report: 3 before 5 before 4.
func (r Report) Code() int {
	code := 0
	for _, o := range r.Outcomes {
		switch o.Status {
		case Failed, Blocked, Owing, Interrupted:
			return 3
		case Stale:
			code = 5
		case Held:
			if code == 0 {
				code = 4
			}
		}
	}
	return code
}

// tell gives an outcome its status and says it.
func (out *Outcome) tell(ctx context.Context, say event.Listener, began time.Time) {
	var held *heldError
	switch {
	case out.Err == nil:
		if out.Status == "" {
			out.Status = Done
		}
	case errors.Is(out.Err, errStale):
		out.Status = Stale
	case errors.As(out.Err, &held):
		out.Status = Held
	case ctx.Err() != nil:
		out.Status, out.Err = Interrupted, brokenOff(ctx, out.Err)
	case errors.Is(out.Err, errStopped):
		out.Status = Interrupted
	default:
		if out.Status == "" {
			out.Status = Failed
		}
	}
	ev := event.Event{Kind: event.Done, Took: time.Since(began), Err: out.Err}
	switch out.Status {
	case Failed, Blocked, Interrupted:
		ev.Kind = event.Failed
	case Owing:
		ev.Kind = event.Owing
	case Held, Stale:
		ev.Kind = event.Skipped
	}
	say(ev)
}

// brokenOff is err of a ctx that ended: why, once, and what went wrong besides.
func brokenOff(ctx context.Context, err error) error {
	why := context.Cause(ctx)
	if why == context.Canceled { // nobody said why
		why = errStopped
	}
	all := []error{why}
	var walk func(error)
	walk = func(err error) {
		// A list of errors, and not one that wraps several in words of its own.
		if several, ok := err.(interface{ Unwrap() []error }); ok && errors.Join(several.Unwrap()...).Error() == err.Error() {
			for _, err := range several.Unwrap() {
				walk(err)
			}
		} else if !errors.Is(err, context.Canceled) && !errors.Is(err, errStopped) {
			all = append(all, err)
		}
	}
	walk(err)
	return errors.Join(all...)
}
