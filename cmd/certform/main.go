// Command certform describes, plans and applies certificates: see README.md.
//
// This package is flags, wiring, views and exit codes; it decides nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/certform/certform/orchestrator/world"
	"github.com/spf13/cobra"
)

// Exit codes, never changed by the environment.
const (
	exitOK          = 0
	exitError       = 1   // an error before any effect
	exitChanges     = 2   // -detailed-exitcode, and there are changes
	exitFailed      = 3   // something failed, the rest is done
	exitHeld        = 4   // all that is left is held by another runner
	exitStale       = 5   // all that is left was stale
	exitInterrupted = 130 // after a second interrupt
)

func main() {
	// Collecting twice as often costs a few percent of little CPU, and saves a
	// tenth of the memory of a run of a thousand certificates.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	out, errs, err := quiet()
	if err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(exitError)
	}
	os.Exit(run(os.Args[1:], os.Stdin, out, errs))
}

// codeError carries an exit code. A nil err means that all was said already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// exit is an error that only carries a code; nil for 0.
func exit(code int) error {
	if code == exitOK {
		return nil
	}
	return &codeError{code: code}
}

// run is the whole program but for the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if asksForOneDash(args) {
		stdout, args = oneDash{stdout}, slices.Clone(args)
		args[len(args)-1] = "-" + args[len(args)-1]
	}
	o := &options{in: stdin, out: stdout, errs: stderr}
	root := command(o)
	root.SetArgs(terraformFlags(args))
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	var c *codeError
	if !errors.As(err, &c) {
		c = &codeError{code: exitError, err: err}
	}
	// A command line that could not be read may have asked for JSON all the same.
	o.json = o.json || slices.Contains(terraformFlags(args), "--json")
	if c.err != nil {
		o.fail(c.err)
	}
	return c.code
}

// terraformFlags lets long flags have one dash, as Terraform's users write
// them. What follows "--" is left alone.
func terraformFlags(args []string) []string {
	out := make([]string, len(args))
	copy(out, args)
	for i, a := range out {
		if a == "--" {
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			out[i] = "-" + a
		}
	}
	return out
}

func command(o *options) *cobra.Command {
	var tell bool
	root := &cobra.Command{
		Use:           "certform",
		Short:         "Certificates as described: issued by DNS-01, delivered everywhere, proven by a handshake",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE: func(c *cobra.Command, args []string) error {
			if tell {
				return o.version()
			}
			return c.Help()
		},
	}
	root.Flags().BoolVar(&tell, "version", false, "print the version")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// With one dash, as they are written here and in help.
		err = errors.New(strings.NewReplacer(" --", " -", "\"--", "\"-", ", --", ", -").Replace(err.Error()))
		return world.Hint(err, fmt.Sprintf("run \"%s -help\" for its flags", c.CommandPath()))
	})
	f := root.PersistentFlags()
	f.StringVar(&o.dir, "chdir", "", "the directory of the configuration (default: the current one)")
	f.BoolVar(&o.noColor, "no-color", false, "no colour, no live view")
	f.BoolVar(&o.json, "json", false, "machine-readable output on standard output")
	root.AddCommand(commands(o)...)
	root.SetIn(o.in)
	root.SetOut(o.out)
	root.SetErr(o.errs)
	strict(root)
	completions(o, root)
	// In help as in the documents: long flags with one dash.
	cobra.AddTemplateFunc("oneDash", func(usages string) string { return strings.ReplaceAll(usages, "--", "-") })
	root.SetUsageTemplate(strings.NewReplacer("FlagUsages |", "FlagUsages | oneDash |", "--help", "-help").Replace(root.UsageTemplate()))
	return root
}

// strict has cobra's own commands, which it adds when the program runs, refuse
// what they do not know: it would print help and exit 0.
func strict(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = knownCommand
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Run = nil
			c.RunE = func(_ *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err != nil {
					return err
				}
				if err := knownCommand(of, rest); err != nil {
					return err
				}
				of.InitDefaultHelpFlag()
				return of.Help()
			}
		}
	}
}

// knownCommand refuses what is no command, and says which one may be meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return world.Hint(err, "did you mean "+strings.Join(near, " or ")+"?")
	}
	return world.Hint(err, c.CommandPath()+" -help lists them")
}

// noArguments refuses what a command that reads a configuration does not take;
// people who mean another directory say it as for other tools.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s takes no arguments, and %q is one", c.CommandPath(), args[0])
	hint := c.CommandPath() + " -help lists its flags"
	if c.Flags().Lookup("var") != nil {
		hint = "another directory is said by -chdir=DIR"
		if c.Flags().Lookup("target") != nil {
			hint += ", certificates by -target=ADDRESS"
		}
	}
	return world.Hint(err, hint)
}

// options are the flags that every command knows, and the streams.
type options struct {
	dir     string
	noColor bool
	json    bool
	full    bool
	vars    varFlags
	live    atomic.Pointer[screen] // nil: no live table
	given   given                  // what the command line said, for the next command to say again

	in        io.Reader
	out, errs io.Writer
}

// fail prints an error with its advice.
func (o *options) fail(err error) {
	if o.json {
		writeJSONError(o.out, err)
	}
	fmt.Fprintf(o.errs, "%s %s\n", o.paint(bold+red, "Error:"), strings.TrimSpace(err.Error()))
	o.advise(o.errs, err)
}

// advise prints the lines of advice under an error.
func (o *options) advise(w io.Writer, err error) {
	for _, a := range world.Advice(err) {
		fmt.Fprintf(w, "  %s %s\n", o.paintFor(w, bold, o.glyph("→")), a)
	}
}
