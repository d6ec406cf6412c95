package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// certificateArgs are the plain arguments of a certificate block.
type certificateArgs struct {
	KeyType  string            `arg:"key_type" default:"ecdsa-p256" doc:"rsa2048, rsa3072, rsa4096, ecdsa-p256 or ecdsa-p384."`
	Profile  string            `arg:"profile" doc:"The CA's certificate profile; default: the CA's default. A fallback is asked for it only if it offers it."`
	Labels   map[string]string `arg:"labels" doc:"What varies per certificate: sinks read certificate.labels."`
	ReuseKey bool              `arg:"reuse_key" doc:"Keep the private key at renewals."`
}

// CertificateArguments are those of a certificate block, for people.
func CertificateArguments() []block.Argument {
	return append([]block.Argument{
		{Name: "names", Type: "list of string", Required: true, Doc: "The DNS names, wildcards included."},
		{Name: "hosts", Type: "list of string", Doc: "The names that are served; default: the names without wildcards."},
		{Name: "sinks", Type: "list of references", Doc: "Where the certificate must be."},
		{Name: "issuers", Type: "list of references", Doc: "Who signs: the first, then fallbacks. Not needed with one issuer block."},
	}, block.Arguments(&certificateArgs{})...)
}

var certificateShape = block.ShapeOf(&certificateArgs{})

// certificateBlock is what was read of a certificate block.
type certificateBlock struct {
	body   *block.Body
	broken bool // an argument is missing, or one is not known: it may be a misspelt one
}

func (l *loader) readCertificates() {
	schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "names", Required: true}, {Name: "hosts"}, {Name: "sinks"}, {Name: "issuers"}}}
	for _, d := range l.families["certificate"].all() {
		body, diags := certificateShape.Read(d.body, d.block.DefRange, schema)
		l.report.add("", diags...)
		l.checkContent(body.Content(), place{each: d.forEach != nil})
		d.cert = &certificateBlock{body: body, broken: diags.HasErrors()}
	}
}

// built is a certificate that is being put together, with the positions that
// are dropped at the end.
type built struct {
	Certificate
	inst   *instance
	places []*builtPlace
	broken bool // its names are not whole, so that nothing can be said of what depends on them
	odd    bool // not all of its hosts are, which has been said
}

type builtPlace struct {
	sinks.Place
	sink      *sinkInstance
	spec      sinks.Spec
	endpoints []builtEndpoint
}

type builtEndpoint struct {
	cert.Endpoint
	id string
	at hcl.Range
}

func (l *loader) decodeCertificates(c *Config, defaults []referred) {
	if len(defaults) == 0 && len(l.families["issuer"].list) == 1 {
		d := l.families["issuer"].list[0]
		defaults = []referred{{d.instances[0], d.block.DefRange}}
	}
	for _, d := range l.families["certificate"].all() {
		for _, i := range d.instances {
			l.built = append(l.built, l.decodeCertificate(i, defaults))
		}
		for _, i := range d.strays() {
			l.decodeCertificate(i, defaults)
		}
	}
	l.checkRest()
	slices.SortStableFunc(l.built, func(a, b *built) int { return cmp.Compare(a.Address, b.Address) })
	c.Certificates = make([]Certificate, len(l.built))
	for n, u := range l.built {
		l.gather(u)
		c.Certificates[n] = u.Certificate
	}
}

