package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/certform/certform/internal/sandbox"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/spf13/cobra"
)

// demoHost is the name that the demo serves, in the zone that its DNS serves.
const (
	demoZone = "demo.test"
	demoHost = "www.demo.test"
)

func demoCommand(o *options) *cobra.Command {
	var keep string
	var serve bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole of it on this machine: a CA, a DNS server and an endpoint of its own",
		Long:  "Start an ACME CA, a DNS server and an HTTPS endpoint in this process, on loopback;\nwrite a configuration for them; validate, plan and apply it as you would; show the\nhandshake that proves the result, and that a second plan is empty.",
		Args:  noArguments,
		RunE: func(c *cobra.Command, args []string) error {
			if o.json {
				return errors.New("the demo is for people to read: it has no -json")
			}
			return o.demo(c.Context(), keep, serve)
		},
	}
	c.Flags().StringVar(&keep, "keep", "", "write into this folder and keep it")
	c.Flags().BoolVar(&serve, "serve", false, "leave the CA, the DNS server and the endpoint running, to try things in another terminal")
	return c
}

// demo runs the story. Everything after the configuration goes through the
// same code that a user's commands take.
func (o *options) demo(ctx context.Context, keep string, serve bool) error {
	dir, done, err := demoFolder(keep)
	if err != nil {
		return err
	}
	defer done()
	box, err := sandbox.Start(dir, demoZone)
	if err != nil {
		return err
	}
	defer box.Close()
	if err := writeDemo(dir, box); err != nil {
		return err
	}
	o.chapter("In this process now: an ACME CA, a DNS server, an HTTPS endpoint. The configuration for them:")
	text, err := os.ReadFile(filepath.Join(dir, "certform.hcl"))
	if err != nil {
		return err
	}
	fmt.Fprint(o.out, quoted(string(text)))
	for _, step := range [][]string{{"validate"}, {"plan"}, {"apply", "-auto-approve"}} {
		if err := o.demoStep(dir, step); err != nil {
			return err
		}
	}
	o.chapter("What a client of " + box.Endpoint + " is served:")
	if err := o.handshake(ctx, box); err != nil {
		return err
	}
	if err := o.demoStep(dir, []string{"plan", "-detailed-exitcode"}); err != nil {
		return fmt.Errorf("the second plan should be empty: %w", err)
	}
	if !serve {
		if keep != "" {
			o.chapter("Kept in " + dir + ".")
		}
		return nil
	}
	o.tryNext(dir, box)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

// demoFolder is the folder to write into, and how to leave it.
func demoFolder(keep string) (dir string, done func(), err error) {
	if keep == "" {
		dir, err = os.MkdirTemp("", "certform-demo-")
		return dir, func() { os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(filepath.Join(keep, ".certform")); err == nil {
		return "", nil, fmt.Errorf("%s has a state already; the demo wants a folder of its own", keep)
	}
	dir, err = filepath.Abs(keep)
	return dir, func() {}, err
}

// demoStep runs one command as its user would, in this process.
func (o *options) demoStep(dir string, args []string) error {
	o.chapter("$ certform " + strings.Join(args, " "))
	all := append([]string{"-chdir=" + dir}, args...)
	if o.noColor {
		all = append(all, "-no-color")
	}
	if code := run(all, strings.NewReader(""), o.out, o.errs); code != exitOK {
		return &codeError{code: code}
	}
	return nil
}

func (o *options) chapter(s string) {
	fmt.Fprintf(o.out, "\n%s\n\n", o.paintFor(o.out, bold+cyan, s))
}

func quoted(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ") + "\n"
}

// handshake shows the proof: what the endpoint serves now.
func (o *options) handshake(ctx context.Context, box *sandbox.Sandbox) error {
	// The CA of the demo is in no trust store; the endpoint was verified
	// against the issued chain by apply. This only shows it.
	d := tls.Dialer{Config: &tls.Config{ServerName: demoHost, InsecureSkipVerify: true}}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", box.Endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	state := c.(*tls.Conn).ConnectionState()
	leaf := state.PeerCertificates[0]
	for _, l := range [][2]string{
		{"server name", demoHost},
		{"names", strings.Join(leaf.DNSNames, ", ")},
		{"issuer", leaf.Issuer.CommonName},
		{"valid until", leaf.NotAfter.Local().Format("2006-01-02 15:04 MST")},
		{"sha256", string(cert.Print(leaf))},
		{"handshake", tls.VersionName(state.Version)},
	} {
		fmt.Fprintf(o.out, "    %-12s %s\n", l[0], l[1])
	}
	return nil
}

func (o *options) tryNext(dir string, box *sandbox.Sandbox) {
	self, err := os.Executable()
	if err != nil {
		self = "certform"
	}
	o.chapter("The CA, the DNS server and the endpoint go on until you press Ctrl-C. In another terminal:")
	try := [][2]string{
		{"cd " + quote(dir), ""},
		{quote(self) + " plan", "nothing to do"},
		{quote(self) + " status", "what is remembered"},
		{"$EDITOR certform.hcl", fmt.Sprintf("add a name such as %q; then plan and apply", "db.in."+demoZone)},
		{"echo broken > tls/fullchain.pem", ""},
		{quote(self) + " plan", "the drift, at the place and at the endpoint"},
		{quote(self) + " apply", "repairs it, without a new certificate"},
		{fmt.Sprintf("openssl s_client -connect %s -servername %s </dev/null", box.Endpoint, demoHost), ""},
	}
	column := 0
	for _, line := range try {
		if line[1] != "" {
			column = max(column, len(line[0]))
		}
	}
	for _, line := range try {
		if line[1] != "" {
			line[0] = fmt.Sprintf("%-*s  # %s", column, line[0], line[1])
		}
		fmt.Fprintf(o.out, "    %s\n", line[0])
	}
}

// writeDemo writes the configuration of the sandbox, for people to read.
func writeDemo(dir string, box *sandbox.Sandbox) error {
	if err := os.WriteFile(filepath.Join(dir, "tsig.key"), []byte(box.Key+"\n"), 0o600); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(box.Endpoint)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "certform.hcl"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, fmt.Sprintf(`# Who signs.
issuer "acme" "demo" {
  directory = %q
  ca_file   = "ca.pem"
}

# Who holds the DNS records that prove the names.
dns "rfc2136" "demo" {
  server   = %q
  key_name = %q
  key      = secret("file:tsig.key")
  zones    = [%q]
}

# On loopback the delegation names no port, so the zone says whom to ask.
zone %q {
  nameservers = [%q]
  resolvers   = [%q]
}

# Where the certificate must be, and the endpoint that must serve it.
sink "file" "web" {
  directory = "tls"
  endpoint {
    address      = %q
    port         = %s
    server_names = [%q]
  }
}

# What is wanted.
certificate "site" {
  names = [%q, "*.%s"]
  sinks = [sink.file.web]
}
`, box.Directory, box.DNS, box.KeyName, demoZone, demoZone, box.DNS, box.DNS, host, port, demoHost, demoZone, demoZone))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
