package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/certform/certform/orchestrator/world"
	"github.com/miekg/dns"
)

// Which zone a name is in, and who serves that zone, are two questions.
//
// The zone is the longest match among zone blocks, zones that dns blocks
// declare, zones known from an earlier run, and, only if none of these match,
// zones that the hosts list. Who serves it is said by the first that says
// anything: the zone block's dns; the dns block that declares the zone; who
// was known to list it; the dns block that lists it; and, for hosts that
// cannot list, the only such block. Two at one level are an error.

// served is a zone and who serves it.
type served struct {
	zone      string
	providers []string
	how       string
	asked     bool // by asking the hosts, so it is worth remembering
	known     bool // from an earlier run
}

// guess is the zone that name is in as far as can be said without opening a
// provider; "" if it cannot.
func (z *Zones) guess(name string) string {
	for s := range suffixes(name) {
		if z.blocks[s] != nil || len(z.declared[s]) > 0 || z.known(s) != "" || len(z.listed(s)) > 0 {
			return s
		}
	}
	return ""
}

// known is the dns block that an earlier run saw listing zone, if it is still
// there and to be asked.
func (z *Zones) known(zone string) string {
	if z.o.Known == nil {
		return ""
	}
	z.mu.Lock()
	doubted := z.doubted[zone]
	z.mu.Unlock()
	if doubted {
		return ""
	}
	l, ok := z.o.Known(bare(zone))
	if !ok || l.Provider == "" {
		return ""
	}
	if h := z.hosts[l.Provider]; h == nil || len(h.Zones) > 0 {
		return ""
	}
	return l.Provider
}

// listed is the dns blocks that have listed zone so far.
func (z *Zones) listed(zone string) (by []string) {
	for _, h := range z.undeclared {
		if l, ok := h.zones.got(); ok && l.zones[zone] {
			by = append(by, h.Address)
		}
	}
	return by
}

// matchNow decides without opening a provider.
func (z *Zones) matchNow(name string) (served, bool, error) {
	zone := z.guess(name)
	if zone == "" {
		return served{}, false, nil
	}
	if b := z.blocks[zone]; b != nil && len(b.DNS) > 0 {
		return served{zone: zone, providers: b.DNS, how: b.Address}, true, nil
	}
	if by := z.declared[zone]; len(by) > 0 {
		return oneOf(zone, by, "declared")
	}
	if by := z.listed(zone); len(by) > 0 {
		s, ok, err := oneOf(zone, by, "listed")
		s.asked = true
		return s, ok, err
	}
	if by := z.known(zone); by != "" {
		return served{zone: zone, providers: []string{by}, how: "known", known: true}, true, nil
	}
	return served{zone: zone}, false, nil // a zone block that leaves the provider open
}

func oneOf(zone string, by []string, how string) (served, bool, error) {
	if len(by) > 1 {
		sort.Strings(by)
		return served{}, false, world.Never(world.Hint(
			fmt.Errorf("zone %s is %s by %s", bare(zone), how, strings.Join(by, " and by ")),
			fmt.Sprintf("a block zone %q { dns = [...] } says which of them, or that both serve it", bare(zone))))
	}
	return served{zone: zone, providers: by, how: how + " by " + by[0]}, true, nil
}

// match decides who serves name. cut is the zone that DNS says the name is in,
// or "". Warnings name what could not be asked.
func (z *Zones) match(ctx context.Context, name, cut string) (served, []string, error) {
	s, ok, err := z.matchNow(name)
	if err != nil {
		return s, nil, err
	}
	if ok && !(cut != "" && below(cut, s.zone)) {
		return s, nil, nil
	}
	parent := s // what the configuration says, if a child zone is in the way
	failed, silent := z.listAll(ctx)
	if ctx.Err() != nil {
		return s, nil, context.Cause(ctx)
	}
	var warnings []string
	for _, err := range failed {
		warnings = append(warnings, err.Error())
	}
	again, ok, err := z.matchNow(name)
	if err != nil {
		return again, warnings, err
	}
	if ok && !(cut != "" && below(cut, again.zone)) {
		return again, warnings, nil
	}
	if ok {
		parent = again
	}
	// Hosts that cannot list their zones: the zone is what DNS says it is.
	zone := cut
	if zone == "" {
		zone = again.zone // of a zone block
	}
	if len(silent) > 0 && zone != "" && zone != "." {
		if len(silent) > 1 {
			_, _, err := oneOf(zone, silent, "perhaps served")
			return again, warnings, err
		}
		return served{zone: zone, providers: silent, how: "the only dns block that may: " + silent[0], asked: true}, warnings, nil
	}
	return again, warnings, z.unserved(name, cut, parent, failed)
}

