// Package e2e proves the promises through the built binary, as its users run
// it: real processes, real sockets, real signals. The CA and, where no real
// server is the point of a test, the name servers are those of acmetest and
// dnstest over loopback; the others are started by rig.
//
// It leaves to the packages themselves what can be proven in a bubble, where a
// year takes seconds, and to cmd/certform what a command prints.
package e2e

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// certform is the path of the binary under test.
var certform string

// self is this test's own binary, which plays the services that a sink reloads.
var self string

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == servicesName {
		os.Exit(service(os.Args[2:]))
	}
	flag.Parse()
	// Pebble reads its habits from the environment.
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "20"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	// The tests wait for other processes most of the time.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("16"); err != nil {
			panic(err)
		}
	}
	os.Exit(build(m))
}

// build makes the binary as it is shipped and runs the tests with it.
func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "certform-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// One test is somebody else than who builds.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if self, err = os.Executable(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	certform = filepath.Join(dir, "certform")
	cmd := exec.Command("go", "build", "-trimpath", "-o", certform, "github.com/certform/certform/cmd/certform")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build certform:", err)
		return 1
	}
	return m.Run()
}
