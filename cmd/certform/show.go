package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/plan"
)

// showPlan prints a plan on standard output. saved is the file it is saved
// to, "" for none.
func (o *options) showPlan(p *plan.Plan, saved string) error {
	if o.json {
		return writeJSON(o.out, struct {
			Type    string `json:"type"`
			Version string `json:"certform_version"`
			*plan.Plan
		}{"plan", version, p})
	}
	v := &planView{o: o, w: o.out, p: p}
	v.show(saved)
	return v.err
}

// planView writes one plan for people. The first error of its writer is kept.
type planView struct {
	o   *options
	w   io.Writer
	p   *plan.Plan
	err error
}

func (v *planView) line(format string, args ...any) {
	if v.err == nil {
		_, v.err = fmt.Fprintln(v.w, strings.TrimRight(v.o.glyph(fmt.Sprintf(format, args...)), " "))
	}
}

func (v *planView) paint(sgr, s string) string { return v.o.paintFor(v.w, sgr, s) }

func (v *planView) show(saved string) {
	p := v.p
	for _, w := range p.Warnings {
		v.line("%s %s", v.paint(bold+yellow, "Warning:"), w)
	}
	if len(p.Items) == 0 {
		what := fmt.Sprintf("%d %s as described", p.Quiet, plural(p.Quiet, "certificate is", "certificates are"))
		if p.Upkeep == plan.Only { // what people changed is left out, and may be there
			what = "No upkeep is due"
		}
		v.line("%s %s, looked at %s.", v.paint(bold+green, "No changes."), what, stamp(p.AsOf))
		v.later()
		return
	}
	groups := fold(p.Items, v.o.full)
	if legend := v.legend(); legend != "" {
		v.line("%s\n", legend)
	}
	for _, g := range groups {
		v.item(g)
	}
	v.later()
	v.line("%s %s", v.paint(bold, "Plan:"), summary(p.Summary))
	if p.Quiet > 0 {
		v.line("%d other %s as described.", p.Quiet, plural(p.Quiet, "certificate is", "certificates are"))
	}
	v.line("Looked at %s. Plan %s.", stamp(p.AsOf), p.ID)
	if v.o.given.command == "apply" {
		v.line("")
		return
	}
	if !p.Changes() {
		return
	}
	if saved != "" {
		v.line("\nTo apply exactly this:\n    %s", v.o.given.nextWith("apply", saved))
		return
	}
	v.line("\nTo apply it if it is still this then:\n    %s", v.o.given.next("apply", "-expect="+p.ID))
}

// later is the upkeep that the plan leaves alone.
func (v *planView) later() {
	later := v.p.Later
	if later.Due > 0 {
		v.line("Upkeep, not in this plan: %d %s due. \"certform run\" or \"certform apply -auto-approve -upkeep=only\" does %s.",
			later.Due, plural(later.Due, "renewal is", "renewals are"), plural(later.Due, "it", "them"))
	}
	if !later.Next.IsZero() {
		v.line("The next renewal is that of %s, %s.", later.Who, stamp(later.Next))
	}
}

// stamp writes a moment as plans do: to the minute, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func summary(s plan.Summary) string {
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n, what))
		}
	}
	add(s.Issue, "issue")
	add(s.Renew, "renew")
	add(s.Resume, "resume")
	add(s.Deliver, "deliver")
	add(s.Prove, "prove")
	add(s.Clean, "clean up after")
	add(s.Forget, "forget")
	if s.Blocked > 0 {
		parts = append(parts, fmt.Sprintf("%d blocked", s.Blocked))
	}
	if s.Unserved > 0 {
		parts = append(parts, fmt.Sprintf("%d %s not serve it", s.Unserved, plural(s.Unserved, "endpoint does", "endpoints do")))
	}
	if s.Unread > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be looked at", s.Unread))
	}
	if s.Impossible > 0 {
		parts = append(parts, fmt.Sprintf("%d cannot be issued", s.Impossible))
	}
	if len(parts) == 0 {
		return "nothing to do."
	}
	return strings.Join(parts, ", ") + "."
}

// sign is the mark of a certificate's change: its colour, character and word.
type sign struct{ colour, mark, word string }

