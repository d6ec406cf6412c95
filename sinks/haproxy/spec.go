// Package haproxy is the sink that replaces a certificate inside a running
// HAProxy (2.2 or newer) through its runtime API, without a reload.
//
// One block is one instance; for_each makes several. A change by the runtime
// API lives in HAProxy's memory, so where the instance runs on this machine (a
// Unix socket, or local = true) the file of the same name is written too, and a
// reload keeps the certificate. For an instance elsewhere somebody has to write
// the file there; until then a reload brings the old one back, which the next
// look sees.
//
// The runtime API shows a certificate's SHA-1 and serial, not the certificate.
// Held then has no Leaf and is compared by Held.Matches; on this machine
// the file beside tells the rest, if it may be read.
//
// # Transactions
//
// HAProxy has one transaction for all certificates, and 2.6 puts a `set` for
// one file into the transaction of another without a word. So Puts to one
// instance go one after the other, a transaction about another file is waited
// for and then reported, and what is in the transaction is checked before it is
// committed.
package haproxy

import (
	"context"
	"net"
	"path/filepath"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/file"
)

// Spec is a decoded block.
type Spec struct {
	Address string `arg:"address,required" doc:"The runtime API (stats socket, level admin): the path of a Unix socket, or host:port."`
	File    string `arg:"file,required" doc:"The certificate's name inside HAProxy, which is its path there."`
	CrtList string `arg:"crt_list" doc:"A crt-list that gets the certificate if it is not in it: needed once for a file that the configuration does not name. In memory only: write the line into the file too."`
	Local   bool   `arg:"local" doc:"The instance runs on this machine, though it is reached by TCP: write the file too. Always so with a Unix socket."`

	base string
}

// Kind is the sink's line in the table of kinds.
func Kind() sinks.Kind {
	return sinks.Kind{
		Name: "haproxy",
		Doc:  "A running HAProxy, one instance a block: the certificate is replaced through the runtime API, without a reload. On this machine the file is written too.",
		Example: `sink "haproxy" "edge" {
  for_each = { lb1 = "10.0.0.11", lb2 = "10.0.0.12" }
  address  = "${each.value}:9999"
  file     = "/etc/haproxy/certs/${certificate.name}.pem"
  endpoint { address = each.value }
}
`,
		New: func() sinks.Spec { return &Spec{} },
	}
}

// Rebase makes a relative path of a socket relative to dir.
func (s *Spec) Rebase(dir string) { s.base = dir }

// Check says what is wrong beyond types.
func (s *Spec) Check() []block.Problem {
	var out []block.Problem
	wrong := func(arg, summary, detail string) {
		out = append(out, block.Problem{Argument: arg, Summary: summary, Detail: detail})
	}
	if network, address := s.dial(); network == "tcp" {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			wrong("address", "Not an address of a runtime API", "Write the path of a Unix socket, as in /run/haproxy/admin.sock, or host:port, as in 10.0.0.11:9999.")
		}
	}
	for _, a := range []struct{ name, value string }{{"file", s.File}, {"crt_list", s.CrtList}} {
		// The runtime API splits commands at these; * marks a transaction.
		if strings.ContainsAny(a.value, " \t\r\n;\\\"'*#<") {
			wrong(a.name, "Not a name for HAProxy's runtime API", "A name with a blank, a quote or one of ; \\ * # < cannot be said to the runtime API.")
		}
	}
	if s.local() && s.File != "" && !filepath.IsAbs(s.File) {
		wrong("file", "Not an absolute path", "The instance is on this machine, so the file is written too: give its whole path, the same that HAProxy's configuration has.")
	}
	return out
}

// Target is the instance and the certificate's name in it.
func (s *Spec) Target() string {
	_, address := s.dial()
	return "haproxy:" + strings.ToLower(address) + ":" + s.File
}

// Paths are what is written on this machine, if the instance is on it.
func (s *Spec) Paths() []string {
	if !s.local() {
		return nil
	}
	return []string{filepath.Clean(s.File)}
}

// Notes tells where the change lives.
func (s *Spec) Notes() []string {
	if s.local() {
		return nil
	}
	return []string{"the change lives in HAProxy's memory until something writes " + s.File + " on its machine"}
}

// Open makes the sink; the connection is made for each command.
func (s *Spec) Open(ctx context.Context, w *world.World) (sinks.Sink, error) {
	network, address := s.dial()
	out := &sink{api: api{w: w, network: network, address: address}, w: w, file: s.File, list: s.CrtList, notes: s.Notes()}
	if s.local() {
		beside, err := file.Keeping(s.File).Open(ctx, w)
		if err != nil {
			return nil, err
		}
		out.disk = beside.(disk)
	}
	return out, nil
}

func (s *Spec) local() bool {
	network, _ := s.dial()
	return s.Local || network == "unix"
}

func (s *Spec) dial() (network, address string) {
	for _, prefix := range []string{"unix@", "unix:"} {
		if path, ok := strings.CutPrefix(s.Address, prefix); ok {
			return "unix", s.rebased(path)
		}
	}
	if strings.ContainsAny(s.Address, `/\`) {
		return "unix", s.rebased(s.Address)
	}
	return "tcp", s.Address
}

func (s *Spec) rebased(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.base, path)
	}
	return filepath.Clean(path)
}
