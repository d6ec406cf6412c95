package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// saidLimit is how much of a program's standard error is kept, from its end.
const saidLimit = 4 << 10

// runProgram runs argv without a shell, in the configuration's directory and
// with this process's environment. Its standard output is the secret and is
// never in an error; its standard error is, with every word of the output
// taken out of it.
func (r *Resolver) runProgram(ctx context.Context, argv []string) ([]byte, error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(running, argv[0], argv[1:]...)
	world.OwnGroup(cmd)
	cmd.Dir = r.dir
	cmd.WaitDelay = 2 * time.Second // for children that keep the pipes open
	out := capped{full: stop}
	var said tail
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		// The latter: it ended well, and left a child that keeps the pipe.
		return out.b, nil
	case out.over:
		return nil, errLarge
	case errors.Is(err, exec.ErrNotFound):
		return nil, world.Hint(fmt.Errorf("run %s: it is not on the PATH", argv[0]), "write the whole path of the program, or set PATH for certform")
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (it was stopped: %w)", err, context.Cause(ctx))
	}
	if words := r.world.Hide(said.without(out.b)); words != "" {
		return nil, fmt.Errorf("run %s: %w: %s", argv[0], err, words)
	}
	return nil, fmt.Errorf("run %s: %w", argv[0], err)
}

// capped keeps what a secret may have; more ends the program, which might
// write for ever.
type capped struct {
	b    []byte
	over bool
	full func()
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > limit {
		c.over = true
		c.full()
		return 0, errLarge
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// tail keeps the end of what is written.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	// More than is shown: a word that is cut in two is not found in it.
	if len(t.b) > 4*saidLimit {
		t.b = append(t.b[:0], t.b[len(t.b)-2*saidLimit:]...)
	}
	return len(p), nil
}

// without is the text with every word of what must not be shown taken out: a
// program that fails may have traced what it was about to print.
func (t *tail) without(secret []byte) string {
	b := t.b
	for _, word := range bytes.Fields(secret) {
		if len(word) >= 4 {
			b = bytes.ReplaceAll(b, word, []byte("[hidden]"))
		}
	}
	if len(b) > saidLimit {
		b = b[len(b)-saidLimit:]
	}
	return strings.TrimSpace(string(bytes.ToValidUTF8(b, []byte("?"))))
}
