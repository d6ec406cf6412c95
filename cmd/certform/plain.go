package main

import (
	"fmt"
	"io"
	"time"

	"github.com/certform/certform/orchestrator/event"
)

// plainListener writes lines, for logs and CI. loc is where its clock is; nil:
// this machine's.
func plainListener(w io.Writer, loc *time.Location) event.Listener {
	if loc == nil {
		loc = time.Local
	}
	p := &plainLines{rows: map[string]*row{}}
	return func(e event.Event) {
		e, ok := p.line(e)
		if !ok {
			return
		}
		who := e.Certificate
		if who != "" {
			who += ": "
		}
		// A broken pipe must not stop an apply.
		_, _ = fmt.Fprintf(w, "%s  %s%s\n", e.Time.In(loc).Format("15:04:05"), who, indent(e.Words(loc), "          "))
	}
}

// plainLines chooses what becomes a line. A few certificates have one for each
// step; of many, each has one at its end, and what goes wrong on the way.
type plainLines struct {
	many bool
	rows map[string]*row
}

// line is e as it is to be said; not ok: it is not.
func (p *plainLines) line(e event.Event) (said event.Event, ok bool) {
	if e.Certificate == "" {
		if e.Kind == event.RunStarted {
			p.many = e.N > each
		}
		return e, true
	}
	r := p.rows[e.Certificate]
	if r == nil {
		r = &row{}
		p.rows[e.Certificate] = r
	}
	r.count(e)
	switch e.Kind {
	case event.Propagated, event.Cleaned:
		return e, false // the line of the zone says it for all
	case event.Began:
		r.words = e.Note
		return e, !p.many
	case event.Putting:
		if e.Note == r.words {
			e.Note = "" // it is why all of it was begun
		}
		return e, !p.many
	case event.Claimed, event.Ordered, event.Validated, event.Issued, event.Delivered, event.Verified:
		return e, !p.many
	case event.Done:
		if p.many {
			e.Note = r.result()
		}
		delete(p.rows, e.Certificate)
	}
	return e, true
}
