package main

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/certform/certform/orchestrator/config"
	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "devel"

func commands(o *options) []*cobra.Command {
	all := []*cobra.Command{
		initCommand(o),
		validateCommand(o),
		fmtCommand(o),
		planCommand(o),
		applyCommand(o),
		statusCommand(o),
		verifyCommand(o),
		doctorCommand(o),
		runCommand(o),
		providersCommand(o),
		sinksCommand(o),
		demoCommand(o),
		versionCommand(o),
	}
	for _, c := range all {
		c.PreRun = func(c *cobra.Command, _ []string) { o.remember(c) }
		switch c.Name() {
		case "plan", "apply":
			c.Flags().BoolVar(&o.full, "full", false, "show each certificate and place, also those with the same change")
		case "status":
			c.Flags().BoolVar(&o.full, "full", false, "show all of each certificate, also of those at rest")
		}
	}
	return all
}

func validateCommand(o *options) *cobra.Command {
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration, reaching nothing",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := o.load()
			if o.json {
				// After its diagnostics, the verdict.
				return errors.Join(err, writeJSON(o.out, validateLine{Type: "validate", Valid: err == nil, Certificates: certificates(cfg)}))
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(o.out, "%s %d %s.\n", o.paintFor(o.out, green, "The configuration is valid:"), len(cfg.Certificates), plural(len(cfg.Certificates), "certificate", "certificates"))
			return nil
		},
	}
	configFlags(c, o)
	return c
}

// validateLine is the verdict of validate, for programs.
type validateLine struct {
	Type         string `json:"type"`
	Valid        bool   `json:"valid"`
	Certificates int    `json:"certificates"`
}

// certificates counts those of a valid configuration; nil for one that is not.
func certificates(cfg *config.Config) int {
	if cfg == nil {
		return 0
	}
	return len(cfg.Certificates)
}

func versionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, args []string) error { return o.version() },
	}
}

func (o *options) version() error {
	if o.json {
		return writeJSON(o.out, map[string]string{"type": "version", "version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
	}
	_, err := fmt.Fprintf(o.out, "certform %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
