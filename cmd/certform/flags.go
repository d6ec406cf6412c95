package main

import (
	"fmt"
	"strings"

	"github.com/certform/certform/orchestrator/config"
	"github.com/spf13/cobra"
)

// varFlags collects -var and -var-file in the order in which they are given.
type varFlags []config.Var

type varFlag struct {
	all  *varFlags
	file bool
}

func (v varFlag) String() string { return "" }

func (v varFlag) Type() string {
	if v.file {
		return "FILE"
	}
	return "NAME=VALUE"
}

func (v varFlag) Set(s string) error {
	if v.file {
		*v.all = append(*v.all, config.Var{File: s})
		return nil
	}
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("it should be NAME=VALUE")
	}
	*v.all = append(*v.all, config.Var{Name: name, Value: value})
	return nil
}

// configFlags adds the flags of every command that reads a configuration.
func configFlags(c *cobra.Command, o *options) {
	c.Flags().Var(varFlag{&o.vars, false}, "var", "set a variable of the configuration (may be repeated)")
	c.Flags().Var(varFlag{&o.vars, true}, "var-file", "read variables from a file (may be repeated)")
}