func (l *loader) decodeCertificate(i *instance, defaults []referred) *built {
	whose, ctx, body := i.whose(), i.context(), i.cert.body
	u := &built{inst: i, broken: i.stray || body.Content().Attributes["names"] == nil}
	u.Address, u.Name, u.Range, u.NamesRange = i.address(), i.name, i.block.DefRange, body.Range("names")
	if i.forEach != nil {
		u.Name = i.name + "-" + i.key
	}
	args := certificateArgs{KeyType: string(cert.ECDSAP256)}
	_, diags := body.Decode(ctx, &args)
	l.report.add(whose, diags...)
	u.Profile, u.Labels, u.ReuseKey, u.KeyType = args.Profile, args.Labels, args.ReuseKey, cert.KeyType(args.KeyType)
	if !slices.Contains(cert.KeyTypes, u.KeyType) {
		var known []string
		for _, t := range cert.KeyTypes {
			known = append(known, string(t))
		}
		l.report.error(whose, body.Range("key_type"), "Unknown key type", "%q is no key type.%s", args.KeyType, suggest(args.KeyType, known))
	}
	attrs := body.Content().Attributes
	if a := attrs["names"]; a != nil {
		l.decodeNames(u, whose, a, ctx)
	}
	l.decodeHosts(u, whose, given(attrs["hosts"], ctx), ctx)
	issuers := l.decodeIssuersOf(u, whose, given(attrs["issuers"], ctx), ctx, defaults)
	l.checkLimits(u, whose, issuers)
	a := given(attrs["sinks"], ctx)
	if a == nil {
		if !u.broken && !i.cert.broken {
			l.report.warn(whose, i.block.DefRange, "Certificate without a sink", "It will be issued and delivered nowhere: sinks = [...] says where it must be.")
		}
		return u
	}
	refs, _ := l.references(whose, "sinks", "sink", a.Expr, ctx)
	object := u.object()
	seen := make(map[*instance]bool, len(refs))
	for _, r := range refs {
		if seen[r.instance] {
			l.report.warn(whose, r.at, "Sink listed twice", "%s is in the list already.", r.address())
			continue
		}
		seen[r.instance] = true
		if r.ready == nil {
			continue
		}
		p, ok := l.place(u, r.ready, object)
		if ok {
			u.places = append(u.places, p)
		}
	}
	return u
}

func (l *loader) decodeNames(u *built, whose string, a *hcl.Attribute, ctx *hcl.EvalContext) {
	before := l.report.errs
	list := l.texts(whose, "names", a.Expr, ctx)
	u.broken = u.broken || l.report.errs > before
	u.Names = make([]cert.Name, 0, len(list))
	for _, t := range list {
		n, err := cert.ParseDNS(t.text)
		if err != nil {
			u.broken = true
			l.report.error(whose, t.at, "Not a name for a certificate", "%q: %v.", t.text, err)
			continue
		}
		if strings.ContainsFunc(t.text, func(r rune) bool { return r > 127 }) {
			l.report.warn(whose, t.at, "Name converted", "In certificates and DNS, %s is written %s.", t.text, n)
		}
		if slices.Contains(u.Names, n) {
			l.report.warn(whose, t.at, "Name given twice", "%s is in the list already.", n)
			continue
		}
		u.Names = append(u.Names, n)
	}
	if len(u.Names) == 0 {
		// An unknown value has been explained where it comes from.
		if v, diags := a.Expr.Value(ctx); !u.broken && !diags.HasErrors() && v.IsWhollyKnown() {
			l.report.error(whose, a.Expr.Range(), "No names", "A certificate has at least one name.")
		}
		u.broken = true
	}
}

// decodeHosts reads the names that are served. Each must be covered.
func (l *loader) decodeHosts(u *built, whose string, a *hcl.Attribute, ctx *hcl.EvalContext) {
	if a == nil {
		for _, n := range u.Names {
			if !n.Wildcard() {
				u.Hosts = append(u.Hosts, n.Value)
			}
		}
		return
	}
	for _, t := range l.texts(whose, "hosts", a.Expr, ctx) {
		n, err := cert.ParseDNS(t.text)
		u.odd = u.odd || err != nil || n.Wildcard() || !u.broken && !covers(u.Names, n.Value)
		switch {
		case err != nil:
			l.report.error(whose, t.at, "Not a host", "%q: %v.", t.text, err)
		case n.Wildcard():
			l.report.error(whose, t.at, "Not a host", "%q is a wildcard; hosts are the names that are served, such as www%s.", t.text, strings.TrimPrefix(n.Value, "*"))
		case u.broken:
		case !covers(u.Names, n.Value):
			l.report.error(whose, t.at, "Host that no name covers", "%s is not covered by the names of the certificate: %s. A wildcard covers one label.", n, someNames(u.Names))
		case !slices.Contains(u.Hosts, n.Value):
			u.Hosts = append(u.Hosts, n.Value)
		}
	}
}

