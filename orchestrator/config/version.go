package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/mod/semver"
)

// checkVersion compares required_version with the program's.
func (l *loader) checkVersion(a *hcl.Attribute) {
	text, ok := l.literal(a)
	if !ok {
		return
	}
	good, err := satisfies(l.o.Version, text)
	switch {
	case err != nil:
		l.report.error("", a.Expr.Range(), "Bad version constraint", `%v; a constraint is like ">= 0.2", "~> 1.4" or ">= 1.0, < 2.0".`, err)
	case !good:
		l.report.error("", a.Expr.Range(), "Wrong version of certform", "This configuration asks for certform %s, and this is %s.", text, l.o.Version)
	}
}

// satisfies reports whether version meets all parts of a constraint, as
// Terraform writes them. A version that is none (a build from a checkout)
// meets every valid constraint; one on the way to a release (0.1.0-dev) counts
// as that release, unless a constraint names such a version itself.
func satisfies(version, constraint string) (bool, error) {
	have := "v" + strings.TrimPrefix(version, "v")
	ok := true
	for part := range strings.SplitSeq(constraint, ",") {
		part = strings.TrimSpace(part)
		rest := strings.TrimLeft(part, "<>=!~")
		op := part[:len(part)-len(rest)]
		rest = strings.TrimSpace(rest)
		want := "v" + rest
		have := have
		if semver.Prerelease(want) == "" {
			have = strings.TrimSuffix(semver.Canonical(have), semver.Prerelease(have))
		}
		if !semver.IsValid(want) {
			return false, fmt.Errorf("%q is no version", rest)
		}
		order := semver.Compare(have, want)
		var good bool
		switch op {
		case "", "=":
			good = order == 0
		case "!=":
			good = order != 0
		case ">":
			good = order > 0
		case ">=":
			good = order >= 0
		case "<":
			good = order < 0
		case "<=":
			good = order <= 0
		case "~>":
			good = order >= 0 && strings.HasPrefix(semver.Canonical(have), pinned(rest))
		default:
			return false, fmt.Errorf("%q is no comparison", op)
		}
		ok = ok && good
	}
	return ok || !semver.IsValid(have), nil
}

// pinned is what ~> keeps of a version: all but its last number.
func pinned(version string) string {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return "v"
	}
	return "v" + strings.Join(parts[:len(parts)-1], ".") + "."
}
