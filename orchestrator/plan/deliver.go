package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/sinks"
)

// deliveries adds the steps and views of places and endpoints: the difference
// between what they hold and the target bundle. With fresh a new bundle comes
// first and every place gets it.
func deliveries(it *Item, want Want, have *state.Record, seen Seen, now time.Time, fresh, patient bool) {
	target := have.Target()
	will := map[string]string{} // place ID -> what happens
	for _, p := range want.Places {
		v, step := place(p, have, seen.Places[p.ID], target, fresh)
		if v.Will == "unread" || seen.Places[p.ID].Unread != "" {
			it.Warnings = append(it.Warnings, fmt.Sprintf("%s could not be looked at: %s", p.ID, seen.Places[p.ID].Unread))
		}
		if step != nil {
			pause(step, have.Places[p.ID], now, patient && !fresh)
			it.Steps = append(it.Steps, *step)
		}
		will[p.ID] = v.Will
		it.Places = append(it.Places, v)
	}
	for _, e := range want.Endpoints {
		id := e.ID()
		s, looked := seen.Endpoints[id]
		v := EndpointView{ID: id, Addresses: s.Addresses, Will: "keep"}
		provers := proves(want, id)
		changing := fresh
		for _, p := range provers {
			switch will[p.ID] {
			case "create", "update", "repair", "activate", "adopt":
				changing = true
			}
		}
		switch {
		case !looked:
			v.Now = "not looked at"
		case target == nil:
			_, v.Now = s.Serves("-")
		default:
			ok, why := s.Serves(target.Leaf)
			v.Now = "serves it"
			if !ok {
				v.Now = why
				if !changing {
					v.Will = "prove"
				}
				if !changing && !stuck(provers, will) {
					if repair(it, want, have, id, why, provers, s, now, patient) {
						v.Will = "verify"
					}
				}
			}
		}
		if changing {
			v.Will = "verify"
		}
		it.Endpoints = append(it.Endpoints, v)
	}
}

// stuck reports whether none of the places that prove an endpoint can be
// changed: it has nothing to wait for then.
func stuck(provers []sinks.Place, will map[string]string) bool {
	for _, p := range provers {
		if w := will[p.ID]; w != "blocked" && w != "unread" {
			return false
		}
	}
	return len(provers) > 0
}

