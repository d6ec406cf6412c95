package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
)

// Decide says everything a plan says of one certificate. have is nil for a
// certificate without a record. With patient the pauses between tries are
// kept. It changes none of its arguments.
func Decide(want Want, have *state.Record, seen Seen, now time.Time, patient bool) *Item {
	if have == nil {
		have = &state.Record{Address: want.Address}
	}
	return decide(want, have, seen, now, patient, issuance(want, have, now))
}

// Again decides an item anew on what is known now. An order stays only if the
// item had one: what it left to upkeep is not begun behind its back.
func Again(it *Item, want Want, have *state.Record, seen Seen, now time.Time, patient bool) *Item {
	order := issuance(want, have, now)
	if it.Issues() == nil {
		order = nil
	}
	return decide(want, have, seen, now, patient, order)
}

// decide is Decide with the order already decided: nil for none.
func decide(want Want, have *state.Record, seen Seen, now time.Time, patient bool, order *Step) *Item {
	it := &Item{
		Address: want.Address,
		Source:  want.Source,
		KeyType: want.KeyType,
		Profile: want.Profile,
		Live:    have.Live,
		Owed:    have.Owed,
		Busy:    seen.Busy,
		Basis:   BasisOf(want, have, seen),
	}
	if len(want.Issuers) > 0 {
		it.Issuer, it.CA = want.Issuers[0].Address, want.Issuers[0].CA
	}
	for _, n := range want.Names {
		v, ok := seen.Names[n.Value]
		if !ok {
			v = Name{Name: n.Value}
		}
		v.Unicode = n.Unicode()
		it.Names = append(it.Names, v)
		for _, w := range v.Warnings { // what is said of a zone comes with each of its names
			if !slices.Contains(it.Warnings, w) {
				it.Warnings = append(it.Warnings, w)
			}
		}
		if v.Err != "" {
			it.Errors = append(it.Errors, fmt.Sprintf("name %s: %s", v.Name, v.Err))
		}
		for _, why := range v.Broken {
			it.Errors = append(it.Errors, fmt.Sprintf("name %s: %s", v.Name, why))
		}
		if why := "who answers the challenge could not be found out: " + v.Unknown; v.Unknown != "" && !slices.Contains(it.Warnings, why) {
			it.Warnings = append(it.Warnings, why)
		}
	}
	if b := have.Live; b != nil {
		it.RenewAt, it.RenewWhy = Moment(want.Address, b, have.Renewal)
		it.Deadline = Deadline(b)
	}

	if order != nil {
		if until := Paused(want, have, now); patient && !until.IsZero() {
			order.WaitTill = until.UTC().Format(time.RFC3339)
		}
		if order.Urgent {
			it.Warnings = append(it.Warnings, fmt.Sprintf("%s has only until %s: it is renewed by any apply",
				want.Address, have.Live.NotAfter.UTC().Format("2006-01-02 15:04 MST")))
		}
		it.Steps = append(it.Steps, *order)
		refusals(it, want, have, now)
	}
	// Nothing new comes of an order that cannot be made: the places keep, and are
	// kept right by, what is live.
	fresh := order != nil && order.WaitTill == "" && len(it.Errors) == 0
	deliveries(it, want, have, seen, now, fresh, patient)
	if len(have.Owed) > 0 {
		it.Steps = append(it.Steps, Step{Kind: Clean, Class: Intent, Why: owedWhy(have.Owed)})
	}
	return it
}

