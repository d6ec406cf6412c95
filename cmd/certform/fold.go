package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certform/certform/orchestrator/plan"
)

// few is how many equal changes are shown each by itself.
const few = 8

// group is certificates with the same change.
type group struct {
	first *plan.Item
	more  []*plan.Item
}

// fold puts certificates with the same change together where there are more
// than a few of them.
func fold(items []*plan.Item, full bool) []group {
	if full || len(items) <= few {
		out := make([]group, len(items))
		for i, it := range items {
			out[i] = group{first: it}
		}
		return out
	}
	byShape := map[string][]*plan.Item{}
	shapes := make([]string, len(items))
	for i, it := range items {
		shapes[i] = shape(it)
		byShape[shapes[i]] = append(byShape[shapes[i]], it)
	}
	var out []group
	for i, it := range items {
		same := byShape[shapes[i]]
		switch {
		case len(same) <= few:
			out = append(out, group{first: it})
		case same[0] == it:
			out = append(out, group{it, same[1:]})
		}
	}
	return out
}

// shape is everything that a plan says of a certificate but for what is its
// own: its names, its paths, fingerprints and moments.
func shape(it *plan.Item) string {
	var fixed, free strings.Builder
	say := func(b *strings.Builder, parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
			b.WriteByte(0)
		}
	}
	count := func(n int) string { return strconv.Itoa(n) }
	say(&fixed, it.Issuer, string(it.KeyType), it.Profile, count(len(it.Names)), count(len(it.Owed)), strconv.FormatBool(it.Busy != ""))
	for _, n := range it.Names {
		say(&fixed, n.Providers...)
		say(&fixed, strconv.FormatBool(n.Target != ""), strconv.FormatBool(strings.HasPrefix(n.Name, "*.")))
		say(&free, n.How, n.Err, n.Unknown)
	}
	for _, s := range it.Steps {
		say(&fixed, string(s.Kind), string(s.Class), s.PlaceOp, count(s.Wave), strconv.FormatBool(s.Urgent))
		say(&free, s.Place, s.Why)
	}
	for _, p := range it.Places {
		say(&fixed, p.ID, count(p.Wave), p.Will, count(len(p.Notes)))
		say(&free, p.Now, p.Why)
	}
	for _, e := range it.Endpoints {
		say(&fixed, e.Will)
		say(&free, e.Now)
	}
	say(&free, it.Warnings...)
	say(&free, "")
	say(&free, it.Errors...)
	text := free.String()
	own := []string{it.Address}
	for _, n := range it.Names {
		own = append(own, strings.TrimPrefix(n.Name, "*."))
	}
	// Of two names the longer one first: it may hold the other.
	slices.SortFunc(own, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, name := range slices.Compact(own) {
		text = strings.ReplaceAll(text, name, "")
	}
	return fixed.String() + plain(text)
}

// plain writes # for what may differ between two equal cases: fingerprints,
// moments, addresses, numbers.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		end, digit := i, false
		for end < len(s) && strings.IndexByte("0123456789abcdefABCDEF.:-[]", s[end]) >= 0 {
			digit = digit || s[end] >= '0' && s[end] <= '9'
			end++
		}
		switch {
		case end == i:
			b.WriteByte(s[i])
			end++
		case digit, end-i >= 12:
			b.WriteByte('#')
		default:
			b.WriteString(s[i:end])
		}
		i = end
	}
	return b.String()
}

// folded is a place or endpoint, and how many others of the certificate are in
// the same case.
type folded[T any] struct {
	first T
	more  int
}

func foldBy[T any](list []T, full bool, key func(T) string) []folded[T] {
	index := map[string]int{}
	var out []folded[T]
	for _, v := range list {
		k := key(v)
		if i, ok := index[k]; ok && !full && len(list) > few {
			out[i].more++
			continue
		}
		index[k] = len(out)
		out = append(out, folded[T]{first: v})
	}
	return out
}

// foldPlaces folds the instances of one sink with the same change.
func foldPlaces(it *plan.Item, full bool) []folded[plan.PlaceView] {
	return foldBy(it.Places, full, func(p plan.PlaceView) string {
		sink, key, _ := strings.Cut(p.ID, "/")
		now, why := p.Now, p.Why
		if key != "" {
			now, why = strings.ReplaceAll(now, key, ""), strings.ReplaceAll(why, key, "")
		}
		return fmt.Sprintln(sink, p.Wave, p.Will, plain(now), plain(why), len(p.Notes))
	})
}

func foldEndpoints(it *plan.Item, full bool) []folded[plan.EndpointView] {
	return foldBy(it.Endpoints, full, func(e plan.EndpointView) string {
		host, _, _ := strings.Cut(e.ID, ":")
		return fmt.Sprintln(e.Will, plain(strings.ReplaceAll(e.Now, host, "")))
	})
}
