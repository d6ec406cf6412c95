package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// outputLimit is how much of a program's output is kept, from its end.
const outputLimit = 4 << 10

// Run runs a program without a shell and waits for it; ctx ends it with all that
// it began. What it leaves behind when it ends by itself goes on: it may be the
// service that was to be started. An interrupt of the terminal does not reach it:
// it is for us, who finish the phase under way. The output (both streams, the
// last 4 KiB, without secrets) is returned also with an error, and the error
// quotes it.
func (w *World) Run(ctx context.Context, argv []string) ([]byte, error) {
	if w.Exec != nil {
		return w.Exec(ctx, argv)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	OwnGroup(cmd)
	cmd.WaitDelay = 2 * time.Second // for children that keep the output open
	var said lastWriter
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	// Before it is cut: half a secret is not recognised.
	out := []byte(w.Hide(string(said.b)))
	if len(out) > outputLimit {
		out = out[len(out)-outputLimit:]
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and left a child
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (it was stopped: %w)", err, context.Cause(ctx))
		}
		said := strings.TrimSpace(string(bytes.ToValidUTF8(out, []byte("?"))))
		if said != "" {
			said = ": " + said
		}
		return out, fmt.Errorf("run %s: %w%s", argv[0], err, said)
	}
	return out, nil
}
