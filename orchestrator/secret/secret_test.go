package secret_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/orchestrator/secret"
	"github.com/certform/certform/orchestrator/world"
)

const canary = "canary-5b1f0c7e"

func environment(vars map[string]string) *world.World {
	return &world.World{Env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
}

func resolver(t testing.TB, vars map[string]string) (r *secret.Resolver, dir string) {
	t.Helper()
	dir = t.TempDir()
	return secret.New(environment(vars), dir), dir
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		ref, says string // "" says it is good
	}{
		{"env:TOKEN", ""},
		{"file:secrets/token", ""},
		{"file:/run/secrets/a b", ""},
		{"file:C:odd", ""},
		{"vault:secret/dns#token", ""},
		{"vault:secret/team/dns/cloudflare#api-token", ""},
		{"vault:/kv/a#b#c", ""},
		{"exec:pass show dns/token", ""},
		{`exec:op read "op://a vault/item/field"`, ""},
		{"exec:./token.sh 'a b' c\\ d", ""},
		{"", "this is no reference"},
		{"hunter2", "this is no reference"},
		{canary, "this is no reference"},
		{"user:" + canary, "this is no reference"},
		{"ENV:TOKEN", "this is no reference"},
		{" env:TOKEN", "this is no reference"},
		{"env:", "which secret"},
		{"env:  ", "which secret"},
		{"env:A=B", "no name of an environment variable"},
		{"env:A B", "no name of an environment variable"},
		{"file:", "which secret"},
		{"file:a\nb", "line break"},
		{"file:a\x00b", "NUL"},
		{"vault:secret/dns", "#FIELD is missing"},
		{"vault:secret/dns#", "#FIELD is missing"},
		{"vault:secret#token", "a mount and a path"},
		{"vault:#token", "a mount and a path"},
		{"vault:secret/a//b#token", "part of the path"},
		{"vault:secret/../sys#token", "part of the path"},
		{"exec:", "which secret"},
		{`exec:""`, "no name"},
		{`exec:pass "show`, "not closed"},
		{`exec:pass 'show`, "not closed"},
		{`exec:pass show\`, "backslash"},
	} {
		err := secret.Check(c.ref)
		if c.says == "" {
			if err != nil {
				t.Errorf("%q: %v", c.ref, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want an error that says %q", c.ref, err, c.says)
			continue
		}
		for _, scheme := range secret.Schemes() {
			if !strings.Contains(err.Error(), scheme+":") {
				t.Errorf("%q: %v does not name the scheme %s", c.ref, err, scheme)
			}
		}
		if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v repeats what may be a secret", c.ref, err)
		}
	}
}

func TestEnv(t *testing.T) {
	r, _ := resolver(t, map[string]string{"TOKEN": canary + " ", "EMPTY": ""})
	if got, err := r.Resolve(t.Context(), "env:TOKEN"); err != nil || got != canary+" " {
		t.Errorf("%q, %v", got, err)
	}
	for ref, says := range map[string]string{"env:EMPTY": "is empty", "env:NONE": "is not set", canary: "no reference"} {
		got, err := r.Resolve(t.Context(), ref)
		if err == nil || got != "" || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %q, %v; want an error that says %q", ref, got, err, says)
		}
		if ref != canary && !strings.Contains(err.Error(), ref) {
			t.Errorf("%v does not name %s", err, ref)
		}
	}
}

func TestFile(t *testing.T) {
	home := t.TempDir()
	r, dir := resolver(t, map[string]string{"HOME": home})
	write(t, filepath.Join(dir, "token"), canary+"\r\n\n", 0o600)
	write(t, filepath.Join(dir, "pem"), "a\nb \n", 0o600)
	write(t, filepath.Join(home, "token"), "at home", 0o600)
	write(t, filepath.Join(dir, "full"), strings.Repeat("x", 1<<20), 0o600)
	for ref, want := range map[string]string{
		"file:token": canary, "file:./token": canary, "file:" + dir + "/token": canary,
		"file:pem": "a\nb ", "file:~/token": "at home", "file:full": strings.Repeat("x", 1<<20),
	} {
		if got, err := r.Resolve(t.Context(), ref); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", ref, len(got), err)
		}
	}
	write(t, filepath.Join(dir, "empty"), "\n", 0o600)
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", 1<<20+1), 0o600)
	for ref, says := range map[string]string{
		"file:none": "no such file", "file:empty": "is empty", "file:large": "more than 1024 KiB",
		"file:.": "not a regular file", "file:/dev/zero": "not a regular file",
	} {
		if got, err := r.Resolve(t.Context(), ref); err == nil || got != "" || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ref) {
			t.Errorf("%s: %d bytes, %v; want an error that says %q", ref, len(got), err, says)
		}
	}
}

func TestExec(t *testing.T) {
	r, dir := resolver(t, nil)
	write(t, filepath.Join(dir, "show"), "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done; echo; pwd >&2\n", 0o755)
	for ref, want := range map[string]string{
		"exec:./show a  b":                   "<a><b>",
		`exec:./show 'a  b' "c 'd" e\ f ""`:  "<a  b><c 'd><e f><>",
		`exec:./show a"b"'c' "\"\\\n" '\'`:   `<abc><"\\n><\>`,
		"exec:./show $HOME * ; | `x`":        "<$HOME><*><;><|><`x`>",
		"exec:" + dir + "/show é":            "<é>",
		"exec:printf '\\n  spaced out  \\n'": "spaced out",
		"exec:head -c 1048576 /dev/zero":     strings.Repeat("\x00", 1<<20),
	} {
		if got, err := r.Resolve(t.Context(), ref); err != nil || got != want {
			t.Errorf("%s: %.60q, %v; want %.60q", ref, got, err, want)
		}
	}
	write(t, filepath.Join(dir, "agent"), "#!/bin/sh\necho from an agent\nsleep 4 &\n", 0o755)
	if got, err := r.Resolve(t.Context(), "exec:./agent"); err != nil || got != "from an agent" {
		t.Errorf("a program that leaves a child: %q, %v", got, err)
	}
	write(t, filepath.Join(dir, "fail"), "#!/bin/sh\necho "+canary+"\necho \"cannot use "+canary+": locked\" >&2\nexit 3\n", 0o755)
	write(t, filepath.Join(dir, "endless"), "#!/bin/sh\nwhile echo "+canary+"; do :; done\n", 0o755)
	write(t, filepath.Join(dir, "noisy"), "#!/bin/sh\nyes noise | head -c 100000 >&2; echo the end >&2; exit 1\n", 0o755)
	for ref, says := range map[string]string{
		"exec:./fail":            "exit status 3: cannot use [hidden]: locked",
		"exec:true":              "is empty",
		"exec:no-such-program x": "not on the PATH",
		"exec:./none":            "no such file",
		"exec:./endless":         "more than 1024 KiB",
		"exec:./noisy":           "the end",
	} {
		got, err := r.Resolve(t.Context(), ref)
		if err == nil || got != "" || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), ref) {
			t.Errorf("%s: %q, %v; want an error that says %q", ref, got, err, says)
			continue
		}
		if said := fmt.Sprint(err, world.Advice(err)); strings.Contains(said, canary) || len(said) > 5000 {
			t.Errorf("%s says too much: %.300s", ref, said)
		}
	}
}

