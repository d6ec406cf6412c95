package config

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// sinkBlock is what was read of a sink block.
type sinkBlock struct {
	kind      *sinks.Kind
	spec      levels // of the kind's own arguments
	frame     levels // of those that every sink has
	endpoints []*endpointBlock
	broken    bool
}

// frameArgs are the arguments that every sink has.
type frameArgs struct {
	Wave  int    `arg:"wave" doc:"Places are delivered in the order of their waves, smallest first."`
	Adopt string `arg:"adopt" doc:"Replace a certificate that certform did not issue (true), even one that lasts longer (\"force\")."`
}

// SinkArguments are the arguments that every sink has besides its own.
func SinkArguments() []block.Argument { return block.Arguments(&frameArgs{}) }

// levels divides the arguments of a body by what they vary with, so that each
// is decoded once for all that it is the same for.
type levels struct{ all, once, each, certificate *block.Body }

func split(b *block.Body) levels {
	rest, certificate := b.Split("certificate")
	once, each := rest.Split("each")
	return levels{b, once, each, certificate}
}

func (v levels) varies() bool { return len(v.certificate.Names()) > 0 }

var frameShape = block.ShapeOf(&frameArgs{})

func (l *loader) readSinks() {
	var names []string
	for _, k := range l.o.Sinks {
		names = append(names, k.Name)
	}
	shapes := map[string]*block.Shape{}
	schema := frameShape.Schema()
	schema.Blocks = []hcl.BlockHeaderSchema{{Type: "endpoint"}}
	for _, d := range l.families["sink"].all() {
		p := place{each: d.forEach != nil, certificate: true}
		k := l.sinkKinds[d.kind]
		if k == nil {
			l.unknownKind(d.block, names)
			continue
		}
		if shapes[d.kind] == nil {
			shapes[d.kind] = block.ShapeOf(k.New())
		}
		body, diags := shapes[d.kind].Read(d.body, d.block.DefRange, schema)
		l.report.add("", diags...)
		l.checkContent(body.Content(), p)
		d.sink = &sinkBlock{kind: k, spec: split(body), frame: split(frameShape.Pick(body.Content(), d.block.DefRange)), broken: diags.HasErrors()}
		for _, b := range append(body.Content().Blocks, labelled(d.body, diags)...) {
			d.sink.endpoints = append(d.sink.endpoints, l.readEndpoint(b, p))
		}
		if k.Blind && len(d.sink.endpoints) == 0 {
			l.report.error("", d.block.DefRange, "Sink without a proof",
				"A sink of kind %s cannot be looked into, so nothing would show that it holds what it should: add an endpoint block that says who serves the certificate.", k.Name)
		}
	}
}

// labelled are endpoint blocks with a label: that they have one was told, and
// what is wrong in them is told too.
func labelled(body hcl.Body, diags hcl.Diagnostics) hcl.Blocks {
	if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == "Extraneous label for endpoint" }) {
		return nil
	}
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "endpoint", LabelNames: []string{"label"}}}})
	return content.Blocks
}

// sinkInstance is a sink instance with everything decoded that does not vary
// per certificate.
type sinkInstance struct {
	*instance
	ctx       *hcl.EvalContext
	spec      sinks.Spec
	frame     frameArgs
	endpoints []*endpointInstance
	ok        bool
	unknown   []string // arguments of the spec that could not be read
	checked   bool     // with all that varies per certificate
}

// unknownCertificate stands for the certificate that a sink will be evaluated
// for: with it the mistakes of a sink are told once, also of an unused one.
var unknownCertificate = cty.UnknownVal(cty.Object(map[string]cty.Type{
	"name": cty.String, "names": cty.List(cty.String), "hosts": cty.List(cty.String), "domain": cty.String, "labels": cty.Map(cty.String),
}))