func (l *loader) decodeIssuersOf(u *built, whose string, a *hcl.Attribute, ctx *hcl.EvalContext, defaults []referred) []referred {
	refs, ok := defaults, true
	at := u.Range
	if a != nil {
		refs, ok = l.references(whose, "issuers", "issuer", a.Expr, ctx)
		at = a.Expr.Range()
	}
	for _, r := range refs {
		if slices.Contains(u.Issuers, r.address()) {
			l.report.warn(whose, r.at, "Issuer listed twice", "%s is in the list already.", r.address())
			continue
		}
		u.Issuers = append(u.Issuers, r.address())
	}
	if !ok || len(refs) > 0 || l.incomplete {
		return refs
	}
	switch all := l.families["issuer"].list; {
	case len(all) == 0 && l.noIssuer:
	case len(all) == 0:
		l.noIssuer = true
		l.report.error("", at, "No issuer", "Somebody must sign: add an issuer block, as in issuer \"acme\" \"letsencrypt\" { directory = \"letsencrypt\" }.")
	case len(all) > 1 && a == nil:
		var names []string
		for _, d := range all {
			names = append(names, d.address)
		}
		slices.Sort(names)
		l.report.error(whose, at, "Which issuer?", "There are several: %s. Say issuers = [%s] here, or once in the certform block.", strings.Join(names, ", "), names[0])
	case a != nil:
		l.report.error(whose, at, "No issuer", "The list of issuers is empty.")
	}
	return refs
}

// checkLimits knows the limits of the known CAs only.
func (l *loader) checkLimits(u *built, whose string, issuers []referred) {
	at := u.inst.cert.body.Range("names")
	for _, r := range issuers {
		if r.issuer == nil || r.issuer.ca == nil {
			continue
		}
		ca := r.issuer.ca
		if most, ok := ca.Names[u.Profile]; ok && len(u.Names) > most {
			profile := u.Profile
			if profile == "" {
				profile = "classic"
			}
			l.report.error(whose, at, "Too many names", "The certificate has %d names, and %s allows %d in its profile %s. Use several certificates.", len(u.Names), ca.Name, most, profile)
		}
		if ca.Names == nil {
			continue
		}
		for _, n := range u.Names {
			if w, redundant := redundantUnder(u.Names, n); redundant {
				l.report.error(whose, at, "Name that a wildcard covers", "%s is covered by %s in the same certificate, and %s refuses such an order. Leave it out of names; it may stay in hosts.", n, w, ca.Name)
			}
		}
	}
}

// redundantUnder finds a wildcard among names that covers n.
func redundantUnder(names []cert.Name, n cert.Name) (cert.Name, bool) {
	if n.Wildcard() {
		return cert.Name{}, false
	}
	_, parent, _ := strings.Cut(n.Value, ".")
	w := cert.Name{Kind: cert.DNS, Value: "*." + parent}
	return w, slices.Contains(names, w)
}

// object is the certificate as a sink sees it.
func (u *built) object() cty.Value {
	if len(u.Names) == 0 {
		return unknownCertificate
	}
	labels := cty.MapValEmpty(cty.String)
	if len(u.Labels) > 0 {
		m := make(map[string]cty.Value, len(u.Labels))
		for k, v := range u.Labels {
			m[k] = cty.StringVal(v)
		}
		labels = cty.MapVal(m)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":   cty.StringVal(u.Name),
		"names":  list(cert.Values(u.Names)),
		"hosts":  list(u.Hosts),
		"domain": cty.StringVal(u.Names[0].Base()),
		"labels": labels,
	})
}

func list(texts []string) cty.Value {
	if len(texts) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	out := make([]cty.Value, len(texts))
	for i, t := range texts {
		out[i] = cty.StringVal(t)
	}
	return cty.ListVal(out)
}

// gather moves places and endpoints into the certificate. An endpoint that is
// reached through one place proves that place; one that several places share
// proves none of them alone.
func (l *loader) gather(u *built) {
	places := make(map[string]int, len(u.places))
	for n, p := range u.places {
		for _, e := range p.endpoints {
			if first, seen := places[e.id]; !seen {
				places[e.id] = n
				u.Endpoints = append(u.Endpoints, e.Endpoint)
			} else if first != n {
				places[e.id] = -1
			}
		}
	}
	for _, p := range u.places {
		for _, e := range p.endpoints {
			to := &p.Endpoints
			if places[e.id] < 0 {
				to = &p.Shared
			}
			if !slices.Contains(*to, e.id) {
				*to = append(*to, e.id)
			}
		}
		u.Places = append(u.Places, p.Place)
	}
}

func covers(names []cert.Name, host string) bool {
	return slices.ContainsFunc(names, func(n cert.Name) bool { return n.Covers(host) })
}

// someNames are names for a sentence.
func someNames(names []cert.Name) string {
	list := cert.Values(names)
	if len(list) > 5 {
		return strings.Join(list[:5], ", ") + ", ..."
	}
	return strings.Join(list, ", ")
}
