package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks"
	"github.com/certform/certform/sinks/reload"
)

// layout is how a bundle lies on the disk.
type layout interface {
	// look says what is there; fs.ErrNotExist for nothing.
	look() (sinks.Held, error)
	// holds reports whether exactly b is there, with the right owner and modes.
	holds(b *cert.Bundle) bool
	// stage writes b where nobody looks for it yet.
	stage(b *cert.Bundle) (change, error)
	// before is the change that was made last, as far as it can be undone
	// still; nil if it cannot.
	before() change
	// sweep removes what a killed process left half done.
	sweep()
	// lock keeps other processes out until unlock.
	lock(ctx context.Context) (unlock func(), err error)
}

// change is a staged bundle. commit and undo may take turns, and each may be
// repeated.
type change interface {
	commit() error // the one rename
	undo() error   // the one rename back
	settle() error // the change is good: remove what is not needed any more
	discard()      // the change was undone for good: remove it
}

type sink struct {
	w      *world.World
	path   string
	layout layout
	cmds   reload.Commands
}

// Observe says what the path of the configuration holds; ref is that path.
func (s *sink) Observe(_ context.Context, _ string) (sinks.Held, error) {
	h, err := s.layout.look()
	if err != nil {
		return sinks.Held{}, advise(fmt.Errorf("read %s: %w", s.path, err))
	}
	h.Ref = s.path
	return h, nil
}

// Put stages, switches, puts in use, and removes what is not needed any more.
func (s *sink) Put(ctx context.Context, b *cert.Bundle, was sinks.Held) (sinks.Held, error) {
	g, release, err := reload.For(ctx, s.w, "", s.cmds)
	if err != nil {
		return sinks.Held{}, err
	}
	defer release()
	turn := g.Begin()
	defer turn.Leave()

	p := &place{s: s, ctx: ctx, was: was.Rev}
	if err := p.stage(b); err != nil {
		return sinks.Held{}, advise(fmt.Errorf("write %s: %w", s.path, err))
	}
	switch commands := len(s.cmds.Test)+len(s.cmds.Reload) > 0; {
	case commands && (p.fresh || was.Leaf != b.Leaf()):
		err = turn.Activate(ctx, p)
	case p.fresh:
		err = p.Switch()
	}
	if err != nil {
		if p.change != nil {
			p.locked(func() error { p.change.discard(); return nil })
		}
		return sinks.Held{}, err
	}
	if p.change != nil {
		if err := p.settle(); err != nil {
			return sinks.Held{}, advise(fmt.Errorf("remove old versions of %s: %w", s.path, err))
		}
	}
	return s.Observe(ctx, "")
}

// place is one Put's way: what the Gatherer switches back and forth.
type place struct {
	s      *sink
	ctx    context.Context // of the Put that it lives in
	was    string          // the revision that Put may replace
	change change          // nil: the bundle is there, and nothing older
	fresh  bool            // change was staged by this Put
}

// stage prepares the switch, unless the place holds b already: then change is
// the switch that was made before, by a Put that may have been killed.
func (p *place) stage(b *cert.Bundle) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	unlock, err := p.s.layout.lock(p.ctx)
	if err != nil {
		return err
	}
	defer unlock()
	p.s.layout.sweep()
	if p.s.layout.holds(b) {
		p.change = p.s.layout.before()
		return nil
	}
	if err := p.compare(); err != nil {
		return err
	}
	p.change, err = p.s.layout.stage(b)
	p.fresh = true
	return err
}

func (p *place) compare() error {
	now, err := p.s.layout.look()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if now.Rev != p.was {
		return sinks.ErrChanged
	}
	return nil
}

// Switch is the commit point.
func (p *place) Switch() error {
	if p.change == nil {
		return nil
	}
	unlock, err := p.s.layout.lock(p.ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", p.s.path, err)
	}
	defer unlock()
	if p.fresh {
		err = p.compare()
	}
	if err == nil {
		err = p.change.commit()
	}
	if err != nil {
		return advise(fmt.Errorf("write %s: %w", p.s.path, err))
	}
	return nil
}

// Undo puts back what was there before, also when the Put was called off.
func (p *place) Undo() error {
	if p.change == nil {
		return nil
	}
	return p.locked(p.change.undo)
}

// settle removes old versions. Without the lock they are left to the next Put:
// one that is on its way by another process could be among them.
func (p *place) settle() error {
	unlock, err := p.s.layout.lock(context.WithoutCancel(p.ctx))
	if err != nil {
		return nil
	}
	defer unlock()
	return p.change.settle()
}

// locked runs f even if the lock cannot be had: what it does is harmless then,
// only somebody else's staging may have to be made anew.
func (p *place) locked(f func() error) error {
	if unlock, err := p.s.layout.lock(context.WithoutCancel(p.ctx)); err == nil {
		defer unlock()
	}
	return f()
}

// advise adds a line of advice where the disk's own words do not say what to do.
func advise(err error) error {
	switch {
	case errors.Is(err, errInTheWay):
		return world.Never(err)
	case errors.Is(err, fs.ErrPermission):
		return world.Hint(err, "run certform as a user who may read and write there, or give that user the right")
	}
	return err
}
