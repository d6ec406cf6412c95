package config

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/certform/certform/orchestrator/block"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// instance is one of what a block stands for: one a key of its for_each, or
// the only one.
type instance struct {
	*declaration
	key   string
	each  cty.Value // NilVal without for_each
	stray bool      // stands for the instances that a block does not have
	ready *sinkInstance
}

// address of an instance, as sink.haproxy.edge["lb1"].
func (i *instance) address() string {
	if i.forEach == nil {
		return i.declaration.address
	}
	return i.declaration.address + "[" + strconv.Quote(i.key) + "]"
}

// strays is the block itself with an unknown each, if for_each gives it no
// instance: its other mistakes are told all the same.
func (d *declaration) strays() []*instance {
	if len(d.instances) > 0 {
		return nil
	}
	return []*instance{{declaration: d, each: cty.DynamicVal, stray: true}}
}

// whose names an instance in diagnostics; a block without for_each is named by
// the range.
func (i *instance) whose() string {
	if i.forEach == nil || i.stray {
		return ""
	}
	return i.address()
}

// context is that of the block, with each.
func (i *instance) context() *hcl.EvalContext {
	ctx := i.dir.ctx
	if i.forEach != nil {
		ctx = ctx.NewChild()
		ctx.Variables = map[string]cty.Value{"each": i.each}
	}
	return ctx
}

// expand makes the instances of a block from the value of its for_each.
func (l *loader) expand(d *declaration, v cty.Value, ctx *hcl.EvalContext) bool {
	d.keys = map[string]*instance{}
	if d.forEach == nil {
		d.instances = []*instance{{declaration: d}}
		return true
	}
	at := d.forEach.Expr.Range()
	fail := func(summary, detail string, args ...any) bool {
		l.report.error("", at, summary, detail, args...)
		return false
	}
	const takes = `for_each takes a map, an object, or a list or set of different texts`
	t := v.Type()
	switch {
	case !v.IsKnown():
		return fail("for_each is not known", "What for_each goes over must be known from the files and variables alone.")
	case v.IsNull():
		return fail("Wrong for_each", takes+", and this is null. Use an empty list for none.")
	case !v.CanIterateElements():
		return fail("Wrong for_each", "%s, and this is %s.", takes, block.What(t))
	}
	object, is := d.forEach.Expr.(*hclsyntax.ObjectConsExpr)
	equal := is && l.equalKeysOf(object, ctx)
	pairs := t.IsMapType() || t.IsObjectType()
	exprs, _ := hcl.ExprList(d.forEach.Expr)
	ok, n := !equal, 0
	for it := v.ElementIterator(); it.Next(); n++ {
		k, e := it.Element()
		if len(exprs) == v.LengthInt() {
			at = exprs[n].Range()
		}
		if !pairs {
			text, err := convert.Convert(e, cty.String)
			switch {
			case !e.IsKnown():
				ok = fail("for_each is not known", "What for_each goes over must be known from the files and variables alone.")
				continue
			case err != nil || e.IsNull():
				ok = fail("Wrong for_each", "%s; this list holds %s. A list of objects becomes a map by { for o in list : o.name => o }.", takes, block.What(e.Type()))
				continue
			}
			k, e = text, text
		} else if !k.IsKnown() {
			ok = fail("for_each is not known", "The keys of for_each must be known from the files and variables alone.")
			continue
		}
		key := k.AsString()
		if problem := badKey(d.family, key); problem != "" {
			ok = fail("Bad key in for_each", "The key %q %s.", key, problem)
			continue
		}
		if d.keys[key] != nil {
			ok = fail("Equal keys in for_each", "The text %q is there twice; each makes one %s, so all must differ. distinct() drops repetitions.", key, d.family)
			continue
		}
		i := &instance{declaration: d, key: key, each: cty.ObjectVal(map[string]cty.Value{"key": k, "value": e})}
		d.keys[key] = i
		d.instances = append(d.instances, i)
	}
	return ok
}

// badKey says why a key cannot be part of an address; those of certificates
// become part of file names and paths besides.
func badKey(family, key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > 255:
		return "is longer than 255 octets"
	case strings.ContainsFunc(key, unicode.IsControl):
		return "holds a control character"
	case family == "certificate" && strings.ContainsAny(key, `/\`):
		return "holds a slash: it becomes part of file names and paths. Use another key, and put this into the value"
	}
	return ""
}