var signs = []sign{
	{green, "+", "issue"}, {cyan, "↻", "renew"}, {cyan, "»", "resume"}, {green, "~", "deliver"},
	{yellow, "!", "drift"}, {yellow, "-", "forget"}, {yellow, ".", "clean up"}, {red, "✗", "error or blocked"}, {"", " ", ""},
}

func signOf(it *plan.Item) sign {
	word := ""
	if s := it.Issues(); s != nil {
		word = string(s.Kind)
	}
	for _, s := range it.Steps {
		rank := func(w string) int { return slices.IndexFunc(signs, func(s sign) bool { return s.word == w }) }
		next := ""
		switch {
		case s.Kind == plan.Forget:
			next = "forget"
		case s.Kind == plan.Blocked:
			next = "error or blocked"
		case s.Class == plan.Drift:
			next = "drift"
		case s.Kind == plan.Put:
			next = "deliver"
		case s.Kind == plan.Clean:
			next = "clean up"
		}
		// An order says more than what follows from it; the rest by what
		// people should see first.
		if it.Issues() == nil && next != "" && (word == "" || word == "clean up" || next != "clean up" && rank(next) > rank(word)) {
			word = next
		}
	}
	if len(it.Errors) > 0 {
		word = "error or blocked"
	}
	i := slices.IndexFunc(signs, func(s sign) bool { return s.word == word })
	return signs[i]
}

// legend explains the marks that occur.
func (v *planView) legend() string {
	seen := map[string]bool{}
	for _, it := range v.p.Items {
		seen[signOf(it).word] = true
	}
	var parts []string
	for _, s := range signs {
		if s.word != "" && seen[s.word] {
			parts = append(parts, v.paint(bold+s.colour, v.o.glyph(s.mark))+" "+s.word)
		}
	}
	return strings.Join(parts, "   ")
}

// field is a line of a certificate's paragraph: a word, and what it says.
func (v *planView) field(word, format string, args ...any) {
	v.line("    %-8s %s", word, fmt.Sprintf(format, args...))
}

// item prints the paragraph of one certificate, and how many others have the
// same change.
func (v *planView) item(g group) {
	it := g.first
	s := signOf(it)
	source := ""
	if it.Source != "" {
		source = "   " + v.paint(dim, it.Source)
	}
	v.line("%s %s%s", v.paint(bold+s.colour, v.o.glyph(s.mark)), v.paint(bold, it.Address), source)
	if why := firstWhy(it); why != "" {
		v.line("    %s", why)
	}
	if it.Busy != "" {
		v.line("    %s it is being worked on by %s", v.paint(yellow, "busy:"), it.Busy)
	}
	if it.Issues() != nil {
		v.names(it)
		profile := ""
		if it.Profile != "" {
			profile = ", profile " + it.Profile
		}
		ca := ""
		if it.CA != "" {
			ca = " (" + it.CA + ")"
		}
		v.field("issuer", "%s%s, %s%s", it.Issuer, ca, it.KeyType, profile)
	}
	for _, n := range foldPlaces(it, v.o.full) {
		v.place(n)
	}
	for _, n := range foldEndpoints(it, v.o.full) {
		v.endpoint(n)
	}
	for _, owed := range it.Owed {
		v.what(yellow, "-", "remove", fmt.Sprintf("TXT %s in zone %s", bare(owed.Name), bare(owed.Zone)), "value "+owed.Value, owed.Why)
	}
	for _, w := range slices.Compact(slices.Sorted(slices.Values(it.Warnings))) {
		v.line("    %s %s", v.paint(bold+yellow, "warning:"), w)
	}
	for _, e := range it.Errors {
		v.line("    %s %s", v.paint(bold+red, "error:"), strings.ReplaceAll(e, "\n", "\n           "))
	}
	if len(g.more) > 0 {
		v.line("  %s", v.paint(bold, fmt.Sprintf("%d certificates: the same change for this one and %s. -full shows each.", len(g.more)+1, someOf(g.more))))
	}
	v.line("")
}

// firstWhy is the sentence of why for the whole certificate: that of its order,
// or of leaving the configuration. Places say their own.
func firstWhy(it *plan.Item) string {
	if s := it.Issues(); s != nil {
		if s.WaitTill != "" {
			return s.Why + "; not before " + s.WaitTill
		}
		return s.Why
	}
	for _, s := range it.Steps {
		if s.Kind == plan.Forget || s.Kind == plan.Clean {
			return s.Why
		}
	}
	return ""
}

