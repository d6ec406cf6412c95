package rig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/certform/certform/internal/rig"
)

// judge is a test that is told to skip or to fail, and does not.
type judge struct {
	testing.TB
	name, verdict string
}

func (j *judge) Helper()      {}
func (j *judge) Name() string { return j.name }
func (j *judge) Skipf(format string, args ...any) {
	j.verdict = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (j *judge) Fatalf(format string, args ...any) {
	j.verdict = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestNeed(t *testing.T) {
	const absent = "no-such-server"
	for _, c := range []struct {
		name, program, install, real string
		verdict, noted               string // parts of them; "" is none
	}{
		{name: "here", program: "sh", install: "dash"},
		{name: "here, for CI", program: "sh", install: "dash", real: "1"},
		{name: "absent", program: absent, install: "absent-server",
			verdict: "skip: no-such-server is not on this machine: apt-get install absent-server",
			noted:   "internal/rig TestOfSomebody needs no-such-server: apt-get install absent-server\n"},
		{name: "absent, with a command", program: absent, install: "sh build it.sh",
			verdict: "skip: no-such-server is not on this machine: sh build it.sh",
			noted:   "internal/rig TestOfSomebody needs no-such-server: sh build it.sh\n"},
		{name: "absent, for CI", program: absent, install: "absent-server", real: "1",
			verdict: "fatal: no-such-server is not on this machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "missing")
			t.Setenv(rig.Real, c.real)
			t.Setenv(rig.Missing, file)
			j := &judge{TB: t, name: "TestOfSomebody"}
			var path string
			done := make(chan struct{})
			go func() {
				defer close(done)
				path = rig.Need(j, c.program, c.install)
			}()
			<-done
			if c.verdict == "" && (j.verdict != "" || !filepath.IsAbs(path)) {
				t.Errorf("path %q, verdict %q", path, j.verdict)
			}
			if !strings.Contains(j.verdict, c.verdict) {
				t.Errorf("verdict %q, want %q", j.verdict, c.verdict)
			}
			noted, _ := os.ReadFile(file)
			if string(noted) != c.noted {
				t.Errorf("noted %q, want %q", noted, c.noted)
			}
		})
	}
}
