package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/providers"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/net/idna"
)

// dnsBlock is what was read of a dns block.
type dnsBlock struct {
	kind   *providers.Kind
	body   *block.Body
	broken bool
}

var dnsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "zones"}}}

func (l *loader) readDNS() {
	var names []string
	for _, k := range l.o.Providers {
		names = append(names, k.Name)
	}
	shapes := map[string]*block.Shape{}
	for _, d := range l.families["dns"].all() {
		k := l.dnsKinds[d.kind]
		if k == nil {
			l.unknownKind(d.block, names)
			continue
		}
		if shapes[d.kind] == nil {
			shapes[d.kind] = block.ShapeOf(k.New())
		}
		body, diags := shapes[d.kind].Read(d.body, d.block.DefRange, dnsSchema)
		l.report.add("", diags...)
		l.checkContent(body.Content(), place{each: d.forEach != nil})
		d.dns = &dnsBlock{kind: k, body: body, broken: diags.HasErrors()}
	}
}

func (l *loader) decodeDNS(c *Config) {
	for _, d := range l.families["dns"].all() {
		if d.dns == nil {
			continue
		}
		for _, i := range d.instances {
			out, declared := l.decodeProvider(i)
			c.DNS = append(c.DNS, out)
			l.declared = append(l.declared, declared...)
		}
		for _, i := range d.strays() {
			l.decodeProvider(i)
		}
	}
}

func (l *loader) decodeProvider(i *instance) (out providers.DNS, declared []declaredZone) {
	whose, ctx := i.whose(), i.context()
	out = providers.DNS{Address: i.address(), Kind: i.kind, Spec: i.dns.kind.New(), Quirks: i.dns.kind.Quirks}
	l.fillFor(whose, out.Spec, i.dns.body, ctx, i.dir.path, i.dns.broken)
	a := given(i.dns.body.Content().Attributes["zones"], ctx)
	if a == nil {
		return out, nil
	}
	out.Zones = []string{}
	for _, t := range l.texts(whose, "zones", a.Expr, ctx) {
		if z, ok := l.zoneName(whose, t); ok {
			out.Zones = append(out.Zones, z)
			declared = append(declared, declaredZone{zone: z, by: out.Address, at: t.at})
		}
	}
	return out, declared
}

// declaredZone is one zone in the zones list of a dns block.
type declaredZone struct {
	zone, by string
	at       hcl.Range
}

// zoneName checks the name of a zone and makes it canonical, without a
// trailing dot. Unlike a certificate's name it may have one label, and
// underscores.
func (l *loader) zoneName(whose string, t located) (string, bool) {
	name, err := hostName(t.text)
	if err == nil && strings.Contains(name, "*") {
		err = fmt.Errorf("a zone is no wildcard; say the zone itself")
	}
	if err != nil {
		l.report.error(whose, t.at, "Bad zone", "%q: %v.", t.text, err)
		return "", false
	}
	return name, true
}

// hostName makes a name canonical: lower case, A-labels, no trailing dot.
func hostName(text string) (string, error) {
	name := strings.TrimSuffix(text, ".")
	ascii, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(name)
	if err != nil {
		return "", fmt.Errorf("not a DNS name: %v", err)
	}
	ascii = strings.ToLower(ascii)
	if ascii == "" || len(ascii) > 253 {
		return "", fmt.Errorf("a DNS name has 1 to 253 octets")
	}
	// RFC 3696, section 2: no top-level domain is a number, so that nobody takes
	// an address for a name.
	if last := ascii[strings.LastIndexByte(ascii, '.')+1:]; last != "" && strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("its last label is a number, as in an IP address")
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", fmt.Errorf("each label of a DNS name has 1 to 63 octets")
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '*' && c != '/' {
				return "", fmt.Errorf("the character %q cannot be part of it", c)
			}
		}
	}
	return ascii, nil
}

// zoneArgs are the arguments of a zone block but dns, which takes references.
type zoneArgs struct {
	Name        string        `arg:"name" doc:"The zone; default: the label of the block."`
	Nameservers []string      `arg:"nameservers" doc:"The servers to ask, instead of those that the delegation names (a split horizon)."`
	Resolvers   []string      `arg:"resolvers" doc:"The resolvers to ask, instead of this machine's: host or host:port, tcp://host:port (over TCP alone), or https://... (DNS over HTTPS, RFC 8484; with an address, or a name that this machine can look up)."`
	ResolversCA string        `arg:"resolvers_ca_file" doc:"A PEM file of the roots that vouch for the resolvers over HTTPS, instead of the system's."`
	MaxWait     time.Duration `arg:"max_wait" doc:"How long a change may take until every server shows it."`
	MaxValues   int           `arg:"max_values" doc:"How many TXT values may be at one name at a time; more certificates wait their turn. For a name to which many challenges are delegated: with every value the answer grows, beyond some twenty over what resolvers and CAs take, and some hosts keep few. It counts the values of this process. Default: no limit."`
}