func someOf(items []*plan.Item) string {
	const most = 3
	var list []string
	for _, it := range items[:min(most, len(items))] {
		list = append(list, it.Address)
	}
	if left := len(items) - most; left > 0 {
		return strings.Join(list, ", ") + fmt.Sprintf(" and %d more", left)
	}
	return strings.Join(list, ", ")
}

// names prints the names, those that are proven in the same way together.
func (v *planView) names(it *plan.Item) {
	byWay := map[string][]string{}
	var ways []string
	for _, n := range it.Names {
		way := wayOf(n)
		if byWay[way] == nil {
			ways = append(ways, way)
		}
		name := n.Name
		if n.Unicode != "" {
			name += " (" + n.Unicode + ")"
		}
		byWay[way] = append(byWay[way], name)
	}
	for _, way := range ways {
		list, more := byWay[way], ""
		if most := 6; len(list) > most && !v.o.full {
			more = fmt.Sprintf(" and %d more", len(list)-most)
			list = list[:most]
		}
		v.field(plural(len(byWay[way]), "name", "names"), "%s%s", strings.Join(list, ", "), more)
		if way != "" {
			v.field("", "%s", way)
		}
	}
}

// wayOf says where the challenge of a name is answered.
func wayOf(n plan.Name) string {
	if n.Err != "" || n.Zone == "" {
		return "" // the error, or what could not be asked, stands below
	}
	way := "zone " + bare(n.Zone) + " at " + strings.Join(n.Providers, " and ")
	if n.How != "" && !slices.Contains(n.Providers, n.How) {
		way += " (" + n.How + ")"
	}
	if n.Target != "" {
		steps := []string{bare(n.Target)}
		if len(n.CNAMEs) > 1 {
			steps = steps[:0]
			for _, c := range n.CNAMEs {
				steps = append(steps, bare(c))
			}
		}
		way += ", by CNAME to " + strings.Join(steps, " → ")
	}
	return way
}

func bare(name string) string { return strings.TrimSuffix(name, ".") }

// what prints one thing that happens, or does not: a place, an endpoint.
func (v *planView) what(colour, mark, will, id string, details ...string) {
	v.line("  %s %-8s %s", v.paint(bold+colour, cmp.Or(v.o.glyph(mark), " ")), will, id)
	for _, d := range details {
		if d != "" {
			v.line("             %s", strings.ReplaceAll(d, "\n", "\n             "))
		}
	}
}

var places = map[string]sign{
	"create": {green, "+", ""}, "update": {green, "→", ""}, "repair": {yellow, "!", ""}, "activate": {yellow, "»", ""},
	"adopt": {yellow, "→", ""}, "blocked": {red, "✗", ""}, "unread": {red, "?", ""},
}

func (v *planView) place(f folded[plan.PlaceView]) {
	p := f.first
	s := places[p.Will]
	id := p.ID
	if p.Target != "" {
		id += "   " + v.paint(dim, p.Target)
	}
	if p.Wave != 0 {
		id += fmt.Sprintf("   wave %d", p.Wave)
	}
	details := []string{"now: " + p.Now}
	if p.Will != "keep" {
		details = append(details, p.Why)
	}
	for _, n := range p.Notes {
		details = append(details, "note: "+n)
	}
	if f.more > 0 {
		details = append(details, v.paint(bold, fmt.Sprintf("and %d more places with the same change", f.more)))
	}
	v.what(s.colour, s.mark, p.Will, id, details...)
}

var endpoints = map[string]sign{"keep": {green, "✓", ""}, "verify": {green, "→", ""}, "prove": {yellow, "!", ""}}

func (v *planView) endpoint(f folded[plan.EndpointView]) {
	e := f.first
	s := endpoints[e.Will]
	details := []string{"now: " + e.Now}
	for _, a := range e.Addresses {
		if a.Unrouted {
			details = append(details, "not counted, this machine has no route there: "+a.Address)
		}
	}
	if f.more > 0 {
		details = append(details, v.paint(bold, fmt.Sprintf("and %d more endpoints of which the same is to be said", f.more)))
	}
	v.what(s.colour, s.mark, e.Will, e.ID, details...)
}