// A program that does not end is stopped, and what it said is told.
func TestExecStopped(t *testing.T) {
	r, dir := resolver(t, nil)
	write(t, filepath.Join(dir, "wait"), "#!/bin/sh\necho waiting for a password >&2\nsleep 60 >alive &\nwait\n", 0o755)
	alive := filepath.Join(dir, "alive")
	if err := exec.Command("mkfifo", alive).Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		child, err := os.Open(alive) // when the child has opened it, too
		if err != nil {
			ended <- err
			return
		}
		defer child.Close()
		cancel()
		if err := child.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			ended <- err
			return
		}
		_, err = child.Read(make([]byte, 1))
		ended <- err
	}()
	_, err := r.Resolve(ctx, "exec:./wait")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting for a password") {
		t.Errorf("%v", err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("what it started lives: %v", err)
	}
}

// Nothing waits longer than half a minute for a program or a Vault.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := secret.New(environment(nil), "/")
		r.Run = func(ctx context.Context, argv []string) ([]byte, error) {
			<-ctx.Done()
			return []byte(canary), ctx.Err()
		}
		r.Vault = func(ctx context.Context, mount, path, field string) (string, error) {
			<-ctx.Done()
			return canary, ctx.Err()
		}
		for _, ref := range []string{"exec:slow", "vault:a/b#c"} {
			begin := time.Now()
			got, err := r.Resolve(t.Context(), ref)
			if err == nil || got != "" || !strings.Contains(err.Error(), "no answer within 30s") || strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %q, %v", ref, got, err)
			}
			if took := time.Since(begin); took != 30*time.Second {
				t.Errorf("%s took %v", ref, took)
			}
		}
	})
}

