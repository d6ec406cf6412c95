package config

import (
	"regexp"
	"slices"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// loader is one Load under way.
type loader struct {
	o      Options
	dir    string // absolute
	dirs   []*directory
	files  map[string]*hcl.File
	report report
	digest digest

	suggested int // references that were compared with all there are
	read      map[string][]byte

	// incomplete says that some file could not be parsed, so that nothing can
	// be said about what is missing.
	incomplete bool
	noIssuer   bool // was said

	vars       map[string]*variable
	locals     map[string]*node
	twins      []*node            // locals with the name of another
	families   map[string]*family // sink, dns, zone, issuer, certificate
	settings   []*settingsBlock
	missing    map[string]cty.Value // roots and names that are referred to and do not exist
	dangling   []dangling
	declared   []declaredZone
	zoneBlocks []zoneAt
	built      []*built
	sinkKinds  map[string]*sinks.Kind
	dnsKinds   map[string]*providers.Kind
}

// family is all blocks of one type.
type family struct {
	name   string
	labels int // 2: kind and name, 1: name
	list   []*declaration
	index  map[string]*declaration // by address
	twins  []*declaration          // with the address of another: nothing but their mistakes counts
}

// all are those in which mistakes are looked for.
func (f *family) all() []*declaration { return slices.Concat(f.list, f.twins) }

// declaration is one block that has an address.
type declaration struct {
	family     string
	kind, name string
	address    string // sink.haproxy.edge
	block      *hcl.Block
	body       hcl.Body // without for_each
	dir        *directory
	forEach    *hcl.Attribute
	node       *node
	instances  []*instance
	keys       map[string]*instance
	lost       bool // for_each failed: how many there are is not known
	refs       cty.Value

	issuer *issuerBlock
	sink   *sinkBlock
	dns    *dnsBlock
	zone   *zoneBlock
	cert   *certificateBlock
}

func newLoader(o Options) *loader {
	l := &loader{
		o: o.withDefaults(), files: map[string]*hcl.File{}, read: map[string][]byte{},
		vars: map[string]*variable{}, locals: map[string]*node{}, families: map[string]*family{},
		missing:   map[string]cty.Value{},
		sinkKinds: map[string]*sinks.Kind{}, dnsKinds: map[string]*providers.Kind{},
	}
	for _, f := range []family{{name: "issuer", labels: 2}, {name: "dns", labels: 2}, {name: "zone", labels: 1}, {name: "sink", labels: 2}, {name: "certificate", labels: 1}} {
		f.index = map[string]*declaration{}
		l.families[f.name] = &f
	}
	for i := range l.o.Sinks {
		l.sinkKinds[l.o.Sinks[i].Name] = &l.o.Sinks[i]
	}
	for i := range l.o.Providers {
		l.dnsKinds[l.o.Providers[i].Name] = &l.o.Providers[i]
	}
	return l
}

// load is the whole way: files, declarations, variables, names, instances,
// then every block by itself, and last what only the whole can know.
func (l *loader) load() *Config {
	l.readAll()
	c := &Config{Dir: l.dir, Ranges: map[string]hcl.Range{}}
	l.declare()
	l.giveVariables()
	l.resolveAll()
	l.readSettings()
	l.readIssuers()
	l.readDNS()
	l.readZones()
	l.readSinks()
	l.readCertificates()
	l.checkValidations()
	l.makeScopes()
	l.validateVariables()

	defaults := l.decodeSettings(c)
	l.decodeIssuers(c)
	l.decodeDNS(c)
	l.decodeZones(c)
	l.decodeSinks()
	l.decodeCertificates(c, defaults)
	l.findClashes(c)
	if len(l.families["certificate"].list) == 0 && l.report.errs == 0 {
		l.report.add("", &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "No certificate",
			Detail: "The configuration in " + l.dir + " describes no certificate, so there is nothing to do."})
	}
	for _, f := range l.families {
		for _, d := range f.list {
			c.Ranges[d.address] = d.block.DefRange
		}
	}
	c.Digest = l.digest.sum()
	return c
}

var rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "certform"},
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
	{Type: "issuer", LabelNames: []string{"kind", "name"}},
	{Type: "dns", LabelNames: []string{"kind", "name"}},
	{Type: "zone", LabelNames: []string{"name"}},
	{Type: "sink", LabelNames: []string{"kind", "name"}},
	{Type: "certificate", LabelNames: []string{"name"}},
}}

// declare sorts the blocks of all files.
func (l *loader) declare() {
	for _, d := range l.dirs {
		for _, s := range d.files {
			content, diags := s.body.Content(rootSchema)
			l.report.add("", diags...)
			l.equalKeys(s.body)
			for _, b := range content.Blocks {
				switch b.Type {
				case "certform":
					l.settings = append(l.settings, &settingsBlock{block: b, dir: d})
				case "variable":
					l.declareVariable(b, d)
				case "locals":
					l.declareLocals(b, d)
				default:
					l.declareBlock(b, d)
				}
			}
		}
	}
}

var forEachSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}}}

func (l *loader) declareBlock(b *hcl.Block, dir *directory) {
	f := l.families[b.Type]
	d := &declaration{family: f.name, name: b.Labels[f.labels-1], block: b, body: b.Body, dir: dir}
	d.address = f.name + "." + d.name
	// A bad label does not hide what else is wrong.
	l.goodLabel(b, f.labels-1)
	if f.labels == 2 {
		d.kind = b.Labels[0]
		d.address = f.name + "." + d.kind + "." + d.name
		l.goodLabel(b, 0)
	}
	if old := f.index[d.address]; old != nil {
		l.duplicate(b.DefRange, f.name, d.address, old.block.DefRange)
	}
	if f.name != "issuer" {
		content, rest, diags := b.Body.PartialContent(forEachSchema)
		l.report.add("", diags...)
		d.forEach, d.body = content.Attributes["for_each"], rest
	}
	if f.index[d.address] != nil {
		f.twins = append(f.twins, d)
		return
	}
	f.index[d.address] = d
	f.list = append(f.list, d)
}

func (l *loader) declareLocals(b *hcl.Block, d *directory) {
	attrs, diags := b.Body.JustAttributes()
	l.report.add("", diags...)
	for name, a := range attrs {
		if old := l.locals[name]; old != nil {
			first, second := old.at, a.Range
			if first.Filename == second.Filename && first.Start.Byte > second.Start.Byte {
				first, second = second, first
			}
			l.duplicate(second, "local", "local."+name, first)
			l.twins = append(l.twins, &node{name: "local." + name, at: a.Range, expr: a.Expr, dir: d})
			continue
		}
		l.locals[name] = &node{name: "local." + name, at: a.Range, expr: a.Expr, dir: d}
	}
}

func (l *loader) duplicate(at hcl.Range, what, address string, first hcl.Range) {
	l.report.error("", at, "Duplicate "+what, "There is another %s, on %s line %d. Each has one name.", address, first.Filename, first.Start.Line)
}

var (
	labelPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	nameLabel    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// goodLabel checks one label. Those of zones may be domain names and those of
// certificates nearly are; the others are written in references.
func (l *loader) goodLabel(b *hcl.Block, i int) bool {
	label := b.Labels[i]
	switch b.Type {
	case "zone":
		return true
	case "certificate":
		if nameLabel.MatchString(label) {
			return true
		}
		l.report.error("", b.LabelRanges[i], "Bad name", "The name of a certificate becomes part of file names and paths: letters, digits, dots, hyphens and underscores, beginning with no dot or hyphen.")
		return false
	}
	if labelPattern.MatchString(label) {
		return true
	}
	l.report.error("", b.LabelRanges[i], "Bad name", "A label is a letter or underscore, then letters, digits, underscores and hyphens: references are written with it.")
	return false
}
