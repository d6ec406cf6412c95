package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/certform/certform/orchestrator/plan"
)

// matches reports whether an address is meant by a -target pattern: the
// address itself, with or without the quotes that a shell would take for its
// own, a block with all its instances, or a pattern in which *
// stands for any text. "certificate." may be left out.
func matches(pattern, address string) bool {
	if !strings.HasPrefix(pattern, "certificate.") {
		pattern = "certificate." + pattern
	}
	if block, key, ok := strings.Cut(pattern, "["); ok && strings.HasSuffix(key, "]") && !strings.HasPrefix(key, `"`) {
		pattern = block + "[" + strconv.Quote(strings.TrimSuffix(key, "]")) + "]"
	}
	if !strings.Contains(pattern, "*") {
		return address == pattern || strings.HasPrefix(address, pattern+"[")
	}
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(address, parts[0]) {
		return false
	}
	rest := address[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// checkTargets says which pattern means nothing, so that a typing mistake is
// not taken for "nothing to do".
func checkTargets(flag string, patterns []string, wants []plan.Want) error {
	addresses := make([]string, len(wants))
	for i, w := range wants {
		addresses[i] = w.Address
	}
	return checkTargetsOf(flag, patterns, addresses)
}

func checkTargetsOf(flag string, patterns, addresses []string) error {
	for _, p := range patterns {
		if !slices.ContainsFunc(addresses, func(a string) bool { return matches(p, a) }) {
			return fmt.Errorf("-%s=%s matches no certificate of the configuration", flag, p)
		}
	}
	return nil
}