func (l *loader) decodeSinks() {
	for _, d := range l.families["sink"].all() {
		if d.sink == nil {
			continue
		}
		s := d.sink
		base := s.kind.New()
		l.report.add("", s.spec.all.Defaults(base)...)
		missing, diags := s.spec.once.Decode(d.dir.ctx, base)
		l.report.add("", diags...)
		var frame frameArgs
		unknown, diags := s.frame.once.Decode(d.dir.ctx, &frame)
		l.report.add("", diags...)
		ok := missing == nil && unknown == nil && !s.broken
		for _, i := range d.instances {
			l.decodeSink(i, base, frame, missing, ok)
		}
		for _, i := range d.strays() {
			l.decodeSink(i, base, frame, missing, false)
		}
	}
}

func (l *loader) decodeSink(i *instance, base sinks.Spec, frame frameArgs, missing []string, ok bool) {
	s := i.sink
	si := &sinkInstance{instance: i, ctx: i.context(), spec: clone(base), frame: frame, ok: ok, unknown: slices.Clip(missing)}
	i.ready = si
	static := si.ctx.NewChild()
	static.Variables = map[string]cty.Value{"certificate": unknownCertificate}
	decode := func(v levels, into, scratch any) (unknown []string) {
		unknown, diags := v.each.Decode(si.ctx, into)
		if diags != nil {
			l.report.add(i.whose(), diags...)
		}
		si.ok = si.ok && unknown == nil
		if v.varies() {
			if _, diags = v.certificate.Decode(static, scratch); diags != nil {
				l.report.add(i.whose(), diags...)
			}
		}
		return unknown
	}
	si.unknown = append(si.unknown, decode(s.spec, si.spec, s.kind.New())...)
	decode(s.frame, &si.frame, &frameArgs{})
	for _, b := range s.endpoints {
		e := &endpointInstance{endpointBlock: b, ok: !b.broken}
		l.report.add("", b.levels.all.Defaults(&e.args)...)
		unknown, diags := b.levels.once.Decode(si.ctx, &e.args)
		if diags != nil {
			l.report.add(i.whose(), diags...)
		}
		e.unknown = unknown
		unknown, diags = b.levels.each.Decode(si.ctx, &e.args)
		if diags != nil {
			l.report.add(i.whose(), diags...)
		}
		e.unknown = append(e.unknown, unknown...)
		e.ok = e.ok && e.unknown == nil
		if b.levels.varies() {
			if _, diags := b.levels.certificate.Decode(static, &endpointArgs{}); diags != nil {
				l.report.add(i.whose(), diags...)
			}
		} else {
			// Told here, it is told once, and of a sink that nobody lists too.
			e.ok = l.checkEndpoint(b.levels.all, &e.args, e.unknown, si.ctx, i.whose) && e.ok
		}
		si.endpoints = append(si.endpoints, e)
	}
	l.checkFrame(s, &si.frame, i.whose)
}

// checkFrame checks the arguments that every sink has, and gives adopt its
// meaning.
func (l *loader) checkFrame(s *sinkBlock, f *frameArgs, whose func() string) {
	if f.Wave < 0 {
		l.report.error(whose(), s.frame.all.Range("wave"), "Bad wave", "Waves are numbers from 0.")
	}
	switch f.Adopt {
	case "", "force", "yes":
	case "false", "no":
		f.Adopt = ""
	case "true":
		f.Adopt = "yes"
	default:
		l.report.error(whose(), s.frame.all.Range("adopt"), "Bad value of adopt", `adopt is true, false or "force".`)
	}
}

// clone copies a spec, so that a certificate's own values do not reach the
// next certificate.
func clone(s sinks.Spec) sinks.Spec {
	v := reflect.ValueOf(s)
	if v.Kind() != reflect.Pointer {
		return s
	}
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	return c.Interface().(sinks.Spec)
}

