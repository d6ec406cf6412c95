package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// node is something whose value others need before their own: a local, or the
// for_each of a block. Values are found lazily, depth first, so that the order
// of files and blocks does not matter; then all are found, so that a mistake
// in what nobody refers to is not hidden.
type node struct {
	name  string
	at    hcl.Range
	expr  hcl.Expression // nil: a block without for_each
	dir   *directory
	decl  *declaration
	state int // 0 not begun, 1 under way, 2 done
	// failed says that the value could not be found and that somebody has
	// been told why: who depends on it keeps quiet.
	failed bool
	value  cty.Value
}

// resolveAll finds the value of every local and the instances of every block.
func (l *loader) resolveAll() {
	for _, f := range l.families {
		for _, d := range f.list {
			d.node = &node{name: d.address, at: d.block.DefRange, dir: d.dir, decl: d}
			if d.forEach != nil {
				d.node.expr, d.node.at = d.forEach.Expr, d.forEach.Range
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.locals)) {
		l.resolve(l.locals[name], nil)
	}
	for _, name := range []string{"issuer", "dns", "zone", "sink", "certificate"} {
		for _, d := range l.families[name].list {
			l.resolve(d.node, nil)
		}
	}
	for _, n := range l.twins {
		l.resolve(n, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(l.locals)) {
		l.checkComparisons(l.locals[name].expr)
	}
	for _, f := range l.families {
		for _, d := range f.twins {
			if d.forEach != nil {
				l.checkReferences(d.forEach.Expr, place{inForEach: true})
			}
		}
		for _, d := range f.all() {
			if d.forEach != nil {
				l.checkComparisons(d.forEach.Expr)
			}
		}
	}
}

func (l *loader) resolve(n *node, path []*node) {
	switch n.state {
	case 1:
		l.cycle(n, path)
		return
	case 2:
		return
	}
	n.state = 1
	path = append(path, n)
	if n.expr == nil {
		l.expand(n.decl, cty.NilVal, nil)
		n.state = 2
		return
	}
	ok := l.checkReferences(n.expr, place{inForEach: n.decl != nil}) && l.given(n.expr)
	deps := l.dependencies(n.expr)
	for _, dep := range deps {
		l.resolve(dep, path)
		if dep.failed || dep.state == 1 {
			ok = false
		}
	}
	n.state = 2
	n.value = cty.DynamicVal
	if ok && !n.failed {
		ctx := l.context(n.dir, deps)
		v, diags := n.expr.Value(ctx)
		l.report.add("", diags...)
		if ok = !diags.HasErrors(); ok {
			n.value = v
		}
		if n.decl != nil && ok {
			ok = l.expand(n.decl, v, ctx)
		}
	}
	n.failed = n.failed || !ok
	if n.decl != nil {
		n.decl.lost = n.failed
	}
}

// cycle tells the whole chain, with the place of each link.
func (l *loader) cycle(n *node, path []*node) {
	i := slices.Index(path, n)
	var links []string
	for _, p := range path[i:] {
		p.failed = true
		links = append(links, fmt.Sprintf("%s (%s line %d)", p.name, p.at.Filename, p.at.Start.Line))
	}
	links = append(links, n.name)
	l.report.error("", n.at, "Values that need each other", "None of these can be known before the others: %s.", strings.Join(links, " needs "))
}

// dependencies are the nodes that an expression refers to.
func (l *loader) dependencies(e hcl.Expression) []*node {
	seen := map[*node]bool{}
	var out []*node
	add := func(n *node) {
		if n != nil && !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	for _, t := range e.Variables() {
		root := t.RootName()
		if root == "local" {
			if name := step(t, 1); name != "" {
				add(l.locals[name])
			} else {
				for _, name := range slices.Sorted(maps.Keys(l.locals)) {
					add(l.locals[name])
				}
			}
			continue
		}
		if f := l.families[root]; f != nil && referable(root) {
			kind, name := step(t, 1), step(t, 2)
			if name != "" {
				if d := f.index[root+"."+kind+"."+name]; d != nil {
					add(d.node)
				}
				continue
			}
			for _, d := range f.list {
				if kind == "" || d.kind == kind {
					add(d.node)
				}
			}
		}
	}
	return out
}

// referable families are those that expressions can name.
func referable(family string) bool { return family == "sink" || family == "dns" || family == "issuer" }

// step is the name that a traversal gives at position i, by attribute or by
// index; "" if there is none.
func step(t hcl.Traversal, i int) string {
	if i >= len(t) {
		return ""
	}
	switch s := t[i].(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.IsKnown() && !s.Key.IsNull() && s.Key.Type() == cty.String {
			return s.Key.AsString()
		}
	}
	return ""
}

// context is what an expression can see when only some nodes are resolved.
func (l *loader) context(d *directory, deps []*node) *hcl.EvalContext {
	locals := map[string]cty.Value{}
	var decls []*declaration
	for _, n := range deps {
		if n.decl != nil {
			decls = append(decls, n.decl)
		} else {
			locals[strings.TrimPrefix(n.name, "local.")] = n.value
		}
	}
	return &hcl.EvalContext{Variables: l.variables(locals, decls), Functions: l.functionsOf(d)}
}

// makeScopes gives every directory the context that its blocks are decoded in.
// What is referred to and does not exist is there with an unknown value: it
// has been reported, once.
func (l *loader) makeScopes() {
	locals := map[string]cty.Value{}
	for name, n := range l.locals {
		locals[name] = n.value
	}
	var decls []*declaration
	for _, f := range l.families {
		decls = append(decls, f.list...)
	}
	vars := l.variables(locals, decls)
	for _, d := range l.dirs {
		d.ctx = &hcl.EvalContext{Variables: vars, Functions: l.functionsOf(d)}
	}
}

func (l *loader) variables(locals map[string]cty.Value, decls []*declaration) map[string]cty.Value {
	vars := map[string]cty.Value{}
	for name, v := range l.vars {
		vars[name] = v.value
	}
	trees := map[string]map[string]map[string]cty.Value{"sink": {}, "dns": {}, "issuer": {}}
	for _, d := range decls {
		if !referable(d.family) {
			continue
		}
		kinds := trees[d.family]
		if kinds[d.kind] == nil {
			kinds[d.kind] = map[string]cty.Value{}
		}
		kinds[d.kind][d.name] = d.reference()
	}
	for _, m := range l.dangling {
		switch m.root {
		case "var":
			vars[m.first] = cty.DynamicVal
		case "local":
			locals[m.first] = cty.DynamicVal
		default:
			kinds := trees[m.root]
			if kinds[m.first] == nil {
				kinds[m.first] = map[string]cty.Value{}
			}
			if m.second == "" {
				kinds[m.first] = nil // nothing is known of it
				continue
			}
			if kinds[m.first][m.second] == cty.NilVal {
				kinds[m.first][m.second] = cty.DynamicVal
			}
		}
	}
	out := map[string]cty.Value{
		"var": cty.ObjectVal(vars), "local": cty.ObjectVal(locals),
		// Where these are allowed, an inner context has the real ones.
		"each": cty.DynamicVal, "certificate": cty.DynamicVal,
	}
	for family, kinds := range trees {
		objects := make(map[string]cty.Value, len(kinds))
		for kind, names := range kinds {
			if objects[kind] = cty.ObjectVal(names); names == nil {
				objects[kind] = cty.DynamicVal
			}
		}
		out[family] = cty.ObjectVal(objects)
	}
	for root, v := range l.missing {
		out[root] = v
	}
	return out
}

func (l *loader) functionsOf(d *directory) map[string]function.Function {
	if d.funcs == nil {
		d.funcs = l.functions(d)
	}
	return d.funcs
}