func owedWhy(owed []state.Value) string {
	why := fmt.Sprintf("%d TXT %s of an earlier order may still be in DNS", len(owed), plural(len(owed), "value", "values"))
	for _, v := range owed {
		if v.Why != "" {
			return why + ": " + v.Name + ": " + v.Why
		}
	}
	return why
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// BasisOf is what a certificate's steps rest on now.
func BasisOf(want Want, have *state.Record, seen Seen) Basis {
	b := Basis{Places: map[string]cert.Fingerprint{}}
	if have != nil {
		if have.Live != nil {
			b.Live = have.Live.Leaf
		}
		if have.Work != nil {
			b.Work = have.Work.Account + " " + have.Work.ID
		}
	}
	for _, p := range want.Places {
		if s, ok := seen.Places[p.ID]; ok && s.Exists {
			b.Places[p.ID] = s.Held.Leaf
		}
	}
	return b
}

// issuance decides whether a certificate must be ordered.
func issuance(want Want, have *state.Record, now time.Time) *Step {
	live := have.Live
	if w := have.Work; w != nil {
		if why := unwanted(want, w); why != "" {
			return &Step{Kind: Issue, Class: Intent, Why: "the order under way is given up: " + why}
		}
		return &Step{Kind: Resume, Class: Intent, Why: fmt.Sprintf("an order begun %s is under way (%s)", w.Begun.UTC().Format("2006-01-02 15:04 MST"), w.Phase)}
	}
	if live == nil {
		why := "new in the configuration"
		if t := Failures(want, have, firstIssuer(want)); t != nil {
			why = fmt.Sprintf("not issued yet: %d %s failed, last: %s", t.N, plural(t.N, "try", "tries"), t.Why)
		}
		return &Step{Kind: Issue, Class: Intent, Why: why}
	}
	if have.Wanted == "" {
		if why := differs(want, live); why != "" {
			return &Step{Kind: Issue, Class: Intent, Why: why}
		}
	}
	at, why := Moment(want.Address, live, have.Renewal)
	// After a rollback it is the end of what is served that counts, too.
	end, deadline := live.NotAfter, Deadline(live)
	if b := have.Target(); b.NotAfter.Before(end) {
		end, deadline = b.NotAfter, Deadline(b)
	}
	switch {
	case live.KeyLost:
		return &Step{Kind: Issue, Class: Drift, Why: "its private key is lost: it can be delivered nowhere any more"}
	case !now.Before(end):
		return &Step{Kind: Renew, Class: Time, Urgent: true, Why: "it expired " + end.UTC().Format("2006-01-02 15:04 MST")}
	case !now.Before(deadline):
		return &Step{Kind: Renew, Class: Time, Urgent: true, Why: "little of its life is left, until " + end.UTC().Format("2006-01-02 15:04 MST")}
	case !now.Before(at):
		return &Step{Kind: Renew, Class: Time, Why: fmt.Sprintf("due since %s by %s", at.UTC().Format("2006-01-02 15:04 MST"), why)}
	}
	return nil
}

func firstIssuer(want Want) string {
	if len(want.Issuers) == 0 {
		return ""
	}
	return want.Issuers[0].Address
}

// unwanted says why an order under way is not what is wanted any more.
func unwanted(want Want, w *state.Work) string {
	if !slices.Equal(w.Names, sortedNames(want)) {
		return "the names have changed"
	}
	if w.KeyType != want.KeyType {
		return "the key type has changed"
	}
	if w.Profile != want.Profile {
		return "the profile has changed"
	}
	if !slices.ContainsFunc(want.Issuers, func(i Issuer) bool { return i.Account == w.Account }) {
		return "its issuer is no longer listed"
	}
	return ""
}

func sortedNames(want Want) []string {
	names := cert.Values(want.Names)
	slices.Sort(names)
	return slices.Compact(names)
}

// differs says how the live bundle is not what is wanted, "" if it is.
func differs(want Want, live *state.Bundle) string {
	names := sortedNames(want)
	if !slices.Equal(names, live.Names) {
		var parts []string
		for _, n := range names {
			if !slices.Contains(live.Names, n) {
				parts = append(parts, "+"+n)
			}
		}
		for _, n := range live.Names {
			if !slices.Contains(names, n) {
				parts = append(parts, "-"+n)
			}
		}
		return "the names have changed: " + strings.Join(parts, " ")
	}
	if live.KeyType != want.KeyType {
		return fmt.Sprintf("the key type has changed: %s to %s", live.KeyType, want.KeyType)
	}
	if live.Profile != want.Profile {
		return fmt.Sprintf("the profile has changed: %q to %q", live.Profile, want.Profile)
	}
	if !slices.ContainsFunc(want.Issuers, func(i Issuer) bool { return i.Account == live.Account }) {
		return fmt.Sprintf("the issuer has changed: %s to %s", live.Issuer, firstIssuer(want))
	}
	return ""
}
