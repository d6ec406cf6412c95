package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// showStatus prints a line for each certificate at rest, and a paragraph for
// the others.
func (o *options) showStatus(doc *statusDoc) error {
	v := &statusView{o: o, w: o.out, now: doc.AsOf}
	if !doc.Exists {
		v.line("There is no state yet at %s: nothing was applied.", doc.State)
	}
	rest, unknown := 0, 0
	for _, c := range doc.Certificates {
		if c.Rest {
			rest++
		}
		if !c.Configured {
			unknown++
		}
		v.certificate(c)
	}
	if n := len(doc.Certificates); n > 0 {
		v.line("")
		counts := fmt.Sprintf("%d %s, %d at rest", n, plural(n, "certificate", "certificates"), rest)
		if unknown > 0 {
			counts += fmt.Sprintf(", %d not in the configuration", unknown)
		}
		v.line("%s.", counts)
	}
	if !doc.Exists {
		return v.err
	}
	switch u := doc.Upkeep; {
	case u == nil:
		v.line("Nothing has done upkeep yet: \"certform run\" or \"certform apply -auto-approve -upkeep=only\" renews what is due.")
	default:
		v.line("Upkeep was last done %s (%s) by certform %s, pid %d on %s.", stamp(u.At), since(doc.AsOf.Sub(u.At)), u.Command, u.PID, u.Host)
	}
	for _, r := range doc.Runners {
		v.line("At work: %s.", r)
	}
	return v.err
}

type statusView struct {
	o   *options
	w   io.Writer
	now time.Time
	err error
}

func (v *statusView) line(format string, args ...any) {
	if v.err == nil {
		_, v.err = fmt.Fprintln(v.w, strings.TrimRight(v.o.glyph(fmt.Sprintf(format, args...)), " "))
	}
}

func (v *statusView) paint(sgr, s string) string { return v.o.paintFor(v.w, sgr, s) }

// field is a line of a paragraph.
func (v *statusView) field(colour, word, text string) {
	v.line("    %s %s", v.paint(colour, fmt.Sprintf("%-8s", word)), indent(text, "             "))
}

func (v *statusView) certificate(c certStatus) {
	if c.Rest && !v.o.full {
		v.line("%s %s   until %s, renewal %s   %s", v.paint(bold+green, v.o.glyph("✓")), v.paint(bold, c.Address),
			c.Live.NotAfter.UTC().Format("2006-01-02"), v.renewal(c), counted(c))
		return
	}
	colour, mark := yellow, "!"
	switch {
	case c.Rest:
		colour, mark = green, "✓"
	case c.Short || c.Live == nil && c.Configured:
		colour, mark = red, "✗"
	}
	v.line("%s %s   %s", v.paint(bold+colour, v.o.glyph(mark)), v.paint(bold, c.Address), someNames(c.Names))
	if !c.Configured {
		v.field(yellow, "config", "it is not in the configuration")
	}
	v.live(c)
	if w := c.Work; w != nil {
		v.field(cyan, "work", fmt.Sprintf("%s at %s, begun %s", w.Phase, w.Issuer, stamp(w.Begun)))
	}
	if c.Owner != "" {
		v.field(cyan, "owner", c.Owner+" works on it now")
	}
	for _, t := range c.Tries {
		v.field(red, "issuer", t.Of+": "+v.tries(t))
	}
	for _, p := range c.Places {
		v.place(p)
	}
	for _, e := range c.Endpoints {
		if e.Serves {
			v.field("", "endpoint", e.ID+" serves it")
		} else {
			v.field(red, "endpoint", e.ID+": "+e.Why)
		}
	}
	for _, owed := range c.Owed {
		text := fmt.Sprintf("TXT %s %q in zone %s, through %s", bare(owed.Name), owed.Value, bare(owed.Zone), owed.Provider)
		if owed.Why != "" {
			text += ": " + owed.Why
		}
		v.field(yellow, "owed", text)
	}
}

func (v *statusView) live(c certStatus) {
	live := c.Live
	if live == nil {
		v.field(red, "live", "nothing is issued yet")
		return
	}
	text := fmt.Sprintf("until %s (%s), %s, %s, sha256 %s", stamp(live.NotAfter), v.left(live.NotAfter), live.Issuer, live.KeyType, live.Leaf.Short())
	colour := ""
	if c.Short {
		colour = bold + red
		text = v.paint(colour, text)
	}
	v.field(colour, "live", text)
	v.field("", "renewal", v.renewal(c)+" by "+c.RenewWhy)
}

func (v *statusView) renewal(c certStatus) string {
	text := c.RenewAt.UTC().Format("2006-01-02")
	if c.Due {
		return v.paint(yellow, "due since "+text)
	}
	return text
}

func (v *statusView) place(p placeStatus) {
	what, colour := "", ""
	switch p.Holds {
	case "current":
		what = "holds it"
		if p.Proven {
			what += ", and was seen to serve it"
		}
	case "unknown":
		what, colour = "held it, and its last delivery did not come to a good end", yellow
	case "earlier":
		what, colour = "holds an earlier certificate", yellow
	case "nothing":
		what, colour = "was given nothing yet", yellow
	case "itself":
		what = "fetches for itself"
	}
	if !p.Wanted {
		what += "; it is not in the configuration any more"
	}
	if p.Tries != nil {
		what, colour = what+"; "+v.tries(*p.Tries), red
	}
	v.field(colour, "place", p.ID+": "+what)
}

func (v *statusView) tries(t triesStatus) string {
	next := "run tries it again now"
	if t.Next.After(v.now) {
		next = "run tries it again " + stamp(t.Next)
	}
	return fmt.Sprintf("%d %s failed, %s: %s", t.N, plural(t.N, "try", "tries"), next, t.Why)
}

// left says how much life is left.
func (v *statusView) left(until time.Time) string {
	d := until.Sub(v.now)
	if d <= 0 {
		return "expired " + since(-d)
	}
	return ago(d)
}

// since writes how long ago something was.
func since(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return ago(d) + " ago"
}

// ago writes a duration in one unit.
func ago(d time.Duration) string {
	days := int(d / (24 * time.Hour))
	hours, minutes := int(d.Hours()), int(d.Minutes())
	switch {
	case days >= 2:
		return fmt.Sprintf("%d days", days)
	case hours >= 2:
		return fmt.Sprintf("%d hours", hours)
	}
	if seconds := int(d.Seconds()); minutes == 0 {
		return fmt.Sprintf("%d %s", seconds, plural(seconds, "second", "seconds"))
	}
	return fmt.Sprintf("%d %s", minutes, plural(minutes, "minute", "minutes"))
}

// counted counts the places and endpoints of a certificate at rest.
func counted(c certStatus) string {
	var parts []string
	if n := len(c.Places); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s it", n, plural(n, "place holds", "places hold")))
	}
	if n := len(c.Endpoints); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s it", n, plural(n, "endpoint serves", "endpoints serve")))
	}
	return strings.Join(parts, ", ")
}

func someNames(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
