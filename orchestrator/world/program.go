package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Program is a program that is told something and answers.
type Program struct {
	Argv  []string // run without a shell
	Env   []string // NAME=value: all of its environment, besides PATH and HOME
	Stdin []byte
}

const (
	answerLimit = 64 << 20 // bytes of a program's standard output
	wordsLimit  = 64 << 10 // bytes of what it says otherwise that are kept, from its end
)

// Ask runs a program and waits for it. ctx ends it with everything that it
// began; when it ends by itself, what it left behind ends too. answer is its
// standard output, said the end of its standard error; both may hold secrets
// of its environment, and neither is in err, in whose chain an *exec.ExitError
// says how it ended. A program that cannot be started is a fault that trying
// again cannot mend. It may be called concurrently.
func (w *World) Ask(ctx context.Context, p Program) (answer, said []byte, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(running, p.Argv[0], p.Argv[1:]...)
	cmd.Stdin = bytes.NewReader(p.Stdin)
	cmd.WaitDelay = 2 * time.Second // for children that keep the pipes open
	// Not this process's environment: it may hold the secrets of others.
	for _, name := range []string{"PATH", "HOME"} {
		if v, ok := w.Getenv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, p.Env...)
	out := answerWriter{full: stop}
	var words lastWriter
	cmd.Stdout, cmd.Stderr = &out, &words
	OwnGroup(cmd)
	if err := cmd.Start(); err != nil {
		err = fmt.Errorf("run %s: %w", p.Argv[0], err)
		if errors.Is(err, exec.ErrNotFound) {
			err = Hint(err, "write the whole path of the program, or set PATH for certform")
		}
		return nil, nil, Never(err)
	}
	err = cmd.Wait()
	// At once, while the number of its group is nobody else's.
	_ = killGroup(cmd)
	switch {
	case out.over:
		err = fmt.Errorf("its answer has more than %d MiB", answerLimit>>20)
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it ended well, and left a child that kept the pipe
	case err != nil && ctx.Err() != nil:
		err = fmt.Errorf("%w (it was stopped: %w)", err, context.Cause(ctx))
	}
	if err != nil {
		err = fmt.Errorf("run %s: %w", p.Argv[0], err)
	}
	return out.b, words.b, err
}

// answerWriter keeps what an answer may have; more ends the program, which
// might write for ever.
type answerWriter struct {
	b    []byte
	over bool
	full func()
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if len(a.b)+len(p) > answerLimit {
		a.over = true
		a.full()
		return 0, errors.New("too much")
	}
	a.b = append(a.b, p...)
	return len(p), nil
}

// lastWriter keeps the end of what is written.
type lastWriter struct{ b []byte }

func (l *lastWriter) Write(p []byte) (int, error) {
	l.b = append(l.b, p...)
	if len(l.b) > 2*wordsLimit {
		l.b = append(l.b[:0], l.b[len(l.b)-wordsLimit:]...)
	}
	return len(p), nil
}
