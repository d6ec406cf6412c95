package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// given is the command that runs, and those of its flags that were given and
// that the next command needs as well.
type given struct {
	command string
	flags   []string
}

// again are the flags that say which configuration and which certificates.
var again = map[string]bool{"chdir": true, "target": true, "replace": true, "upkeep": true}

// remember notes what was given, before the command runs.
func (o *options) remember(c *cobra.Command) {
	o.given = given{command: c.Name()}
	c.Flags().Visit(func(f *pflag.Flag) {
		if !again[f.Name] {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			o.given.flags = append(o.given.flags, "-"+f.Name+"="+quote(v))
		}
	})
	for _, v := range o.vars {
		if v.File != "" {
			o.given.flags = append(o.given.flags, "-var-file="+quote(v.File))
			continue
		}
		o.given.flags = append(o.given.flags, "-var="+quote(v.Name+"="+v.Value))
	}
}

// next is a command line to go on with, with what was given this time.
func (g given) next(command string, args ...string) string {
	words := append([]string{"certform", command}, g.flags...)
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

// nextWith is next for a saved plan, which knows its certificates itself.
func (g given) nextWith(command string, args ...string) string {
	kept := g
	kept.flags = nil
	for _, f := range g.flags {
		if !strings.HasPrefix(f, "-target=") && !strings.HasPrefix(f, "-replace=") && !strings.HasPrefix(f, "-upkeep=") {
			kept.flags = append(kept.flags, f)
		}
	}
	return kept.next(command, args...)
}

// quote writes s as a word for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
