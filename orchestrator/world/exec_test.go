//go:build unix

package world_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// A program is ended with all that it began, and hears nothing of an interrupt
// of the terminal.
func TestRunIsAGroupOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := (&world.World{}).Run(ctx, []string{"/bin/sh", "-c", "sleep 300 & echo $$ $! > " + file + "; wait"})
	if err == nil || !strings.Contains(err.Error(), "it was stopped") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); syscall.Kill(pid, 0) == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond) // init reaps it
		}
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d lives on", pid)
		}
	}
	out, err := (&world.World{}).Run(t.Context(), []string{"/bin/sh", "-c", "kill -0 -$$"})
	if err != nil {
		t.Errorf("it is in the group of somebody else: %q, %v", out, err)
	}
}

// A program that ends well and leaves a child has done what it should.
func TestRunLeavesAChild(t *testing.T) {
	out, err := (&world.World{}).Run(t.Context(), []string{"/bin/sh", "-c", "echo started; sleep 4 &"})
	if err != nil || string(out) != "started\n" {
		t.Errorf("%q, %v", out, err)
	}
}