// also is an error in its own words that is another one too.
type also struct {
	error
	what error
}

func (e also) Unwrap() []error { return []error{e.error, e.what} }

// errUnserved is what only the configuration can mend, unless a CNAME led there.
var errUnserved = errors.New("nothing in the configuration serves it")

// listAll asks every dns block without declared zones. silent is those that
// cannot list.
func (z *Zones) listAll(ctx context.Context) (failed []error, silent []string) {
	errs := make([]error, len(z.undeclared))
	lists := make([]listing, len(z.undeclared))
	each(z.undeclared, func(i int, h *host) { lists[i], errs[i] = h.list(ctx) })
	for i, h := range z.undeclared {
		if errs[i] != nil {
			failed = append(failed, errs[i])
		} else if !lists[i].lister {
			silent = append(silent, h.Address)
		}
	}
	return failed, silent
}

// unserved is the error for a name in no zone of ours.
func (z *Zones) unserved(name, cut string, parent served, failed []error) error {
	var err error
	advice := "declare the zone in a dns block (zones = [...]), or delegate the challenge by a CNAME into a zone that is served"
	switch {
	case parent.zone != "" && len(parent.providers) > 0:
		err = fmt.Errorf("%s is in zone %s, which is delegated away from %s (%s), and no dns block serves it",
			bare(name), bare(cut), bare(parent.zone), strings.Join(parent.providers, ", "))
	case parent.zone != "":
		err = fmt.Errorf("%s names no dns, and no dns block declares or lists the zone %s",
			z.blocks[parent.zone].Address, bare(parent.zone))
	case cut != "":
		err = fmt.Errorf("%s is in zone %s, which no dns block serves", bare(name), bare(cut))
	default:
		err = fmt.Errorf("%s is in no zone that a dns block serves", bare(name))
	}
	if have := z.all(); len(have) > 0 {
		err = fmt.Errorf("%w (served: %s)", err, strings.Join(have, ", "))
	}
	empty := z.empty()
	if len(empty) > 0 {
		err = fmt.Errorf("%w; no zone at all is listed by %s", err, strings.Join(empty, ", "))
	}
	if len(failed)+len(empty) == 0 && len(parent.providers) == 0 {
		err = also{err, errUnserved}
	}
	if len(failed) > 0 {
		// Perhaps it is served by who could not be asked: that may pass.
		return world.Hint(fmt.Errorf("%w; %w: %w", err, ErrNotAsked, errors.Join(failed...)), advice)
	}
	return world.Never(world.Hint(err, advice))
}

// empty is the dns blocks whose hosts answered that they have no zone, as some
// do for a credential that may see none.
func (z *Zones) empty() (out []string) {
	for _, h := range z.undeclared {
		if l, ok := h.zones.got(); ok && l.lister && len(l.zones) == 0 {
			out = append(out, h.Address)
		}
	}
	return out
}

// all is the zones that are served, for people; not more than can be read.
func (z *Zones) all() []string {
	set := map[string]bool{}
	for zone := range z.declared {
		set[bare(zone)] = true
	}
	for zone, b := range z.blocks {
		if len(b.DNS) > 0 {
			set[bare(zone)] = true
		}
	}
	for _, h := range z.undeclared {
		if l, ok := h.zones.got(); ok {
			for zone := range l.zones {
				set[bare(zone)] = true
			}
		}
	}
	var out []string
	for zone := range set {
		out = append(out, zone)
	}
	slices.Sort(out)
	if len(out) > 8 {
		out = append(out[:8], fmt.Sprintf("and %d more", len(out)-8))
	}
	return out
}

// canonical is a zone of the configuration as names are inside.
func canonical(zone string) string { return dns.CanonicalName(zone) }