// ZoneArguments are those of a zone block, for people.
func ZoneArguments() []block.Argument {
	return append([]block.Argument{{Name: "dns", Type: "list of references", Doc: "The dns blocks that serve the zone, all of them."}},
		block.Arguments(&zoneArgs{})...)
}

// zoneBlock is what was read of a zone block.
type zoneBlock struct {
	body *block.Body
}

func (l *loader) readZones() {
	shape := block.ShapeOf(&zoneArgs{})
	schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "dns"}}}
	for _, d := range l.families["zone"].all() {
		body, diags := shape.Read(d.body, d.block.DefRange, schema)
		l.report.add("", diags...)
		l.checkContent(body.Content(), place{each: d.forEach != nil})
		d.zone = &zoneBlock{body: body}
	}
}

func (l *loader) decodeZones(c *Config) {
	for _, d := range l.families["zone"].all() {
		for _, i := range d.instances {
			z := l.decodeZone(i)
			c.Zones = append(c.Zones, z.Zone)
			if z.Name != "" {
				l.zoneBlocks = append(l.zoneBlocks, z)
			}
		}
		for _, i := range d.strays() {
			l.decodeZone(i)
		}
	}
}

func (l *loader) decodeZone(i *instance) zoneAt {
	whose, ctx, body := i.whose(), i.context(), i.zone.body
	var args zoneArgs
	unknown, diags := body.Decode(ctx, &args)
	l.report.add(whose, diags...)
	out := zoneAt{providers.Zone{Address: i.address(), MaxWait: args.MaxWait}, i.block.LabelRanges[0]}
	name := located{i.name, out.at}
	if a := given(body.Content().Attributes["name"], ctx); a != nil {
		out.at = a.Expr.Range()
		name = located{args.Name, out.at}
	}
	if !slices.Contains(unknown, "name") {
		out.Name, _ = l.zoneName(whose, name)
	}
	out.Nameservers = l.servers(whose, "nameservers", args.Nameservers, body)
	out.Resolvers = l.resolvers(whose, args.Resolvers, body)
	out.ResolversCA = absolute(i.dir.path, args.ResolversCA)
	if a := given(body.Content().Attributes["max_values"], ctx); a != nil && args.MaxValues < 1 && !slices.Contains(unknown, "max_values") {
		l.report.error(whose, a.Expr.Range(), "Bad max_values", "%d: a name must have room for at least one value.", args.MaxValues)
	}
	out.MaxValues = max(args.MaxValues, 0)
	if a := given(body.Content().Attributes["dns"], ctx); a != nil {
		refs, ok := l.references(whose, "dns", "dns", a.Expr, ctx)
		for _, r := range refs {
			out.DNS = append(out.DNS, r.address())
		}
		if ok && len(refs) == 0 {
			l.report.error(whose, a.Expr.Range(), "No dns block for a zone", "The list is empty. Leave dns out if the provider is to be found by its zones.")
		}
	}
	return out
}

type zoneAt struct {
	providers.Zone
	at hcl.Range
}

// servers checks a list of hosts or host:port.
func (l *loader) servers(whose, argument string, list []string, body *block.Body) []string {
	for _, s := range list {
		host := s
		if h, port, ok := hostPort(s); ok {
			host = h
			if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
				l.report.error(whose, body.Range(argument), "Bad server", "%q: %q is no port.", s, port)
				continue
			}
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			continue
		}
		if _, err := hostName(host); err != nil || strings.Contains(host, "*") {
			l.report.error(whose, body.Range(argument), "Bad server", "%q is neither a host name nor an address, with or without a port.", s)
		}
	}
	return list
}

// resolvers checks a list of resolvers: servers, with or without udp:// or
// tcp://, and URLs.
func (l *loader) resolvers(whose string, list []string, body *block.Body) []string {
	for _, s := range list {
		scheme, rest, ok := strings.Cut(s, "://")
		switch {
		case !ok:
			l.servers(whose, "resolvers", []string{s}, body)
		case scheme == "udp" || scheme == "tcp":
			l.servers(whose, "resolvers", []string{rest}, body)
		case scheme != "https":
			l.report.error(whose, body.Range("resolvers"), "Bad resolver", "%q: a resolver is a host, with udp:// or tcp:// before it, or an https:// URL.", s)
		default:
			if u, err := url.Parse(s); err != nil || u.Hostname() == "" || u.User != nil {
				l.report.error(whose, body.Range("resolvers"), "Bad resolver", "It is no URL of a host, without a user, as https://192.0.2.53/dns-query is.")
			}
		}
	}
	return list
}

// hostPort splits host:port, where the host may be an IPv6 address in
// brackets; ok is false without a port.
func hostPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, "", false
	}
	bracketed := strings.HasPrefix(s, "[") && s[i-1] == ']'
	if !bracketed && strings.Count(s, ":") > 1 {
		return s, "", false
	}
	return strings.Trim(s[:i], "[]"), s[i+1:], true
}
