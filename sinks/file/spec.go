// Package file is the sink that writes certificates to this machine's disk:
// certbot's four files in a directory, one combined PEM file, or a PKCS #12
// archive; and that tests and reloads the service which reads them.
//
// # The directory
//
// A reader that resolves the directory once must never see half of one pair
// and half of another, so a directory D is a symbolic link that is replaced by
// one rename. It leads into .D.certform beside it:
//
//	/etc/tls/site                     -> .site.certform/1f0c93ab77de-7
//	/etc/tls/.site.certform/1f0c93ab77de-7/{fullchain,privkey,cert,chain}.pem
//	/etc/tls/.site.certform/8812bd60e4a1-6/...   the version before
//
// The number grows. The version before stays, for readers that are inside it
// and for undo; older ones are removed. Where D is a directory already, it is
// exchanged with the link in one system call, lies untouched as found-N among
// the versions, and is never removed while anything is in it. Whatever was in
// it besides the four files is linked into the new version under its old name,
// and so is, at each later switch, whatever somebody put beside the four files.
// A D that cannot be exchanged (a mount point, a parent directory without
// write permission) is refused with advice. A link D that leads elsewhere is
// followed.
//
// # Two processes
//
// Looking, writing and switching happen under a lock, so of several processes
// of one machine exactly one wins.
package file

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/reload"
)

// Spec is a decoded block.
type Spec struct {
	Directory string       `arg:"directory" doc:"A directory that gets fullchain.pem, privkey.pem, cert.pem and chain.pem, all switched by one rename: it becomes a symbolic link."`
	Combined  string       `arg:"combined" doc:"One PEM file with the chain and the private key, as HAProxy reads it."`
	PKCS12    string       `arg:"pkcs12" doc:"One PKCS #12 archive (AES-256), as Java and Windows read it. Needs password."`
	Password  block.Secret `arg:"password" doc:"The password of the PKCS #12 archive."`
	Owner     string       `arg:"owner" doc:"User who owns the files: name or number. Default: who runs certform."`
	Group     string       `arg:"group" doc:"Group of the files: name or number. Default: that of who runs certform."`
	Mode      string       `arg:"mode" default:"0600" doc:"Permissions of what holds the private key, in octal. Certificates alone are 0644."`
	Test      []string     `arg:"test" doc:"A program and its arguments, run without a shell after the switch and before reload, at most a minute. If it fails, what was there before is put back."`
	Reload    []string     `arg:"reload" doc:"A program and its arguments that make the service read the files again, at most a minute. If it fails, what was there before is put back and it runs once more. Places with the same test and reload share the runs."`

	base string
	keep bool                                // owner and mode of a file that is there
	step func(what string, after bool) error // of disk
}

// Kind is the sink's line in the table of kinds.
func Kind() sinks.Kind {
	return sinks.Kind{
		Name: "file",
		Doc:  "Files on this machine: certbot's four names in a directory, one combined PEM file, or a PKCS #12 archive; then a test and a reload of the service.",
		Example: `sink "file" "nginx" {
  directory = "/etc/nginx/tls/${certificate.name}"
  group     = "www-data"
  test      = ["nginx", "-t"]
  reload    = ["systemctl", "reload", "nginx"]
  endpoint {}
}
`,
		New: func() sinks.Spec { return &Spec{Mode: "0600"} },
	}
}

// Rebase makes relative paths relative to dir.
func (s *Spec) Rebase(dir string) { s.base = dir }

// Keeping is a combined file that keeps the owner and mode it has, and is 0600
// if it is new: for sinks that write a file beside something else.
func Keeping(path string) *Spec { return &Spec{Combined: path, keep: true} }

