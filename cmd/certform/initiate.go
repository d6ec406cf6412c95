package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/config"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/sinks/file"
	"github.com/spf13/cobra"
)

// answers are what init must know.
type answers struct {
	email, ca, dns, name, directory string
}

func initCommand(o *options) *cobra.Command {
	var a answers
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration, and make the state and the age identity",
		Long:  "Write a commented configuration to begin with, and make the state and the age identity.\nOn a terminal it asks for what the flags do not say. Nothing that exists is overwritten:\nwhere a configuration is, only what is missing of the others is made. It is never\nrequired: the first apply makes what is missing.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			return o.initiate(c.Context(), a)
		},
	}
	c.Flags().StringVar(&a.email, "email", "", "where the CA may write to")
	c.Flags().StringVar(&a.ca, "ca", "", "the CA, letsencrypt if nothing is said: a known name ("+strings.Join(knownCAs(), ", ")+") or the URL of an ACME directory")
	c.Flags().StringVar(&a.dns, "dns", "", "what the DNS is hosted by: one of those that certform providers lists, as cloudflare")
	c.Flags().StringVar(&a.name, "name", "", "the first name, as example.com")
	c.Flags().StringVar(&a.directory, "directory", "", "where its files must be")
	return c
}

func knownCAs() []string {
	var out []string
	for _, ca := range config.CAs {
		out = append(out, ca.Name)
	}
	return out
}

func providerNames() []string {
	var out []string
	for _, k := range providerKinds() {
		out = append(out, k.Name)
	}
	return out
}

// initiate writes what is missing.
func (o *options) initiate(ctx context.Context, a answers) error {
	there, err := configurationFile(o.dir)
	if err != nil {
		return err
	}
	if there != "" {
		o.note(fmt.Sprintf("There is a configuration already (%s); it is left as it is.", relative(there)))
	} else {
		if a, err = o.questions(a); err != nil {
			return err
		}
		path := filepath.Join(o.dir, "certform.hcl")
		text, err := a.configuration()
		if err != nil {
			return err
		}
		if err := writeNew(path, text); err != nil {
			return err
		}
		o.note("Wrote " + relative(path) + ".")
	}
	cfg, err := o.load()
	if err != nil {
		return err
	}
	s, err := o.change(ctx, cfg, func(e event.Event) {
		o.note(strings.ToUpper(e.Note[:1]) + e.Note[1:] + ".")
	})
	if err != nil {
		return err
	}
	s.Close()
	examples := ""
	if there == "" {
		examples = "say yours where it has an example, "
	}
	o.note(fmt.Sprintf("\nRead %s, %sgive it the secrets that it names, and see what would be done:\n    %s",
		relative(cmp.Or(there, filepath.Join(o.dir, "certform.hcl"))), examples, o.given.next("plan")))
	return nil
}

// configurationFile finds a file that is part of a configuration.
func configurationFile(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".json")
		if strings.HasSuffix(name, ".hcl") && !strings.HasSuffix(name, ".vars.hcl") && !strings.HasPrefix(name, ".") {
			return filepath.Join(dir, e.Name()), nil
		}
	}
	return "", nil
}

func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; nothing was written", path)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// question is one of the four, and what makes an answer good.
type question struct {
	flag, ask, fallback string
	into                *string
	check               func(string) (answer string, err error)
}

// questions asks on a terminal for what the flags did not say, and insists on
// flags elsewhere.
func (o *options) questions(a answers) (answers, error) {
	list := []question{
		{"ca", "1. Who signs? A known CA (letsencrypt-staging to try things) or the URL of an ACME directory", "letsencrypt", &a.ca, checkCA},
		{"email", "   Where may it write to? An e-mail address, or nothing", "", &a.email, checkEmail},
		{"dns", fmt.Sprintf("2. What is your DNS hosted by? As cloudflare, route53, powerdns, or rfc2136 for a server of your own; certform providers lists all %d", len(providerKinds())), "", &a.dns, checkProvider},
		{"name", "3. The first name to get a certificate for, as example.com or *.example.com", "", &a.name, checkName},
		{"directory", "4. The directory where its files must be", "tls", &a.directory, checkDirectory},
	}
	asks := o.asks()
	in := bufio.NewReader(o.in)
	var missing []string
	for _, q := range list {
		given, ask := *q.into != "", q.ask
		for !given && asks {
			hint := ""
			if q.fallback != "" {
				hint = " [" + q.fallback + "]"
			}
			fmt.Fprintf(o.errs, "%s%s: ", o.paint(bold, ask), hint)
			answer, err := in.ReadString('\n')
			if err != nil {
				return a, errors.New("nobody answered; nothing was written")
			}
			*q.into, err = q.check(cmp.Or(strings.TrimSpace(answer), q.fallback))
			if err == nil {
				break
			}
			fmt.Fprintf(o.errs, "   %v\n", err)
			ask = "   Again"
		}
		if *q.into == "" && q.fallback != "" {
			*q.into = q.fallback
		}
		answer, err := q.check(*q.into)
		switch {
		case err == nil:
			*q.into = answer
		case !given:
			missing = append(missing, "-"+q.flag)
		default:
			return a, fmt.Errorf("-%s=%s: %w", q.flag, *q.into, err)
		}
	}
	if len(missing) > 0 {
		return a, fmt.Errorf("there is no terminal to ask at: say %s", strings.Join(missing, " and "))
	}
	return a, nil
}

func checkEmail(s string) (string, error) {
	if s == "" {
		return s, nil
	}
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return s, errors.New("it is not one plain address, as ops@example.com")
	}
	return s, nil
}

func checkDirectory(path string) (string, error) {
	if problems := (&file.Spec{Directory: path}).Check(); len(problems) > 0 {
		return path, errors.New(problems[0].Detail)
	}
	return path, nil
}

func checkCA(s string) (string, error) {
	if name := strings.ToLower(s); slices.Contains(knownCAs(), name) {
		return name, nil
	}
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		return s, nil
	}
	return s, fmt.Errorf("it is neither a URL nor one of %s", strings.Join(knownCAs(), ", "))
}

func checkProvider(s string) (string, error) {
	if name := strings.ToLower(s); slices.Contains(providerNames(), name) {
		return name, nil
	}
	if s == "" {
		return s, errors.New("say one; webhook and exec are for a host that is not among them")
	}
	return s, fmt.Errorf("there is no DNS provider %q here; %s", s, meant(s, providerCatalogue(), "certform providers lists them; webhook and exec are for any other"))
}

func checkName(s string) (string, error) {
	if strings.ContainsAny(s, ",; ") {
		return s, errors.New("one name is enough here; more go into names in the file")
	}
	_, err := cert.ParseDNS(s)
	return s, err
}
