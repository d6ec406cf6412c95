// Package secret resolves secret references: env:NAME, file:PATH,
// vault:MOUNT/PATH#FIELD and exec:PROGRAM ARG...
//
// It keeps no value: what is asked for is read each time, and only calls that
// overlap share one reading. Where a reference may stand in a configuration,
// and when it is resolved, is left to others.
package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// limit is the most that a secret may have; a key of any kind is far smaller.
const limit = 1 << 20

// patience is how long one program or one Vault may take.
const patience = 30 * time.Second

// Resolver reads secrets through the doors of a World. Make it with New; its
// methods may be called concurrently.
type Resolver struct {
	// Run runs the program of an exec reference without a shell and returns
	// its standard output; nil: the real one, in the configuration's
	// directory.
	Run func(ctx context.Context, argv []string) ([]byte, error)
	// Vault reads a field of a KV version 2 secret; nil: from the Vault that
	// VAULT_ADDR, VAULT_TOKEN, VAULT_NAMESPACE and VAULT_CACERT name.
	Vault func(ctx context.Context, mount, path, field string) (string, error)

	world *world.World
	dir   string

	mu      sync.Mutex
	flights map[string]*flight
}

// New makes a Resolver. Relative paths of file and exec references begin at
// dir. Its Resolve is w's door: w.Secret = secret.New(w, dir).Resolve.
func New(w *world.World, dir string) *Resolver {
	return &Resolver{world: w, dir: dir, flights: map[string]*flight{}}
}

// flight is one reading that is under way.
type flight struct {
	done  chan struct{}
	value string
	err   error
	// left says that the reader's own context ended: the others read again.
	left bool
}

// Resolve returns the value of ref, never an empty one. It is called when a
// connection is opened, by as many places at once as there are; calls for one
// reference that overlap share one reading. Errors name the reference and
// never the value; a text that is no reference at all is not repeated, since
// it may be a secret that somebody wrote out.
func (r *Resolver) Resolve(ctx context.Context, ref string) (string, error) {
	t, err := parse(ref)
	if err != nil {
		return "", err
	}
	for {
		if err := ctx.Err(); err != nil {
			return "", fmt.Errorf("secret %q: %w", ref, err)
		}
		r.mu.Lock()
		f, others := r.flights[ref]
		if !others {
			f = &flight{done: make(chan struct{})}
			r.flights[ref] = f
		}
		r.mu.Unlock()
		if !others {
			r.fly(ctx, f, ref, t)
			return f.value, f.err
		}
		select {
		case <-f.done:
			if !f.left {
				return f.value, f.err
			}
		case <-ctx.Done():
		}
	}
}

// fly reads t for everybody who waits.
func (r *Resolver) fly(ctx context.Context, f *flight, ref string, t target) {
	defer func() {
		r.mu.Lock()
		delete(r.flights, ref)
		r.mu.Unlock()
		close(f.done)
	}()
	value, err := r.read(ctx, t)
	if err == nil && value == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		f.err = fmt.Errorf("secret %q: %w", ref, err)
		f.left = ctx.Err() != nil
		return
	}
	f.value = value
}

func (r *Resolver) read(ctx context.Context, t target) (string, error) {
	switch t.scheme {
	case byEnv:
		value, ok := r.world.Getenv(t.name)
		if !ok {
			return "", errors.New("the environment variable is not set")
		}
		return value, nil
	case byFile:
		return r.readFile(t.name)
	case byVault:
		read := r.Vault
		if read == nil {
			read = r.readVault
		}
		ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
		defer cancel()
		value, err := read(ctx, t.mount, t.name, t.field)
		return value, slow(ctx, err)
	default:
		run := r.Run
		if run == nil {
			run = r.runProgram
		}
		ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
		defer cancel()
		out, err := run(ctx, t.argv)
		if err == nil && len(out) > limit {
			err = errLarge
		}
		if err != nil {
			return "", slow(ctx, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
}

var (
	errSlow  = fmt.Errorf("no answer within %v", patience)
	errLarge = fmt.Errorf("it has more than %d KiB, a secret has less", limit>>10)
)

// slow says of an error that it came from waiting too long.
func slow(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		return fmt.Errorf("%w: %w", errSlow, err)
	}
	return err
}
