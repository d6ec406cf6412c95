// Package rig starts real servers on loopback for tests: DNS servers, load
// balancers, a secret store, an imitation of AWS. One file a server.
//
// Every constructor takes the test first, makes a directory of its own, takes
// free ports, starts the server, returns when the server has answered a real
// request, and stops it when the test ends. If the test failed, the end of the
// server's log is in the test's log. Servers of one test do not know of
// each other, so tests that use them may run in parallel. They live outside the
// process, so they cannot be used inside a synctest bubble.
//
// The package leaves to others what is asked of the servers: it imports nothing
// of certform, so that a mistake of certform's cannot hide in its own referee.
package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

const (
	// Real is the environment variable that turns a missing server from a
	// skipped test into a failed one. CI sets it to 1.
	Real = "CERTFORM_REAL"
	// Missing is the environment variable with the name of a file that gets
	// one line for each test that was skipped for want of a server.
	Missing = "CERTFORM_MISSING"
)

// Need returns the path of a program, or ends the test when the machine has not
// got it: skipped and noted in the file that Missing names, or failed where Real
// is 1. Install is what would bring the program here: the name of a Debian
// package, or a whole command when it has a blank in it. It is called by every
// constructor of this package before anything is started, and may be called by
// tests that need a tool of their own; at any time, concurrently too.
func Need(t testing.TB, program, install string) string {
	t.Helper()
	path, ok := find(program)
	if !ok {
		lack(t, program, install)
	}
	return path
}

// find looks where a server may lie that is not on an ordinary user's PATH.
func find(program string, more ...string) (string, bool) {
	if path, err := exec.LookPath(program); err == nil {
		return path, true
	}
	for _, dir := range append([]string{"/usr/local/sbin", "/usr/sbin", "/sbin"}, more...) {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, true
		}
	}
	return "", false
}

func lack(t testing.TB, what, install string) {
	t.Helper()
	if !strings.Contains(install, " ") {
		install = "apt-get install " + install
	}
	if os.Getenv(Real) == "1" {
		t.Fatalf("%s is not on this machine and %s=1 asks for it: %s", what, Real, install)
	}
	if file := os.Getenv(Missing); file != "" {
		line := fmt.Sprintf("%s%s needs %s: %s\n", where(), t.Name(), what, install)
		if err := add(file, line); err != nil {
			t.Errorf("note the missing %s: %v", what, err)
		}
	}
	t.Skipf("%s is not on this machine: %s", what, install)
}

// where is the package under test as the reader of the list knows it: the name
// of a test alone does not say where it is.
func where() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path == "" {
		return ""
	}
	p := strings.TrimSuffix(info.Path, ".test")
	if p = strings.TrimPrefix(p, info.Main.Path+"/"); p == "" {
		return ""
	}
	return p + " "
}

// add appends in one write, since the tests of several packages run at once.
func add(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// home makes the directory of one server. It is not t.TempDir: a Unix
// socket's path must stay under 104 bytes, whatever the test's name.
func home(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rig-")
	if err != nil {
		t.Fatalf("make the server's directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the server's directory: %v", err)
		}
	})
	return dir
}

// write puts a configuration file in place.
func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
