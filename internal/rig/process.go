package rig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	startWithin = 30 * time.Second // a server's first answer, on a busy machine
	stopWithin  = 10 * time.Second // from SIGTERM to SIGKILL
	pause       = 10 * time.Millisecond
	logShown    = 16 << 10 // bytes of the log that a failed test shows
)

// Process is the running program behind a server. Its methods are for the
// test's goroutine; they are not safe for concurrent use.
type Process struct {
	Dir string // everything of this server: configuration, data, log

	name  string
	argv  []string
	env   []string                    // besides PATH and HOME
	ready func(context.Context) error // asks the server something; nil when it answers
	cmd   *exec.Cmd
	ended chan struct{}
}

// launch starts p for the first time and sees to its end.
func launch(t testing.TB, p *Process) {
	t.Helper()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			log := p.Log(t)
			if len(log) > logShown {
				log = "... " + log[len(log)-logShown:]
			}
			t.Logf("log of %s:\n%s", p.name, log)
		}
	})
	p.Start(t)
}

// Start starts the server again after Stop, on the same ports and with the same
// directory, and returns when it answers.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	if p.ended != nil {
		t.Fatalf("%s runs already", p.name)
	}
	log, err := os.OpenFile(p.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Dir = p.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	// Not the test's environment: a server must not begin to speak to
	// somebody's proxy or cloud because of what is set in a shell.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.Dir, "LC_ALL=C"}, p.env...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how a server ended is in its log
		// A server that was killed leaves its children; they are in its
		// process group. At once, while its number is nobody else's.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		close(ended)
	}()
	p.cmd, p.ended = cmd, ended
	p.await(t, "answers", p.ready)
}

// await polls until ask returns nil; it gives up when the process ends.
func (p *Process) await(t testing.TB, what string, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	for {
		one, done := context.WithTimeout(ctx, time.Second)
		err := ask(one)
		done()
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("%s ended before it %s", p.name, what)
		case <-ctx.Done():
			t.Fatalf("%s: not within %s that it %s: %v", p.name, startWithin, what, err)
		case <-time.After(pause):
		}
	}
}

// Stop ends the server and what it started, and returns when it is gone. To stop
// what is stopped is nothing.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if p.ended == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(stopWithin)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.cmd, p.ended = nil, nil
}

// Signal sends a signal to the server's first process.
func (p *Process) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if p.cmd == nil {
		t.Fatalf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %s: %v", p.name, err)
	}
}

// Pid is the server's first process, 0 when it is stopped.
func (p *Process) Pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// Log is all that the server has said since it was first started.
func (p *Process) Log(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(p.logFile())
	if err != nil && !os.IsNotExist(err) {
		t.Error(err)
	}
	return string(bytes.ToValidUTF8(b, []byte("?")))
}

func (p *Process) logFile() string { return filepath.Join(p.Dir, p.name+".log") }

// output runs a tool to its end.
func output(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w\n%s", filepath.Base(argv[0]), err, out))
	}
	return string(out)
}
