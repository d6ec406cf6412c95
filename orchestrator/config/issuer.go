package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/certform/certform/orchestrator/block"
)

// ACME is the spec of issuer "acme". After Load Directory is a URL.
type ACME struct {
	Directory      string       `arg:"directory,required" doc:"The name of a known CA, or the URL of an ACME directory."`
	Email          string       `arg:"email" doc:"Where the CA may write to."`
	CAFile         string       `arg:"ca_file" doc:"PEM file of roots to trust when talking to a private CA."`
	EABKid         string       `arg:"eab_kid" doc:"Key identifier of the external account binding, from the CA."`
	EABHMACKey     block.Secret `arg:"eab_hmac_key" doc:"HMAC key of the external account binding, base64url as the CA gives it."`
	CAAIdentities  []string     `arg:"caa_identities" doc:"The domain names by which CAA records know the CA. Default: those that its directory told an earlier run, or that certform knows of it."`
	PreferredChain string       `arg:"preferred_chain" doc:"Common name of the root that the chain should end in, where the CA offers several."`

	CA  string   // the known name of the CA, "" for one that is not known
	CAA []string // the names of a known CA in CAA records
}

// CA is an ACME CA that is known by name.
type CA struct {
	Name, Directory string
	EAB             bool           // an account needs an external binding
	CAA             []string       // its domain names in CAA records
	Names           map[string]int // most names in a certificate, by profile; "" is the default profile
}

var letsEncrypt = map[string]int{"": 100, "classic": 100, "tlsserver": 25, "shortlived": 25}

// sectigo signs for ZeroSSL too.
var sectigo = []string{"sectigo.com", "trust-provider.com", "usertrust.com", "comodoca.com", "comodo.com"}

// CAs are the known ones.
var CAs = []CA{
	{Name: "letsencrypt", Directory: "https://acme-v02.api.letsencrypt.org/directory", CAA: []string{"letsencrypt.org"}, Names: letsEncrypt},
	{Name: "letsencrypt-staging", Directory: "https://acme-staging-v02.api.letsencrypt.org/directory", CAA: []string{"letsencrypt.org"}, Names: letsEncrypt},
	{Name: "google", Directory: "https://dv.acme-v02.api.pki.goog/directory", CAA: []string{"pki.goog"}, EAB: true},
	{Name: "google-staging", Directory: "https://dv.acme-v02.test-api.pki.goog/directory", CAA: []string{"pki.goog"}, EAB: true},
	{Name: "zerossl", Directory: "https://acme.zerossl.com/v2/DV90", CAA: sectigo, EAB: true},
	{Name: "sslcom", Directory: "https://acme.ssl.com/sslcom-dv-ecc", CAA: []string{"ssl.com"}, EAB: true},
	{Name: "sslcom-rsa", Directory: "https://acme.ssl.com/sslcom-dv-rsa", CAA: []string{"ssl.com"}, EAB: true},
	{Name: "actalis", Directory: "https://acme-api.actalis.com/acme/directory", CAA: []string{"actalis.it"}, EAB: true},
}

// ACMEKind is the kind of issuer that is built in.
var ACMEKind = Kind{
	Name: "acme", Doc: "Any CA that speaks ACME (RFC 8555).",
	Example: "issuer \"acme\" \"letsencrypt\" {\n  directory = \"letsencrypt\"\n  email     = \"ops@example.com\"\n}\n",
	New:     func() any { return &ACME{} },
}

// Rebase makes ca_file absolute.
func (a *ACME) Rebase(dir string) { a.CAFile = absolute(dir, a.CAFile) }

// Check says what is wrong beyond types.
func (a *ACME) Check() (out []block.Problem) {
	say := func(argument, summary, detail string) {
		out = append(out, block.Problem{Argument: argument, Summary: summary, Detail: detail})
	}
	ca := knownCA(a.Directory)
	if ca == nil {
		if problem := badDirectory(a.Directory); problem != "" {
			say("directory", "Bad ACME directory", problem)
		}
	}
	if a.Email != "" && (strings.Count(a.Email, "@") != 1 || strings.HasPrefix(a.Email, "mailto:") || strings.ContainsAny(a.Email, " ,;<>")) {
		say("email", "Bad e-mail address", fmt.Sprintf("%q is not one plain address, as in ops@example.com.", a.Email))
	}
	switch {
	case a.EABKid != "" && a.EABHMACKey.Zero():
		say("eab_kid", "Half an external account binding", `eab_kid comes with eab_hmac_key = secret("...").`)
	case a.EABKid == "" && !a.EABHMACKey.Zero():
		say("eab_hmac_key", "Half an external account binding", "eab_hmac_key comes with eab_kid.")
	case a.EABKid == "" && ca != nil && ca.EAB:
		say("directory", "External account binding is missing", fmt.Sprintf("%s opens accounts only with eab_kid and eab_hmac_key, which it gives to its customers.", ca.Name))
	}
	return out
}

func badDirectory(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || !strings.Contains(text, "://"):
		var names []string
		for _, c := range CAs {
			names = append(names, c.Name)
		}
		return fmt.Sprintf("%q is neither a URL nor the name of a known CA.%s", text, suggest(text, names))
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return "The URL of a directory has a host, and no user or fragment."
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "The URL of a directory begins with https://; http:// is only for a CA on this machine."
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func knownCA(directory string) *CA {
	for i := range CAs {
		if CAs[i].Name == directory || CAs[i].Directory == directory {
			return &CAs[i]
		}
	}
	return nil
}

// issuerBlock is what was read of an issuer block.
type issuerBlock struct {
	kind   *Kind
	body   *block.Body
	broken bool
	ca     *CA
}

func (l *loader) readIssuers() {
	for _, d := range l.families["issuer"].all() {
		k := l.kind(d.block, l.o.Issuers)
		if k == nil {
			continue
		}
		body, diags := block.ShapeOf(k.New()).Read(d.body, d.block.DefRange, nil)
		l.report.add("", diags...)
		l.checkContent(body.Content(), place{})
		d.issuer = &issuerBlock{kind: k, body: body, broken: diags.HasErrors()}
	}
}

func (l *loader) decodeIssuers(c *Config) {
	for _, d := range l.families["issuer"].all() {
		if d.issuer == nil {
			continue
		}
		spec := d.issuer.kind.New()
		l.fill(spec, d.issuer.body, d.dir, d.issuer.broken)
		if a, ok := spec.(*ACME); ok {
			if ca := knownCA(a.Directory); ca != nil {
				a.Directory, a.CA, a.CAA = ca.Directory, ca.Name, ca.CAA
				d.issuer.ca = ca
			}
		}
		if l.families["issuer"].index[d.address] != d {
			continue
		}
		c.Issuers = append(c.Issuers, Issuer{Address: d.address, Kind: d.kind, Spec: spec, Range: d.block.DefRange})
	}
}
