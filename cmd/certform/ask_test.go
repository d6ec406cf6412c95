package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/plan"
)

func TestAsk(t *testing.T) {
	never, _ := io.Pipe()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name string
		in   io.Reader
		stop context.Context
		code int
	}{
		{"yes", strings.NewReader("yes\n"), t.Context(), exitOK},
		{"no", strings.NewReader("y\n"), t.Context(), exitError},
		{"nobody", strings.NewReader(""), t.Context(), exitError},
		{"an interrupt while nothing is typed", never, stopped, exitError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &options{in: tt.in, out: io.Discard, errs: io.Discard}
			err := o.ask(t.Context(), tt.stop)
			var c *codeError
			if got := errors.As(err, &c); got != (tt.code != exitOK) || got && c.code != tt.code {
				t.Errorf("%v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&options{in: never, errs: io.Discard}).ask(ctx, t.Context()); err == nil {
		t.Error("the second interrupt is no answer")
	}
}

// A place that cannot be looked at makes a run fail, whatever else is done.
func TestJobsOfWhatIsUnread(t *testing.T) {
	now := &plan.Plan{Items: []*plan.Item{
		{Address: "certificate.a", Steps: []plan.Step{{Kind: plan.Issue}}},
		{Address: "certificate.b", Places: []plan.PlaceView{{Will: "unread"}}},
		{Address: "certificate.c", Warnings: []string{"something"}},
	}}
	if jobs := jobsOf(&session{}, plan.Facts{}, now, nil); len(jobs) != 2 || jobs[1].Item.Address != "certificate.b" {
		t.Errorf("%+v", jobs)
	}
}
