package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/state"
)

// CAA is one CAA record (RFC 8659) that counts for a name.
type CAA struct {
	Owner string `json:"owner"` // with a trailing dot
	Flag  uint8  `json:"flag"`
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// String is the record as a zone file has it.
func (c CAA) String() string {
	return fmt.Sprintf("%s CAA %d %s %q", c.Owner, c.Flag, c.Tag, c.Value)
}

// Verdict is what CAA records say of an issuer.
type Verdict string

// The verdicts.
const (
	Allowed   Verdict = "allowed"
	Forbidden Verdict = "forbidden"
	Unknown   Verdict = "unknown" // it is not known by which names the CA goes
)

// dns01 is the method by which names are proven here (RFC 8555, section 8.4).
const dns01 = "dns-01"

// MayIssue says whether set, the records that count for name, lets issuer
// issue for it, as RFC 8659 and RFC 8657 have a CA decide, and if not which
// record forbids it.
func MayIssue(i Issuer, name string, set []CAA) (v Verdict, why string) {
	for _, c := range set {
		if c.Flag&128 != 0 && !knownTag(c.Tag) {
			return Forbidden, fmt.Sprintf("%s is critical and CAs do not know what it means, so nobody may issue", c)
		}
	}
	tag := "issue"
	if strings.HasPrefix(name, "*.") && slices.ContainsFunc(set, func(c CAA) bool { return strings.EqualFold(c.Tag, "issuewild") }) {
		tag = "issuewild"
	}
	var relevant, others []CAA
	var reasons []string
	for _, c := range set {
		if !strings.EqualFold(c.Tag, tag) {
			continue
		}
		relevant = append(relevant, c)
		domain, params, ok := issueValue(c.Value)
		if !ok || !slices.ContainsFunc(i.CAA, func(id string) bool { return strings.EqualFold(id, domain) }) {
			others = append(others, c)
			continue
		}
		reason := unmet(i, params)
		if reason == "" {
			return Allowed, ""
		}
		reasons = append(reasons, fmt.Sprintf("%s %s", c, reason))
	}
	switch {
	case len(relevant) == 0:
		return Allowed, ""
	case len(reasons) > 0:
		return Forbidden, strings.Join(reasons, "; ")
	case !slices.ContainsFunc(others, namesACA):
		return Forbidden, fmt.Sprintf("nobody may issue by %s", listed(others))
	case len(i.CAA) == 0:
		return Unknown, listed(others)
	}
	return Forbidden, fmt.Sprintf("%s %s not name it (%s)", listed(others), plural(len(others), "does", "do"), strings.Join(i.CAA, ", "))
}

// namesACA reports whether any CA may issue by an issue or issuewild record.
func namesACA(c CAA) bool {
	domain, _, ok := issueValue(c.Value)
	return ok && domain != ""
}

func listed(set []CAA) string {
	texts := make([]string, len(set))
	for n, c := range set {
		texts[n] = c.String()
	}
	return strings.Join(texts, ", ")
}

// knownTag reports whether CAs know a property (RFC 8659, RFC 9495, and the
// registry of CAA properties).
func knownTag(tag string) bool {
	switch strings.ToLower(tag) {
	case "issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone":
		return true
	}
	return false
}

// parameter is one tag=value of an issue record.
type parameter struct{ tag, value string }

// issueValue takes the value of an issue or issuewild record apart (RFC 8659,
// section 4.2); one that is malformed names nobody.
func issueValue(value string) (domain string, params []parameter, ok bool) {
	parts := strings.Split(value, ";")
	domain = strings.Trim(parts[0], " \t")
	if domain != "" {
		for label := range strings.SplitSeq(domain, ".") {
			if !word(label) {
				return "", nil, false
			}
		}
	}
	parts = parts[1:]
	if len(parts) == 1 && strings.Trim(parts[0], " \t") == "" {
		return domain, nil, true
	}
	for _, p := range parts {
		tag, v, found := strings.Cut(p, "=")
		tag, v = strings.Trim(tag, " \t"), strings.Trim(v, " \t")
		if !found || !word(tag) || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", nil, false
		}
		params = append(params, parameter{tag, v})
	}
	return domain, params, true
}

// word reports whether s is letters and digits with hyphens between them.
func word(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[len(s)-1] != '-'
}

