package main

import "strings"

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// indent keeps the later lines of a text under its first.
func indent(s, by string) string { return strings.ReplaceAll(s, "\n", "\n"+by) }