// Check says what is wrong beyond types.
func (s *Spec) Check() []block.Problem {
	var out []block.Problem
	wrong := func(arg, summary, detail string) {
		out = append(out, block.Problem{Argument: arg, Summary: summary, Detail: detail})
	}
	var given []string
	for _, w := range s.ways() {
		if w.path != "" {
			given = append(given, w.arg)
		}
	}
	switch {
	case len(given) == 0:
		wrong("", "No path", "Say where to write: directory (four files), combined (one PEM file) or pkcs12 (one archive).")
	case len(given) > 1:
		wrong(given[1], "Two ways to write", fmt.Sprintf("A file sink writes one thing, and this one has %s and %s. Write a second sink block and list both in the certificate.", given[0], given[1]))
	default:
		arg, path := s.way()
		written := cmp.Or(s.Directory, s.Combined, s.PKCS12)
		if path == filepath.Dir(path) {
			wrong(arg, "Not a path that can be replaced", fmt.Sprintf("%q is a root directory. Name something in it.", path))
		}
		switch {
		case strings.ContainsFunc(path, unicode.IsControl):
			wrong(arg, "Not a path", fmt.Sprintf("%q has a line break or another control character in it; a heredoc ends with one. Write the path in quotes.", path))
		case strings.HasPrefix(written, "~"):
			wrong(arg, "Not a path", fmt.Sprintf("%q begins with ~, which only a shell knows. Write the path in full.", written))
		}
	}
	switch {
	case s.PKCS12 != "" && s.Password.Zero():
		wrong("password", "No password", `A PKCS #12 archive is encrypted: add password = secret("env:NAME").`)
	case s.PKCS12 == "" && !s.Password.Zero():
		wrong("password", "Nothing to encrypt", "Only pkcs12 takes a password; PEM files are protected by owner, group and mode.")
	}
	if m, err := s.mode(); err != nil {
		wrong("mode", "Not a file mode", fmt.Sprintf("%q is not an octal mode such as \"0600\" or \"0640\".", s.Mode))
	} else if m&0o007 != 0 {
		wrong("mode", "Everybody could read the key", fmt.Sprintf("Mode %s gives rights to everybody on the machine. Use group with mode \"0640\".", s.Mode))
	}
	for _, c := range []struct {
		arg  string
		argv []string
	}{{"test", s.Test}, {"reload", s.Reload}} {
		if len(c.argv) > 0 && c.argv[0] == "" {
			wrong(c.arg, "No program", fmt.Sprintf("The first element of %s is the program to run.", c.arg))
		}
	}
	return out
}

// Target is the path that is written.
func (s *Spec) Target() string {
	_, path := s.way()
	return "file:" + path
}

// Paths are what is written: for a directory also the names in it, which
// another sink could have as its combined file.
func (s *Spec) Paths() []string {
	arg, path := s.way()
	out := []string{path}
	if arg == "directory" {
		for _, name := range []string{fullchainName, keyName, certName, chainName} {
			out = append(out, filepath.Join(path, name))
		}
	}
	return out
}

// Open resolves the password, the owner and the group.
func (s *Spec) Open(ctx context.Context, w *world.World) (sinks.Sink, error) {
	arg, path := s.way()
	mode, err := s.mode()
	if err != nil {
		return nil, world.Never(fmt.Errorf("mode %q: not an octal number", s.Mode))
	}
	own, err := ownership(s.Owner, s.Group, mode)
	if err != nil {
		return nil, world.Never(err)
	}
	if info, err := os.Stat(path); s.keep && err == nil {
		own = likewise(info)
	}
	d := disk{s.step}
	out := &sink{w: w, path: path, cmds: reload.Commands{Test: s.command(s.Test), Reload: s.command(s.Reload)}}
	switch arg {
	case "directory":
		out.layout = &directory{disk: d, path: path, own: own}
	case "combined":
		out.layout = &single{disk: d, path: path, own: own, form: combined{}}
	default:
		password, err := w.Resolve(ctx, s.Password.Ref())
		if err != nil {
			return nil, err
		}
		out.layout = &single{disk: d, path: path, own: own, form: archive{password}}
	}
	return out, nil
}

// command makes a program's path whole; a bare name is looked for on the PATH.
func (s *Spec) command(argv []string) []string {
	if len(argv) == 0 || filepath.IsAbs(argv[0]) || filepath.Base(argv[0]) == argv[0] {
		return argv
	}
	return append([]string{filepath.Join(s.base, argv[0])}, argv[1:]...)
}

type way struct{ arg, path string }

func (s *Spec) ways() []way {
	return []way{{"directory", s.Directory}, {"combined", s.Combined}, {"pkcs12", s.PKCS12}}
}

// way is the argument that was given, and its path made whole.
func (s *Spec) way() (arg, path string) {
	for _, w := range s.ways() {
		if w.path == "" {
			continue
		}
		path = w.path
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.base, path)
		}
		return w.arg, filepath.Clean(path)
	}
	return "", ""
}

func (s *Spec) mode() (uint32, error) {
	m := s.Mode
	if m == "" {
		m = "0600"
	}
	n, err := strconv.ParseUint(m, 8, 32)
	if err == nil && (n > 0o777 || n&0o600 != 0o600) {
		err = strconv.ErrRange
	}
	return uint32(n), err
}