// Calls that overlap share one reading, later ones read again, and different
// references do not meet.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var ran []string
		r := secret.New(environment(nil), "/")
		r.Run = func(ctx context.Context, argv []string) ([]byte, error) {
			mu.Lock()
			ran = append(ran, strings.Join(argv, " "))
			n := len(ran)
			mu.Unlock()
			time.Sleep(time.Second)
			return fmt.Appendf(nil, "%s %d", argv[0], n), nil
		}
		var wg sync.WaitGroup
		values := make([]string, 1000)
		for i := range values {
			wg.Go(func() {
				var err error
				if values[i], err = r.Resolve(t.Context(), "exec:one"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if got, err := r.Resolve(t.Context(), "exec:two"); err != nil || !strings.HasPrefix(got, "two") {
				t.Error(got, err)
			}
		})
		wg.Wait()
		slices.Sort(values)
		if values[0] != values[len(values)-1] || len(ran) != 2 {
			t.Errorf("%d programs ran: %q; values %q … %q", len(ran), ran, values[0], values[len(values)-1])
		}
		if got, err := r.Resolve(t.Context(), "exec:one"); err != nil || got != "one 3" {
			t.Errorf("asked later: %q, %v, want a new reading", got, err)
		}
	})
}

// A failure is shared too, but not that of a caller who gave up: the others
// read again.
func TestSharedFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int32
		r := secret.New(environment(nil), "/")
		r.Run = func(ctx context.Context, argv []string) ([]byte, error) {
			n := ran.Add(1)
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if argv[0] == "fail" {
				return nil, fmt.Errorf("locked %d", n)
			}
			return []byte("good"), nil
		}
		var wg sync.WaitGroup
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wg.Go(func() {
			if _, err := r.Resolve(hasty, "exec:good"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the hasty one: %v", err)
			}
		})
		synctest.Wait() // it is the one who reads
		for range 5 {
			wg.Go(func() {
				if got, err := r.Resolve(t.Context(), "exec:good"); err != nil || got != "good" {
					t.Errorf("a patient one: %q, %v", got, err)
				}
			})
		}
		wg.Go(func() { // waits for another's reading and gives up
			if _, err := r.Resolve(hasty, "exec:good"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the other hasty one: %v", err)
			}
		})
		wg.Wait()
		if ran.Load() != 2 {
			t.Errorf("%d readings, want 2: the hasty one's and one for all others", ran.Load())
		}
		for range 5 {
			wg.Go(func() {
				if _, err := r.Resolve(t.Context(), "exec:fail"); err == nil || !strings.Contains(err.Error(), "locked 3") {
					t.Errorf("a shared failure: %v", err)
				}
			})
		}
		wg.Wait()
	})
}
