package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/certform/certform/orchestrator/event"
)

// board is what a live table shows: one row a certificate that is under way,
// and counts of the rest. It is fed with events, draws nothing, and is used by
// one goroutine at a time.
type board struct {
	loc     *time.Location // of its clock
	total   int
	began   time.Time
	rows    map[string]*row
	active  []*row // in the order in which they began
	zones   map[string]*zoneRow
	done    int
	failed  int
	skipped int
	owing   int // done with TXT values left
	issued  int
	said    []said // lines to print above the table, once
}

// row is one certificate.
type row struct {
	name  string
	stage int
	words string
	since time.Time // when it entered this stage
	bad   bool      // something has gone wrong that may pass

	until             time.Time // of the certificate that was issued
	delivered, served int
}

// each is how many certificates a run may have for each to get a line of its
// own when it is done; the counts tell of more.
const each = 20

// zoneRow is what is told of a zone for all certificates that wait for it.
type zoneRow struct {
	words string
	at    time.Time
	bad   bool
}

// said is a line that stays above the table.
type said struct{ colour, text string }

// stages of a certificate, as a bar has them.
const (
	stageBegun = iota
	stageKey
	stageOrdered
	stagePropagated
	stageValidated
	stageIssued
	stagePutting
	stageDelivered
	stageVerified
)

func newBoard(now time.Time, loc *time.Location) *board {
	return &board{loc: loc, began: now, rows: map[string]*row{}, zones: map[string]*zoneRow{}}
}

// take takes one event.
func (b *board) take(e event.Event) {
	if e.Certificate == "" {
		b.shared(e)
		return
	}
	r := b.rows[e.Certificate]
	if r == nil {
		r = &row{name: strings.TrimPrefix(e.Certificate, "certificate."), since: e.Time}
		b.rows[e.Certificate] = r
		b.active = append(b.active, r)
	}
	enter := func(stage int, words string) {
		if stage > r.stage || stage == stageOrdered {
			r.stage, r.since = stage, e.Time
		}
		r.words, r.bad = words, false
	}
	r.count(e)
	switch e.Kind {
	case event.Began:
		enter(stageBegun, e.Note)
	case event.Claimed:
		enter(stageKey, "ordering from "+e.Issuer)
	case event.Ordered:
		enter(stageOrdered, "proving its names")
	case event.Propagated:
		enter(stagePropagated, "the CA looks at the proof")
	case event.Validated:
		enter(stageValidated, "the CA signs")
	case event.Issued:
		b.issued++
		enter(stageIssued, "issued, until "+e.NotAfter.UTC().Format("2006-01-02"))
	case event.Putting:
		enter(stagePutting, "delivering to "+e.Place)
	case event.Delivered:
		enter(stageDelivered, "delivered to "+e.Place)
	case event.Verifying:
		enter(stageDelivered, "not served yet: "+e.Place)
	case event.Verified:
		enter(stageVerified, "served: "+e.Place)
	case event.Waiting, event.Retrying, event.GaveUp, event.FellBack, event.Propagating:
		r.words, r.bad = e.Words(b.loc), true
		if e.Kind == event.Retrying || e.Kind == event.FellBack || e.Kind == event.GaveUp {
			b.say(yellow, e)
		}
		if e.Kind == event.GaveUp {
			r.stage, r.since = stageKey, e.Time
		}
	case event.Warned:
		b.say(yellow, e)
	case event.Failed:
		b.failed++
		b.end(r, e)
	case event.Skipped:
		b.skipped++
		b.end(r, e)
	case event.Owing:
		b.owing++
		b.end(r, e)
	case event.Done:
		b.done++
		b.end(r, e)
	}
}

// shared takes an event of the run, or of a zone that several wait for.
func (b *board) shared(e event.Event) {
	switch e.Kind {
	case event.RunStarted:
		b.total, b.began = e.N, e.Time
	case event.Presented, event.Propagating, event.Retrying:
		b.zones[e.Zone] = &zoneRow{words: e.Words(b.loc), at: e.Time, bad: e.Kind == event.Retrying}
	case event.Propagated, event.Cleaned:
		delete(b.zones, e.Zone)
	case event.RunEnded, event.Surveyed:
	default:
		b.say(yellow, e)
	}
}

