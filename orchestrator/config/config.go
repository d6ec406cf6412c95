// Package config is HCL, all of it: the files of a directory become the
// certificates, places, endpoints, DNS blocks and issuers that are wanted,
// valid or with a diagnostic for every mistake.
//
// It touches no network, resolves no secret and creates nothing. What exists
// in the world, what to do about it and how connections are opened is left to
// the packages that come after it. Positions end here: right of config there
// are only values.
package config

import (
	"os"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
)

// Options is what Load needs.
type Options struct {
	Dir     string // the directory of the configuration; "" is the current one
	Version string // of certform, for required_version; one that is no version satisfies all
	Vars    []Var  // -var and -var-file, in the order given
	Env     func(name string) (string, bool)

	Sinks     []sinks.Kind
	Providers []providers.Kind
	Issuers   []Kind // nil: acme
	States    []Kind // nil: local
	Seals     []Kind // nil: age
}

// Var is one -var (Name and Value) or one -var-file (File).
type Var struct{ Name, Value, File string }

// Kind is one kind of issuer, state or seal: New returns a pointer to a struct
// with arg tags (package block), which may have the methods Check
// ([]block.Problem) and Rebase (dir string).
type Kind struct {
	Name, Doc, Example string
	New                func() any
}

// Config is a whole configuration. It is valid only if Load returned no error.
// It is immutable; nothing in it is a secret.
type Config struct {
	Dir          string // absolute
	Digest       string // of everything that was read: files, variables, environment
	Settings     Settings
	Issuers      []Issuer
	DNS          []providers.DNS
	Zones        []providers.Zone
	Certificates []Certificate // in the order of their addresses

	// Ranges says where the block of an address (issuer, dns, sink, zone,
	// certificate; without for_each key) begins.
	Ranges map[string]hcl.Range
	files  map[string]*hcl.File
}

// Files are the sources for hcl.NewDiagnosticTextWriter, also after an error.
// Text that may be a secret is blotted out.
func (c *Config) Files() map[string]*hcl.File { return c.files }

// Settings is what the certform block says, with its defaults.
type Settings struct {
	State, Seal Backend
}

// Backend is a state or a seal: Spec is what its Kind's New returned, filled.
type Backend struct {
	Kind  string
	Spec  any
	Range hcl.Range // zero for a default that nobody wrote
}

// Issuer is one issuer block. Spec is what its Kind's New returned, filled: an
// *ACME for the kind acme.
type Issuer struct {
	Address string // issuer.acme.letsencrypt
	Kind    string
	Spec    any
	Range   hcl.Range
}

// Certificate is one certificate that is wanted.
type Certificate struct {
	Address   string // certificate.site["example.com"]; certificate.site without for_each
	Name      string // site-example.com; site without for_each. Unique
	Names     []cert.Name
	Hosts     []string // the names that are served; no wildcards
	Issuers   []string // addresses: the first, then the fallbacks
	KeyType   cert.KeyType
	Profile   string
	Labels    map[string]string
	ReuseKey  bool
	Places    []sinks.Place
	Endpoints []cert.Endpoint // of all places, one per ID

	Range, NamesRange hcl.Range // of the block's header, and of the value of names
}

// Load reads a configuration. All mistakes come back at once; warnings too.
// The Config is never nil and has Files for the diagnostics, but is otherwise
// valid only without errors. Load may be called again and concurrently.
func Load(o Options) (*Config, hcl.Diagnostics) {
	l := newLoader(o)
	c := l.load()
	diags := l.report.diagnostics(l.files)
	l.conceal(diags)
	c.files = l.redacted(diags)
	return c, diags
}

func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir = "."
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Issuers == nil {
		o.Issuers = []Kind{ACMEKind}
	}
	if o.States == nil {
		o.States = []Kind{LocalKind}
	}
	if o.Seals == nil {
		o.Seals = []Kind{AgeKind}
	}
	return o
}
