package reload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"sync"
	"sync/atomic"
)

// atOnce is how many places are switched at the same time: a disk makes many
// small writes durable in the time of one.
const atOnce = 64

// run settles one batch of places.
type run struct {
	g *Gatherer
	// unsettled: a reload failed, or an earlier one may have read files that were
	// put back since, and none has succeeded with what lies in the places now.
	unsettled bool
}

// settle sets the err of each turn.
func (r *run) settle(batch []*Turn) {
	r.try(batch)
	if !r.unsettled {
		return
	}
	failed := where(batch, func(t *Turn) bool { return t.err != nil && t.ctx.Err() == nil })
	if len(failed) == 0 {
		return
	}
	if err := r.once(failed); err != nil {
		for _, t := range failed {
			if t.err.Error() == err.Error() {
				t.err = fmt.Errorf("%w; the same with what was there before", t.err)
				continue
			}
			t.err = fmt.Errorf("%w; and with what was there before: %w", t.err, err)
		}
	}
}

// try switches all of batch and runs the commands. When they fail all are put
// back and tried in halves, so that one bad certificate costs one thing and
// not as many runs as there are places.
func (r *run) try(batch []*Turn) {
	each(batch, func(t *Turn) {
		if t.err = context.Cause(t.ctx); t.err == nil {
			t.err = t.place.Switch()
		}
	})
	batch = where(batch, func(t *Turn) bool { return t.err == nil })
	if len(batch) == 0 {
		return
	}
	err := r.once(batch)
	if err == nil {
		return
	}
	each(batch, func(t *Turn) {
		t.err = err
		if uerr := t.place.Undo(); uerr != nil {
			t.err = fmt.Errorf("%w; and putting back what was there: %w", err, uerr)
		}
	})
	// What an earlier reload asked for may have been read only now, with a
	// certificate in it that the service refuses: all that came in with it would
	// not be served.
	r.unsettled = r.unsettled || r.g.reloaded
	if len(batch) > 1 && mayBlame(err) {
		r.try(batch[:len(batch)/2])
		r.try(batch[len(batch)/2:])
	}
}

func where(batch []*Turn, ok func(*Turn) bool) []*Turn {
	var out []*Turn
	for _, t := range batch {
		if ok(t) {
			out = append(out, t)
		}
	}
	return out
}

func each(batch []*Turn, f func(*Turn)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, t := range batch {
		slots <- struct{}{}
		wg.Go(func() {
			f(t)
			<-slots
		})
	}
	wg.Wait()
}

// once runs test and reload. It is stopped by Limit, or when nobody in batch
// waits any more.
func (r *run) once(batch []*Turn) error {
	if argv := r.g.cmds.Test; len(argv) > 0 {
		if err := r.command(batch, argv); err != nil {
			return fmt.Errorf("test: %w", err)
		}
	}
	if argv := r.g.cmds.Reload; len(argv) > 0 {
		r.unsettled = true
		if err := r.command(batch, argv); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
		r.g.reloaded = true
	}
	r.unsettled = false
	return nil
}

func (r *run) command(batch []*Turn, argv []string) error {
	ctx, stop := context.WithCancelCause(context.WithoutCancel(batch[0].ctx))
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, fmt.Errorf("it took longer than %s", Limit))
	defer cancel()
	var waiting atomic.Int32
	waiting.Store(int32(len(batch)))
	for _, t := range batch {
		forget := context.AfterFunc(t.ctx, func() {
			if waiting.Add(-1) == 0 {
				stop(context.Cause(t.ctx))
			}
		})
		defer forget()
	}
	_, err := r.g.w.Run(ctx, argv)
	if err != nil && ctx.Err() != nil {
		return &stopped{err}
	}
	return err
}

// stopped is a command that did not come to its own end.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }
func (s *stopped) Unwrap() error { return s.err }

// mayBlame reports whether err can be the fault of one certificate: a command
// that hangs or cannot be started fails for all alike.
func mayBlame(err error) bool {
	var s *stopped
	var start *exec.Error
	return !errors.As(err, &s) && !errors.As(err, &start) &&
		!errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}