// unmet says which parameter of a record that names the CA is not fulfilled
// (RFC 8657), "" if all are. Those that are not known bind nobody here: it is
// the CA that gives them their meaning.
func unmet(i Issuer, params []parameter) string {
	var accounts, methods []string
	for _, p := range params {
		switch strings.ToLower(p.tag) {
		case "accounturi":
			accounts = append(accounts, p.value)
		case "validationmethods":
			methods = append(methods, p.value)
		}
	}
	switch {
	case len(accounts) > 1:
		return "says accounturi twice, which no account fulfils"
	case len(methods) > 1:
		return "says validationmethods twice, which no method fulfils"
	case len(methods) == 1 && !slices.Contains(strings.Split(methods[0], ","), dns01):
		return fmt.Sprintf("allows the methods %s and not %s", methods[0], dns01)
	case len(accounts) == 1 && i.AccountURL == "":
		return fmt.Sprintf("allows only the account %s, and there is no account in the state yet", accounts[0])
	case len(accounts) == 1 && i.AccountURL != accounts[0]:
		return fmt.Sprintf("allows only the account %s, and ours is %s", accounts[0], i.AccountURL)
	}
	return ""
}

// Refusal is why one issuer may not, or perhaps may not, issue for names.
type Refusal struct {
	Issuer  string   `json:"issuer"`
	Names   []string `json:"names"`
	Verdict Verdict  `json:"verdict"`
	Why     string   `json:"why"`
}

// String is the refusal for people.
func (r Refusal) String() string {
	names := r.Names
	more := ""
	if len(names) > 5 {
		names, more = names[:5], fmt.Sprintf(" and %d more", len(names)-5)
	}
	of := strings.Join(names, ", ") + more
	if r.Verdict == Unknown {
		return fmt.Sprintf("whether %s may issue for %s is not known: its CA's names are not (caa_identities of the issuer says them), and there is %s", r.Issuer, of, r.Why)
	}
	return fmt.Sprintf("%s may not issue for %s: %s", r.Issuer, of, r.Why)
}

// Refusals is what CAA records say against one issuer, names with the same
// reason together, in the order of names.
func Refusals(i Issuer, names []string, caa func(name string) []CAA) (out []Refusal) {
	for _, name := range names {
		v, why := MayIssue(i, name, caa(name))
		if v == Allowed {
			continue
		}
		n := slices.IndexFunc(out, func(r Refusal) bool { return r.Verdict == v && r.Why == why })
		if n < 0 {
			n = len(out)
			out = append(out, Refusal{Issuer: i.Address, Verdict: v, Why: why})
		}
		out[n].Names = append(out[n].Names, name)
	}
	return out
}

// forbids reports whether one of the refusals is certain.
func forbids(list []Refusal) bool {
	return slices.ContainsFunc(list, func(r Refusal) bool { return r.Verdict == Forbidden })
}

// refusals adds what CAA records say of each issuer of the list. That the
// first may not issue is an error, unless a fallback may be asked by now and
// is not forbidden either: what is said of that one is a warning.
func refusals(it *Item, want Want, have *state.Record, now time.Time) {
	var names []string
	for _, n := range it.Names {
		names = append(names, n.Name)
	}
	all := make([][]Refusal, len(want.Issuers))
	usable := -1
	for i, issuer := range want.Issuers {
		all[i] = Refusals(issuer, names, func(name string) []CAA {
			n := slices.IndexFunc(it.Names, func(n Name) bool { return n.Name == name })
			return it.Names[n].CAA
		})
		if usable < 0 && !forbids(all[i]) && MayAsk(want, have, i, now) {
			usable = i
		}
		it.Refused = append(it.Refused, all[i]...)
	}
	for i, list := range all {
		for _, r := range list {
			if r.Verdict == Forbidden && i == 0 && usable < 0 {
				it.Errors = append(it.Errors, r.String()+later(want, have, all, now))
			} else {
				it.Warnings = append(it.Warnings, r.String())
			}
		}
	}
}

// later says from when on a fallback is asked that may issue, "" for never.
func later(want Want, have *state.Record, all [][]Refusal, now time.Time) string {
	for i := 1; i < len(want.Issuers); i++ {
		if forbids(all[i]) {
			continue
		}
		if at := fallBackAt(have, want.Issuers[0].Address); !at.IsZero() {
			return fmt.Sprintf("; %s is asked from %s on", want.Issuers[i].Address, at.UTC().Format("2006-01-02 15:04 MST"))
		}
		return fmt.Sprintf("; %s is asked once that has failed for 15 minutes", want.Issuers[i].Address)
	}
	return ""
}
