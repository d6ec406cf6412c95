package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// clientRun is what one apply of the client did.
type clientRun struct {
	used
	counts
	Deployed time.Duration `json:"deployed_ns"` // until the last certificate was delivered, those of a slow zone left out
	Marks    []mark        `json:"marks"`
}

// mark is when a kind of event was first and last said.
type mark struct {
	Kind  string        `json:"kind"`
	First time.Duration `json:"first_ns"`
	Last  time.Duration `json:"last_ns"`
	Times int           `json:"times"`
}

// configure writes the client's configuration of a case, as its user would.
func configure(c Case, w addresses, dir string) error {
	var b strings.Builder
	fmt.Fprintf(&b, `issuer "acme" "bench" {
  directory = %q
  ca_file   = %q
}

dns "webhook" "bench" {
  url         = %q
  token       = secret("env:BENCH_HOOK_TOKEN")
  max_changes = %d
}

`, w.Directory, w.CAFile, w.Hook, c.batch())
	var zones strings.Builder
	for i := range c.Zones {
		by := w.Nameserver
		if i == 0 && c.Slow > 0 {
			by = w.Slow
		}
		fmt.Fprintf(&zones, "    %q = %q\n", c.zone(i), by)
	}
	fmt.Fprintf(&b, `zone "all" {
  for_each    = %s
  name        = each.key
  dns         = [dns.webhook.bench]
  nameservers = [each.value]
  resolvers   = [%q]
}

sink "file" "here" {
  directory = "tls/${certificate.name}"
}

certificate "site" {
  for_each = csvdecode(file("hosts.csv"))[*].host
  names    = [each.key, "*.${each.key}"]
  sinks    = [sink.file.here]
}
`, "{\n"+zones.String()+"  }", w.Resolver)
	hosts := "host\n"
	for _, x := range c.certificates() {
		hosts += x.name + "\n"
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "hosts.csv"), []byte(hosts), 0o644),
		os.WriteFile(filepath.Join(dir, "certform.hcl"), []byte(b.String()), 0o644))
}

// certform is the client's command line, run in dir.
func certform(ctx context.Context, binary, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(), "BENCH_HOOK_TOKEN=" + hookToken}
	return cmd
}

// apply runs the client on a case in a fresh directory and a fresh world, and
// sees that everything was done.
func apply(ctx context.Context, binary string, c Case, w *world, dir string) (clientRun, error) {
	var r clientRun
	if err := configure(c, w.addresses, dir); err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(dir, "events.json"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	var said bytes.Buffer
	cmd := certform(ctx, binary, dir, "apply", "-auto-approve", "-json")
	cmd.Stdout, cmd.Stderr = log, &said
	began := time.Now()
	r.used, err = run(cmd)
	if err != nil {
		return r, fmt.Errorf("certform apply: %w\n%s", err, bytes.TrimSpace(said.Bytes()))
	}
	if r.counts, err = w.counts(ctx); err != nil {
		return r, err
	}
	if err := r.read(c, log.Name(), began); err != nil {
		return r, err
	}
	return r, whole(c, r, filepath.Join(dir, "tls"))
}

// whole sees that the client's work is what was asked for.
func whole(c Case, r clientRun, dir string) error {
	if r.Issued != c.Certificates || r.CA["orders"] != c.Certificates {
		return fmt.Errorf("%d certificates of %d orders were issued, not %d", r.Issued, r.CA["orders"], c.Certificates)
	}
	if len(r.Left) > 0 {
		return fmt.Errorf("TXT values are left at %d names, as %s", len(r.Left), r.Left[0])
	}
	found := map[string]bool{}
	all, err := filepath.Glob(filepath.Join(dir, "*", "fullchain.pem"))
	if err != nil {
		return err
	}
	for _, path := range all {
		chain, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key, err := os.ReadFile(filepath.Join(filepath.Dir(path), "privkey.pem"))
		if err != nil {
			return err
		}
		b, err := cert.ParseBundle(append(chain, key...))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found[strings.Join(b.Chain.Names(), " ")] = true
	}
	for _, x := range c.certificates() {
		names := x.names()
		slices.Sort(names)
		if !found[strings.Join(names, " ")] {
			return fmt.Errorf("no files of the certificate for %s", x.name)
		}
	}
	return nil
}

// read reads when what was said.
func (r *clientRun) read(c Case, path string, began time.Time) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	slow := "." + c.zone(0) + `"`
	for lines := bufio.NewReader(f); ; {
		data, err := lines.ReadBytes('\n')
		if len(data) == 0 && err != nil {
			return nil
		}
		var e struct {
			Type string    `json:"type"`
			Time time.Time `json:"@timestamp"`
			Whom string    `json:"certificate"`
		}
		if json.Unmarshal(data, &e) != nil || e.Time.IsZero() {
			continue
		}
		at := e.Time.Sub(began)
		i := slices.IndexFunc(r.Marks, func(m mark) bool { return m.Kind == e.Type })
		if i < 0 {
			r.Marks = append(r.Marks, mark{Kind: e.Type, First: at})
			i = len(r.Marks) - 1
		}
		r.Marks[i].Last = at
		r.Marks[i].Times++
		if e.Type == "delivered" && !(c.Slow > 0 && strings.Contains(e.Whom, slow)) {
			r.Deployed = at
		}
	}
}
