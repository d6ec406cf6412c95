package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/world"
)

// view shows a run: events as they happen, the report at the end.
type view struct {
	o      *options
	Listen event.Listener
	screen *screen // nil: no live table
}

// view chooses between JSON lines, a live table and plain lines.
func (o *options) view() *view {
	v := &view{o: o}
	switch {
	case o.json:
		v.Listen = event.Tee(jsonListener(o.out))
	case o.terminal(o.errs):
		v.screen = newScreen(o)
		o.live.Store(v.screen)
		v.Listen = event.Tee(v.screen.Listen)
	default:
		v.Listen = event.Tee(plainListener(o.errs, nil))
	}
	return v
}

// progress is the listener of a survey: silent but for warnings.
func (o *options) progress() event.Listener {
	if o.json {
		return event.Tee(jsonListener(o.out))
	}
	return event.Tee(func(e event.Event) {
		if e.Kind == event.Warned {
			fmt.Fprintf(o.errs, "%s %s\n", o.paint(bold+yellow, "Warning:"), e.Words(nil))
		}
	})
}

// journal is the listener of `run`: a log on standard error, or JSON lines.
func (o *options) journal() event.Listener {
	if o.json {
		return event.Tee(jsonListener(o.out))
	}
	return event.Tee(event.Log(slog.NewTextHandler(o.errs, nil)))
}

// note says something that is no event, above a live table.
func (o *options) note(s string) {
	if o.json {
		_ = writeJSON(o.out, line{Type: "note", Time: time.Now().UTC(), Level: "info", Message: s})
		return
	}
	if live := o.live.Load(); live == nil || !live.Say(s) {
		fmt.Fprintln(o.errs, s)
	}
}

// Close ends a live view; it may be repeated.
func (v *view) Close() {
	if v.screen != nil {
		v.screen.Close()
		v.o.live.CompareAndSwap(v.screen, nil)
	}
}

// statuses are those of a report, in the order in which it tells them.
var statuses = []apply.Status{apply.Done, apply.Failed, apply.Blocked, apply.Owing, apply.Held, apply.Stale, apply.Interrupted}

// reportLine is the end of a run for programs.
type reportLine struct {
	Type      string         `json:"type"`
	Time      time.Time      `json:"@timestamp"`
	Outcomes  map[string]int `json:"outcomes"`
	Issued    int            `json:"issued"`
	Delivered int            `json:"delivered"`
	Seconds   float64        `json:"took_seconds"`
	Exit      int            `json:"exit_code"`
}

// outcomeLine is what became of one certificate, for programs.
type outcomeLine struct {
	Type        string       `json:"type"`
	Time        time.Time    `json:"@timestamp"`
	Certificate string       `json:"certificate"`
	Status      apply.Status `json:"status"`
	Issued      bool         `json:"issued"`
	Delivered   int          `json:"delivered"`
	Error       string       `json:"error,omitempty"`
	Advice      []string     `json:"advice,omitempty"`
}

// Report prints what became of the run: each certificate that is not done with
// its error and advice, then the counts.
func (v *view) Report(r apply.Report, took time.Duration) {
	v.Close()
	sum := reportLine{Type: "apply_summary", Time: time.Now().UTC(), Outcomes: map[string]int{}, Seconds: took.Seconds(), Exit: r.Code()}
	for _, out := range r.Outcomes {
		sum.Outcomes[string(out.Status)]++
		sum.Delivered += out.Puts
		if out.Issued {
			sum.Issued++
		}
	}
	if v.o.json {
		for _, out := range r.Outcomes {
			l := outcomeLine{Type: "outcome", Time: sum.Time, Certificate: out.Address, Status: out.Status, Issued: out.Issued, Delivered: out.Puts}
			if out.Err != nil {
				l.Error, l.Advice = out.Err.Error(), world.Advice(out.Err)
			}
			_ = writeJSON(v.o.out, l)
		}
		_ = writeJSON(v.o.out, sum)
		return
	}
	w := v.o.errs
	for _, status := range statuses {
		for _, out := range r.Outcomes {
			if out.Status == status && out.Err != nil {
				v.failed(w, out)
			}
		}
	}
	parts := []string{fmt.Sprintf("%d issued", sum.Issued), fmt.Sprintf("%d delivered", sum.Delivered)}
	for _, s := range statuses {
		if n := sum.Outcomes[string(s)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, inWords(s)))
		}
	}
	colour := green
	if sum.Exit != exitOK {
		colour = red
	}
	fmt.Fprintf(w, "\n%s %s, in %.1f s.\n", v.o.paint(bold+colour, "Applied:"), strings.Join(parts, ", "), took.Seconds())
}

// failed prints one certificate that is not done.
func (v *view) failed(w io.Writer, out apply.Outcome) {
	colour, mark := red, "✗"
	if out.Status == apply.Owing || out.Status == apply.Held || out.Status == apply.Stale {
		colour, mark = yellow, "!"
	}
	fmt.Fprintf(w, "\n%s %s %s\n  %s\n", v.o.paint(bold+colour, v.o.glyph(mark)), v.o.paint(bold, out.Address), inWords(out.Status), indent(out.Err.Error(), "  "))
	v.o.advise(w, out.Err)
}

// inWords says a status to people.
func inWords(s apply.Status) string {
	switch s {
	case apply.Owing:
		return "done with TXT values left in DNS"
	case apply.Held:
		return "held by another runner"
	}
	return string(s)
}
