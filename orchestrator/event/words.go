package event

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Words says the event in a sentence for people, without the certificate it
// is about. Times are in loc (nil: this machine's). Every listener that writes
// for people says the same.
func (e Event) Words(loc *time.Location) string {
	if loc == nil {
		loc = time.Local
	}
	s := e.phrase(loc)
	if e.Zone != "" {
		s = "zone " + e.Zone + ": " + s
	}
	if e.Note != "" && e.Kind != Warned && e.Kind != Noted {
		s += ": " + e.Note
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Took >= 100*time.Millisecond {
		s += fmt.Sprintf(" (%.1f s)", e.Took.Seconds())
	}
	return s
}

func (e Event) phrase(loc *time.Location) string {
	switch e.Kind {
	case RunStarted:
		return "applying to " + e.count("certificate")
	case Surveyed:
		return "looked at the places of " + e.count("certificate")
	case Began:
		return "begun"
	case Waiting:
		return "waiting" + e.again(loc)
	case Claimed:
		return "key made and sealed"
	case Ordered:
		return join("ordered from", e.Issuer)
	case Presented:
		return join("TXT values written", e.through())
	case Propagating:
		return "not every server shows the TXT values yet"
	case Propagated:
		return "every server shows the TXT values"
	case Validated:
		return "the CA accepted the proof"
	case Issued:
		leaf := e.Leaf
		if len(leaf) > 12 {
			leaf = leaf[:12]
		}
		return fmt.Sprintf("issued, sha256 %s, until %s", leaf, e.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	case GaveUp:
		return "the order is given up and made anew"
	case FellBack:
		return "trying " + e.Issuer + " instead"
	case Putting:
		return e.Place + ": delivering"
	case Delivered:
		return e.Place + ": delivered"
	case Verifying:
		return e.Place + ": not serving it yet"
	case Verified:
		return e.Place + ": serves it"
	case Cleaned:
		return e.count("TXT value") + " removed"
	case Owing:
		return "done, but TXT values are left"
	case Retrying:
		// It is about a place, or about a zone's provider.
		if e.Place != "" {
			// What runs on tries again; an apply ends here.
			return e.Place + ": failed" + strings.Replace(e.again(loc), "again", "run tries it again", 1)
		}
		what := e.Provider
		if what != "" {
			what += ": "
		}
		return what + "failed" + e.again(loc)
	case Failed:
		return "failed"
	case Done:
		return "done"
	case Skipped:
		return "left alone"
	case Noted, Warned:
		return e.Note
	case Checked:
		return join(e.Provider, e.Issuer, "well")
	case Ailing:
		return join(e.Provider, e.Issuer, "not well")
	case RunEnded:
		return "ended"
	case ConfigLoaded:
		return "configuration loaded, " + e.count("certificate")
	case ConfigRefused:
		return "the new configuration is refused, the old one stays"
	}
	return string(e.Kind)
}

func (e Event) count(what string) string {
	if e.N != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", e.N, what)
}

func (e Event) through() string {
	if e.Provider == "" {
		return ""
	}
	return "through " + e.Provider
}

// again says until when, with the day where that is not the event's own.
func (e Event) again(loc *time.Location) string {
	if e.Until.IsZero() {
		return ""
	}
	layout := "15:04:05"
	if u, t := e.Until.In(loc), e.Time.In(loc); u.YearDay() != t.YearDay() || u.Year() != t.Year() {
		layout = "2006-01-02 15:04:05"
	}
	return ", again at " + e.Until.In(loc).Format(layout)
}

func join(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}