// place makes the place of one certificate in one sink instance, and the
// endpoints that prove it.
func (l *loader) place(u *built, si *sinkInstance, certificate cty.Value) (*builtPlace, bool) {
	s := si.sink
	whose := func() string { return u.Address + " in " + si.address() }
	ctx := si.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"certificate": certificate}
	spec, frame, ok := clone(si.spec), si.frame, si.ok && !u.broken
	if s.spec.varies() {
		unknown, diags := s.spec.certificate.Decode(ctx, spec)
		if diags != nil {
			l.report.add(whose(), diags...)
		}
		ok = ok && unknown == nil
	}
	if s.frame.varies() {
		unknown, diags := s.frame.certificate.Decode(ctx, &frame)
		if diags != nil {
			l.report.add(whose(), diags...)
		}
		ok = ok && unknown == nil
		l.checkFrame(s, &frame, whose)
	}
	p := &builtPlace{sink: si, spec: spec}
	for _, e := range si.endpoints {
		for _, ep := range l.endpoints(u, e, ctx, whose) {
			p.endpoints = append(p.endpoints, builtEndpoint{ep, ep.ID(), e.at})
		}
	}
	if !ok {
		return p, false
	}
	ok = l.finish(u.Name, si, spec, whose)
	p.Place = sinks.Place{ID: si.placeID(), Kind: si.kind, Wave: frame.Wave, Adopt: frame.Adopt, Passive: s.kind.Passive}
	for _, ref := range block.Secrets(spec) {
		p.Place.Secrets = append(p.Place.Secrets, ref.Ref())
	}
	if !ok {
		return p, false
	}
	p.Target = spec.Target()
	if n, is := spec.(sinks.Noted); is {
		p.Notes = n.Notes()
	}
	p.Open = func(ctx context.Context, w *world.World) (sinks.Sink, error) { return spec.Open(ctx, w) }
	return p, true
}

// finish gives a spec what only config knows, and checks it.
func (l *loader) finish(name string, si *sinkInstance, spec sinks.Spec, whose func() string) bool {
	si.checked = true
	prepare(name, si, spec)
	problems := spec.Check()
	if len(problems) == 0 {
		return true
	}
	return l.problems(whose(), si.sink.spec.all, problems)
}

func prepare(name string, si *sinkInstance, spec sinks.Spec) {
	if r, is := spec.(sinks.Rebased); is {
		r.Rebase(si.dir.path)
	}
	if n, is := spec.(sinks.Named); is {
		n.SetCertificate(name)
	}
}

// checkRest checks the sinks that no certificate could be, as far as they are
// known: the unlisted ones, and those that have another mistake.
func (l *loader) checkRest() {
	for _, d := range l.families["sink"].list {
		for _, i := range d.instances {
			si := i.ready
			if si == nil || si.checked {
				continue
			}
			all := d.sink.spec.all
			prepare("example", si, si.spec)
			problems := si.spec.Check()
			if !si.ok || d.sink.spec.varies() {
				problems = sure(problems, all, append(si.unknown, d.sink.spec.certificate.Names()...))
			}
			if len(problems) > 0 {
				l.problems(i.whose(), all, problems)
			}
		}
	}
}

// sure are the problems that stay when the rest of a block is mended: they are
// about an argument that could be read, and their sentence names no argument
// that could not, or is missing.
func sure(problems []block.Problem, body *block.Body, unknown []string) (out []block.Problem) {
	for _, p := range problems {
		unsure := p.Argument == "" || body.Content().Attributes[p.Argument] == nil || slices.Contains(unknown, p.Argument)
		for _, a := range body.Arguments() {
			if a.Name != p.Argument && (body.Content().Attributes[a.Name] == nil || slices.Contains(unknown, a.Name)) {
				unsure = unsure || strings.Contains(p.Detail, a.Name)
			}
		}
		if !unsure {
			out = append(out, p)
		}
	}
	return out
}

// placeID is the key of a place in the record: sink.haproxy.edge/lb1.
func (i *instance) placeID() string {
	if i.forEach == nil {
		return i.declaration.address
	}
	return i.declaration.address + "/" + i.key
}