// end takes a row off the table; what went wrong stays above it.
func (b *board) end(r *row, e event.Event) {
	switch e.Kind {
	case event.Done:
		if b.total <= each {
			e.Note = r.result()
			b.say(green, e)
		}
	case event.Failed:
		b.say(red, e)
	default:
		b.say(yellow, e)
	}
	b.active = slices.DeleteFunc(b.active, func(o *row) bool { return o == r })
}

// count notes what result tells.
func (r *row) count(e event.Event) {
	switch e.Kind {
	case event.Issued:
		r.until = e.NotAfter
	case event.Delivered:
		r.delivered++
	case event.Verified:
		r.served++
	}
}

// result is what was done for a certificate.
func (r *row) result() string {
	var parts []string
	if !r.until.IsZero() {
		parts = append(parts, "issued, until "+stamp(r.until))
	}
	if r.delivered > 0 {
		parts = append(parts, fmt.Sprintf("%d %s delivered", r.delivered, plural(r.delivered, "place", "places")))
	}
	if r.served > 0 {
		parts = append(parts, fmt.Sprintf("%d %s it", r.served, plural(r.served, "endpoint serves", "endpoints serve")))
	}
	return strings.Join(parts, ", ")
}

func (b *board) say(colour string, e event.Event) {
	who := e.Certificate
	if who != "" {
		who += ": "
	}
	b.said = append(b.said, said{colour, e.Time.In(b.loc).Format("15:04:05") + "  " + indent(who+e.Words(b.loc), "          ")})
}

// frame is the table at one moment, at most height lines of at most width
// columns; paint colours a piece of text.
func (b *board) frame(now time.Time, width, height int, paint func(colour, s string) string) []string {
	var out []string
	room := max(1, height-2)
	zones := make([]string, 0, len(b.zones))
	for name := range b.zones {
		zones = append(zones, name)
	}
	slices.Sort(zones)
	zoneLines := min(len(zones), 3, room/3)
	room -= zoneLines
	rows := b.active
	if len(rows) > room {
		room--
		// Those in trouble are shown first, then those that began first.
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, func(a, c *row) int { return bit(c.bad) - bit(a.bad) })
		rows = rows[:max(0, room)]
	}
	column := 12
	for _, r := range rows {
		column = max(column, utf8.RuneCountInString(r.name))
	}
	column = min(column, max(12, width/3))
	for _, r := range rows {
		out = append(out, r.line(now, width, column, paint))
	}
	if left := len(b.active) - len(rows); left > 0 {
		out = append(out, paint(dim, cut(fmt.Sprintf("  and %d more under way", left), width)))
	}
	for _, name := range zones[:zoneLines] {
		z := b.zones[name]
		colour := cyan
		if z.bad {
			colour = yellow
		}
		out = append(out, paint(colour, cut("  "+strings.ReplaceAll(z.words, "\n", " "), width)))
	}
	out = append(out, paint(bold, cut(b.summary(now), width)))
	return out
}

// line is one row: a bar, the name, how long it has been there, and words.
func (r *row) line(now time.Time, width, column int, paint func(colour, s string) string) string {
	const bar = stageVerified
	colour := cyan
	if r.bad {
		colour = yellow
	}
	drawn := strings.Repeat("█", r.stage) + strings.Repeat("░", bar-r.stage)
	name := cut(r.name, column)
	name += strings.Repeat(" ", column-utf8.RuneCountInString(name))
	head := fmt.Sprintf("  %s %s %5s  ", drawn, name, short(now.Sub(r.since)))
	words := cut(strings.ReplaceAll(r.words, "\n", " "), max(0, width-utf8.RuneCountInString(head)))
	return "  " + paint(colour, drawn) + head[2+len(drawn):] + words
}

func (b *board) summary(now time.Time) string {
	left := max(0, b.total-b.done-b.failed-b.skipped-b.owing-len(b.active))
	parts := []string{fmt.Sprintf("%d of %d done", b.done, max(b.total, len(b.rows)))}
	for _, p := range []struct {
		n    int
		what string
	}{{len(b.active), "under way"}, {left, "to begin"}, {b.issued, "issued"}, {b.failed, "failed"}, {b.owing, "with TXT values left"}, {b.skipped, "left alone"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ") + " · " + short(now.Sub(b.began))
}

// short writes a duration in at most five columns.
func short(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02d", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02d", int(d.Hours()), int(d.Minutes())%60)
}

// cut makes s fit n columns.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n < 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
