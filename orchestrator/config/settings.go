package config

import (
	"path/filepath"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Local is the spec of state "local".
type Local struct {
	Path   string `arg:"path" default:".certform/state.db" doc:"The SQLite file, relative to the directory of the configuration."`
	Prefix string `arg:"prefix" doc:"Keeps the records of this configuration apart from those of others in the same file."`
}

// Rebase makes the path absolute.
func (s *Local) Rebase(dir string) { s.Path = absolute(dir, s.Path) }

// Age is the spec of seal "age".
type Age struct {
	Identity string `arg:"identity" doc:"The file with the age identity; made on first use. Default: age.key beside a local state, else .certform/age.key."`
}

// Rebase makes the path absolute.
func (s *Age) Rebase(dir string) { s.Identity = absolute(dir, s.Identity) }

// LocalKind and AgeKind are the state and the seal that are built in.
var (
	LocalKind = Kind{
		Name: "local", Doc: "One SQLite file on this machine, safe between processes.",
		Example: "state \"local\" {\n  path = \".certform/state.db\"\n}\n",
		New:     func() any { return &Local{} },
	}
	AgeKind = Kind{
		Name: "age", Doc: "Private keys are encrypted to an age identity that only this machine has.",
		Example: "seal \"age\" {}\n",
		New:     func() any { return &Age{} },
	}
)

func absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// rebaser is a spec with paths, which are relative to the directory of the
// file that holds the block.
type rebaser interface{ Rebase(dir string) }

type checker interface{ Check() []block.Problem }

type settingsBlock struct {
	block   *hcl.Block
	dir     *directory
	content *hcl.BodyContent
	backs   []*backBlock
}

// backBlock is a state or seal block.
type backBlock struct {
	typ    string
	kind   *Kind
	block  *hcl.Block
	dir    *directory
	body   *block.Body
	broken bool
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}, {Name: "include"}, {Name: "issuers"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "state", LabelNames: []string{"kind"}}, {Type: "seal", LabelNames: []string{"kind"}}},
}

func (l *loader) readSettings() {
	once := map[string]hcl.Range{}
	again := func(what string, at hcl.Range) bool {
		first, there := once[what]
		if there {
			l.report.error("", at, "Duplicate "+what, "%s is said already at %s; a configuration has one.", what, first)
			return true
		}
		once[what] = at
		return false
	}
	for _, s := range l.settings {
		content, diags := s.block.Body.Content(settingsSchema)
		l.report.add("", diags...)
		s.content = content
		if a := content.Attributes["issuers"]; a != nil {
			again("issuers", a.Range)
			l.checkReferences(a.Expr, place{})
		}
		if a := content.Attributes["required_version"]; a != nil {
			l.checkVersion(a)
		}
		for _, b := range content.Blocks {
			if again(b.Type, b.DefRange) {
				continue
			}
			kinds := l.o.States
			if b.Type == "seal" {
				kinds = l.o.Seals
			}
			k := l.kind(b, kinds)
			if k == nil {
				continue
			}
			body, diags := block.ShapeOf(k.New()).Read(b.Body, b.DefRange, nil)
			l.report.add("", diags...)
			l.checkContent(body.Content(), place{})
			s.backs = append(s.backs, &backBlock{typ: b.Type, kind: k, block: b, dir: s.dir, body: body, broken: diags.HasErrors()})
		}
	}
}

// kind finds the kind that a block's first label names.
func (l *loader) kind(b *hcl.Block, kinds []Kind) *Kind {
	var names []string
	for i := range kinds {
		if kinds[i].Name == b.Labels[0] {
			return &kinds[i]
		}
		names = append(names, kinds[i].Name)
	}
	l.unknownKind(b, names)
	return nil
}

func (l *loader) unknownKind(b *hcl.Block, names []string) {
	l.report.error("", b.LabelRanges[0], "Unknown kind of "+b.Type, "There is no %s %q here.%s", b.Type, b.Labels[0], suggest(b.Labels[0], names))
}

// checkContent checks the references of all arguments that a block was given.
func (l *loader) checkContent(c *hcl.BodyContent, p place) {
	for _, a := range sortedAttributes(c.Attributes) {
		p.secret = secretName(a.Name)
		l.checkReferences(a.Expr, p)
		l.checkComparisons(a.Expr)
	}
}

// decodeSettings fills c.Settings and returns the default issuers.
func (l *loader) decodeSettings(c *Config) (issuers []referred) {
	c.Settings.State = l.defaultBackend(l.o.States, l.dir)
	c.Settings.Seal = l.defaultBackend(l.o.Seals, "")
	for _, s := range l.settings {
		if a := s.content.Attributes["issuers"]; a != nil {
			issuers, _ = l.references("", "issuers", "issuer", a.Expr, s.dir.ctx)
		}
		for _, b := range s.backs {
			back := Backend{Kind: b.kind.Name, Spec: b.kind.New(), Range: b.block.DefRange}
			l.fill(back.Spec, b.body, b.dir, b.broken)
			if b.typ == "state" {
				c.Settings.State = back
			} else {
				c.Settings.Seal = back
			}
		}
	}
	if age, ok := c.Settings.Seal.Spec.(*Age); ok && age.Identity == "" {
		age.Identity = filepath.Join(l.dir, ".certform", "age.key")
		if local, ok := c.Settings.State.Spec.(*Local); ok {
			age.Identity = filepath.Join(filepath.Dir(local.Path), "age.key")
		}
	}
	return issuers
}

func (l *loader) defaultBackend(kinds []Kind, dir string) Backend {
	b := Backend{Kind: kinds[0].Name, Spec: kinds[0].New()}
	body := block.ShapeOf(b.Spec).Pick(&hcl.BodyContent{}, hcl.Range{})
	l.report.add("", body.Defaults(b.Spec)...)
	if r, ok := b.Spec.(rebaser); ok && dir != "" {
		r.Rebase(dir)
	}
	return b
}

// fill decodes a block that varies with nothing into its spec, checks it, and
// reports whether it is whole.
func (l *loader) fill(spec any, body *block.Body, dir *directory, broken bool) bool {
	return l.fillFor("", spec, body, dir.ctx, dir.path, broken)
}

func (l *loader) fillFor(whose string, spec any, body *block.Body, ctx *hcl.EvalContext, dir string, broken bool) bool {
	l.report.add("", body.Defaults(spec)...)
	unknown, diags := body.Decode(ctx, spec)
	l.report.add(whose, diags...)
	if r, ok := spec.(rebaser); ok {
		r.Rebase(dir)
	}
	c, checks := spec.(checker)
	if broken || unknown != nil || diags.HasErrors() {
		if checks {
			l.problems(whose, body, sure(c.Check(), body, unknown))
		}
		return false
	}
	return !checks || l.problems(whose, body, c.Check())
}

// problems reports what a spec says of itself, at the argument's range.
func (l *loader) problems(whose string, body *block.Body, list []block.Problem) bool {
	for _, p := range list {
		l.report.error(whose, body.Range(p.Argument), p.Summary, "%s", p.Detail)
	}
	return len(list) == 0
}

// literal evaluates an argument that takes literal text.
func (l *loader) literal(a *hcl.Attribute) (string, bool) {
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		l.report.error("", a.Expr.Range(), "Wrong type of value", "%s takes literal text.", a.Name)
		return "", false
	}
	return v.AsString(), true
}
