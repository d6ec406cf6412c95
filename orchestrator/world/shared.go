package world

import (
	"context"
	"io"
	"sync"
)

// shared keeps one object a key: a Vault client, an SSH connection, a zone's
// broker, the reloader of one argv. A thousand certificates meet at them.
type shared struct {
	mu   sync.Mutex
	open map[string]*sharedObject
}

type sharedObject struct {
	ready chan struct{}
	value any
	err   error
	users int
}

// Shared returns the one object of key, opened by the first caller; others
// wait for it. release is called once by each caller that got no error. An
// object nobody uses is kept until CloseIdle. A failed open is not kept: the
// next caller tries again. key names the kind and everything the connection
// depends on.
func Shared[T any](ctx context.Context, w *World, key string, open func(context.Context) (T, error)) (value T, release func(), err error) {
	s := &w.shared
	s.mu.Lock()
	if s.open == nil {
		s.open = map[string]*sharedObject{}
	}
	o, ok := s.open[key]
	if !ok {
		o = &sharedObject{ready: make(chan struct{})}
		s.open[key] = o
	}
	o.users++
	s.mu.Unlock()
	drop := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.users--
	}
	if !ok {
		o.value, o.err = open(ctx)
		if o.err != nil {
			s.mu.Lock()
			if s.open[key] == o {
				delete(s.open, key)
			}
			s.mu.Unlock()
		}
		close(o.ready)
	} else {
		select {
		case <-o.ready:
		case <-ctx.Done():
			drop()
			return value, nil, ctx.Err()
		}
	}
	if o.err != nil {
		drop()
		return value, nil, o.err
	}
	return o.value.(T), sync.OnceFunc(drop), nil
}

// CloseIdle closes and forgets the shared objects that nobody uses now. The
// engine calls it when a run ends and after a configuration was reloaded.
func (w *World) CloseIdle() {
	s := &w.shared
	s.mu.Lock()
	var idle []any
	for k, o := range s.open {
		if o.users == 0 {
			idle = append(idle, o.value)
			delete(s.open, k)
		}
	}
	s.mu.Unlock()
	for _, v := range idle {
		if c, ok := v.(io.Closer); ok {
			c.Close()
		}
	}
}
