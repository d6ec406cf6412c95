package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long one command may take before it counts as hung.
const patience = 90 * time.Second

// desk is where a user sits: a folder with a configuration, and an environment.
type desk struct {
	t   testing.TB
	dir string
	env []string // besides PATH and HOME
	as  *syscall.Credential

	mu    sync.Mutex
	shown []result // of all commands that have ended
}

// newDesk makes an empty folder and an environment with nothing of this
// machine's in it.
func newDesk(t testing.TB) *desk {
	t.Helper()
	return &desk{t: t, dir: t.TempDir()}
}

// path is a file of the folder.
func (d *desk) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

// write replaces a file of the folder by one rename, so that a process that
// reads it never sees half of it.
func (d *desk) write(name, text string) {
	d.t.Helper()
	file := d.path(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		d.t.Fatal(err)
	}
}

// config is write of the configuration.
func (d *desk) config(parts ...string) {
	d.t.Helper()
	d.write("certform.hcl", strings.Join(parts, "\n"))
}

func (d *desk) read(name string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// result is what became of a command.
type result struct {
	args     []string
	code     int // -1: ended by a signal
	out, err string
	took     time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("certform %s: exit %d after %.1f s\n--- stdout\n%s--- stderr\n%s", strings.Join(r.args, " "), r.code, r.took.Seconds(), r.out, r.err)
}

// process is a command under way.
type process struct {
	t        testing.TB
	desk     *desk
	args     []string
	cmd      *exec.Cmd
	out, err lines
	began    time.Time
	ended    chan struct{}
	result   result
	patience time.Duration
}

// lines is a buffer that may be read while a process writes into it.
type lines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	heed func(chunk string) // called with whatever comes, before anybody else sees it
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heed != nil {
		l.heed(string(p))
	}
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start begins a command in a process group of its own.
func (d *desk) start(args ...string) *process {
	d.t.Helper()
	p := d.command(args...)
	p.begin()
	return p
}

// command is a command that has not begun.
func (d *desk) command(args ...string) *process {
	p := &process{t: d.t, desk: d, args: args, ended: make(chan struct{}), patience: patience}
	p.cmd = exec.Command(certform, args...)
	p.cmd.Dir = d.dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir}, d.env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: d.as}
	// A program that certform started and that outlives it keeps the pipes.
	p.cmd.WaitDelay = 2 * time.Second
	return p
}

func (p *process) begin() {
	p.t.Helper()
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		err := p.cmd.Wait()
		p.result = result{args: p.args, code: p.cmd.ProcessState.ExitCode(), out: p.out.String(), err: p.err.String(), took: time.Since(p.began)}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			p.result.err += "\n" + err.Error()
		}
		p.desk.mu.Lock()
		p.desk.shown = append(p.desk.shown, p.result)
		p.desk.mu.Unlock()
		close(p.ended)
	}()
	p.t.Cleanup(func() {
		select {
		case <-p.ended:
			return
		default:
		}
		p.kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("cut off: %s", p.result)
		}
	})
}

// kill ends the process and all that it started, with SIGKILL.
func (p *process) kill() {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("signal %s: %v", s, err)
	}
}

// wait returns when the command has ended.
func (p *process) wait() result {
	p.t.Helper()
	hung := time.NewTimer(p.patience)
	defer hung.Stop()
	select {
	case <-p.ended:
		return p.result
	case <-hung.C:
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines, to stderr
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
			p.kill()
			<-p.ended
		}
		p.t.Fatalf("hung for %s:\n%s", p.patience, p.result)
		return p.result
	}
}

// run runs a command to its end.
func (d *desk) run(args ...string) result {
	d.t.Helper()
	return d.start(args...).wait()
}

// want runs a command that must end with this code.
func (d *desk) want(code int, args ...string) result {
	d.t.Helper()
	r := d.run(args...)
	if r.code != code {
		d.t.Fatalf("want exit %d: %s", code, r)
	}
	return r
}

// apply makes it so, or ends the test.
func (d *desk) apply(args ...string) result {
	d.t.Helper()
	return d.want(0, append([]string{"apply", "-auto-approve"}, args...)...)
}

// atRest asserts that the next plan is empty.
func (d *desk) atRest() {
	d.t.Helper()
	if r := d.run("plan", "-detailed-exitcode"); r.code != 0 {
		d.t.Errorf("the plan is not empty: %s", r)
	}
}

// drift asserts that the next plan has something to do, and says these words.
func (d *desk) drift(words ...string) result {
	d.t.Helper()
	r := d.run("plan", "-detailed-exitcode")
	if r.code != 2 {
		d.t.Errorf("the plan should show changes: %s", r)
	}
	r.says(d.t, words...)
	return r
}

// says asserts that the words are in what a command printed.
func (r result) says(t testing.TB, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("%q is not in: %s", w, r)
		}
	}
}

// until polls until ask returns nil.
func until(t testing.TB, within time.Duration, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s that %s: %v", within, what, err)
		case <-tick.C:
		}
	}
}

// pause waits for something that cannot be asked for.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:8]
}

// argv is a list of strings in HCL.
func argv(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// sorted is a sorted copy.
func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func (d *desk) exists(name string) bool {
	_, err := os.Lstat(d.path(name))
	return err == nil
}