// proves lists the places that an endpoint proves, alone or with others.
func proves(want Want, endpoint string) []sinks.Place {
	var out []sinks.Place
	for _, p := range want.Places {
		for _, ids := range [][]string{p.Endpoints, p.Shared} {
			for _, id := range ids {
				if id == endpoint {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// repair adds the steps for an endpoint that does not serve what its places
// hold: they are activated again; where there is nothing to activate, or
// nobody answers at all, it is only looked at again.
func repair(it *Item, want Want, have *state.Record, endpoint, why string, provers []sinks.Place, s EndpointStatus, now time.Time, patient bool) (activated bool) {
	for _, p := range provers {
		i := slices.IndexFunc(it.Places, func(v PlaceView) bool { return v.ID == p.ID })
		if i < 0 || p.Passive || !s.answers() {
			continue
		}
		switch v := &it.Places[i]; v.Will {
		case "activate": // for another endpoint
			activated = true
		case "keep":
			// What it serves is said of the endpoint.
			v.Will, v.Why = "activate", endpoint+" does not serve it"
			step := Step{Kind: Put, Class: Drift, Place: p.ID, PlaceOp: "activate", Wave: p.Wave, Why: fmt.Sprintf("%s: %s", endpoint, why)}
			pause(&step, have.Places[p.ID], now, patient)
			it.Steps = append(it.Steps, step)
			activated = true
		}
	}
	if !activated {
		step := Step{Kind: Prove, Class: Drift, Place: endpoint, Why: why}
		for _, p := range provers {
			pause(&step, have.Places[p.ID], now, patient)
		}
		it.Steps = append(it.Steps, step)
	}
	return activated
}

func pause(step *Step, p *state.Place, now time.Time, patient bool) {
	if patient && p != nil && p.Tries != nil && p.Tries.Next.After(now) {
		step.WaitTill = p.Tries.Next.UTC().Format(time.RFC3339)
	}
}

// place decides one place. step is nil if nothing is to be done.
func place(p sinks.Place, have *state.Record, seen Place, target *state.Bundle, fresh bool) (PlaceView, *Step) {
	v := PlaceView{ID: p.ID, Target: p.Target, Wave: p.Wave, Will: "keep", Notes: append(p.Notes, seen.Held.Notes...)}
	line := have.Places[p.ID]
	if line == nil {
		line = &state.Place{}
	}
	do := func(op string, class Class, why string) (PlaceView, *Step) {
		v.Will, v.Why = op, why
		return v, &Step{Kind: Put, Class: class, Place: p.ID, PlaceOp: op, Wave: p.Wave, Why: why}
	}
	if p.Passive {
		v.Now = "fetches for itself"
		return v, nil
	}
	held := seen.Held
	v.Leaf, v.NotAfter = held.Leaf, held.NotAfter
	switch {
	case seen.Unread != "":
		v.Now, v.Will, v.Why = "not read: "+seen.Unread, "unread", seen.Hint
		switch {
		case fresh:
			return do("update", Intent, "the new certificate")
		case target != nil && line.Leaf != target.Leaf:
			// Whatever it holds: what is live was never delivered there.
			hint := v.Why
			_, step := do("unread", Intent, outstanding(line))
			v.Will, v.Why = "unread", hint
			return v, step
		}
		return v, nil
	case seen.Blind:
		return blind(v, line, target, fresh, do)
	case !seen.Exists:
		v.Now = "nothing"
		switch {
		case target == nil && !fresh:
			return v, nil
		case line.Leaf != "":
			return do("create", Drift, "what was delivered there is gone")
		}
		return do("create", Intent, "it is listed and holds nothing yet")
	}
	ours := have.Bundle(held.Leaf)
	v.Now = holds(held, ours, target)
	strange := held.Leaf == "" && (line.Leaf == "" && line.Putting == "" || held.Strange && held.Rev != line.Rev)
	if ours == nil && (held.Leaf != "" || strange) {
		return foreign(v, p, held, target, fresh, do)
	}
	switch {
	case fresh:
		return do("update", Intent, "the new certificate")
	case target == nil:
		return v, nil
	case held.Leaf == "":
		_, step := do("repair", Drift, "what is there is no certificate: "+held.Broken)
		v.Why = "what was delivered there has changed"
		return v, step
	case held.Leaf != target.Leaf && line.Leaf == target.Leaf:
		return do("update", Drift, "it was put back to an earlier certificate of ours")
	case held.Leaf != target.Leaf:
		return do("update", Intent, outstanding(line))
	case line.Putting != "":
		return do("activate", Intent, "the last delivery was interrupted; it is activated again")
	case held.Broken != "":
		return do("repair", Drift, held.Broken)
	case held.Chain != "" && held.Chain != target.Chain:
		return do("repair", Drift, "it holds the right certificate with another chain")
	}
	return v, nil
}

func outstanding(line *state.Place) string {
	if line.Tries != nil {
		return fmt.Sprintf("the new certificate; %d %s failed, last: %s", line.Tries.N, plural(line.Tries.N, "try", "tries"), line.Tries.Why)
	}
	return "the new certificate has not been delivered yet"
}

// blind decides for a sink that cannot look: the record says what it was
// given, and its endpoints say whether that is in use.
func blind(v PlaceView, line *state.Place, target *state.Bundle, fresh bool, do func(string, Class, string) (PlaceView, *Step)) (PlaceView, *Step) {
	v.Leaf, v.Now = line.Leaf, "cannot be looked at"
	switch {
	case fresh:
		return do("update", Intent, "the new certificate")
	case target == nil:
		return v, nil
	case line.Leaf == "":
		return do("create", Intent, "it is listed and was given nothing yet")
	case line.Leaf != target.Leaf:
		return do("update", Intent, outstanding(line))
	case line.Putting != "":
		return do("activate", Intent, "the last delivery was interrupted; it is activated again")
	}
	return v, nil
}

// foreign decides for a place with a certificate that we did not issue, or
// where something else lies though nothing of ours was ever put there: it is
// left alone without adopt, and one that outlives ours without adopt = "force".
func foreign(v PlaceView, p sinks.Place, held sinks.Held, target *state.Bundle, fresh bool, do func(string, Class, string) (PlaceView, *Step)) (PlaceView, *Step) {
	if target == nil && !fresh {
		return v, nil
	}
	outlives := target != nil && !fresh && held.NotAfter.After(target.NotAfter)
	switch {
	case p.Adopt == "" && held.Strange:
		v.Will = "blocked"
		v.Why = "what it holds was not put there by us, and cannot be read: " + held.Broken + "; if it may be replaced, say adopt = true in the sink"
	case p.Adopt == "" && held.Leaf == "":
		v.Will = "blocked"
		v.Why = "it holds something that is no certificate and was never ours; if it may be replaced, say adopt = true in the sink"
	case p.Adopt == "":
		v.Will = "blocked"
		v.Why = "it holds a certificate that is not ours; say adopt = true in the sink to replace it"
	case outlives && p.Adopt != "force":
		v.Will = "blocked"
		v.Why = fmt.Sprintf("the foreign certificate there is good until %s, longer than ours; say adopt = \"force\" to replace it", held.NotAfter.UTC().Format("2006-01-02"))
	default:
		return do("adopt", Intent, "what is there is not ours and is replaced (adopt)")
	}
	return v, &Step{Kind: Blocked, Class: Drift, Place: p.ID, Wave: p.Wave, Why: v.Why}
}

// holds says in words what a place holds.
func holds(held sinks.Held, ours, target *state.Bundle) string {
	if held.Leaf == "" {
		if held.Broken != "" {
			return "no certificate: " + held.Broken
		}
		return "no certificate"
	}
	until := ""
	if !held.NotAfter.IsZero() {
		until = ", until " + held.NotAfter.UTC().Format("2006-01-02")
	}
	id := "sha256 " + cert.Fingerprint(held.Leaf).Short()
	switch {
	case ours == nil:
		who := ""
		if held.Issuer != "" {
			who = ", by " + held.Issuer
		}
		return "a certificate that is not ours (" + id + who + until + ")"
	case target != nil && ours.Leaf == target.Leaf:
		return "the current certificate (" + id + until + ")"
	}
	return "an earlier certificate of ours (" + id + until + ")"
}
