package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Reloads of one service are gathered: many certificates are not many reloads,
// and the last reload comes after the last switch.
func TestReloadsAreGathered(t *testing.T) {
	t.Parallel()
	const n = 40
	w := newTown(t, "many.test")
	d := newDesk(t)
	d.config(w.config(d), fmt.Sprintf(`sink "file" "web" {
  directory = "tls/${certificate.name}"
  test      = %s
  reload    = %s
}
certificate "h" {
  for_each = [for i in range(%d) : tostring(i)]
  names    = ["h${each.key}.many.test"]
  sinks    = [sink.file.web]
}
`, argv(self, servicesName, "note", d.path("tests")), argv(self, servicesName, "snapshot", d.path("tls"), d.path("loaded")), n))
	count := func() (tests, reloads int) {
		return strings.Count(string(d.read("tests.log")), "\n"), strings.Count(string(d.read("loaded.log")), "\n")
	}
	d.apply()
	tests, reloads := count()
	if reloads < 1 || reloads > n/4 || tests < 1 || tests > n/4 {
		t.Errorf("%d tests and %d reloads for %d certificates", tests, reloads, n)
	}
	d.apply("-replace=h")
	if _, again := count(); again-reloads < 1 || again-reloads > n/4 {
		t.Errorf("%d reloads for %d certificates", again-reloads, n)
	}
	used := string(d.read("loaded"))
	for i := range n {
		leaf := leafIn(t, d.path("tls", fmt.Sprintf("h-%d", i)))
		if !strings.Contains(used, fmt.Sprintf("%x\n", leaf.SerialNumber)) {
			t.Errorf("h-%d was switched after the last reload", i)
		}
	}
	d.atRest()
}

// An interrupt of a terminal is heard by all of the foreground's group. The
// first is a request to certform, and no reload is cut off by it.
func TestInterruptLeavesTheReload(t *testing.T) {
	t.Parallel()
	w := newTown(t, "break.test")
	d := newDesk(t)
	d.config(w.config(d), fmt.Sprintf(`sink "file" "web" {
  directory = "tls"
  reload    = %s
}
certificate "site" {
  names = ["break.test"]
  sinks = [sink.file.web]
}
`, argv(self, servicesName, "gate", d.path("tls"), d.path("loaded"), d.path("gate"))))
	apply := d.start("apply", "-auto-approve")
	until(t, 30*time.Second, "the reload runs", func() error {
		_, err := os.Stat(d.path("gate.passed"))
		return err
	})
	must(t, syscall.Kill(-apply.cmd.Process.Pid, syscall.SIGINT))
	until(t, 30*time.Second, "it is heard", func() error {
		if !strings.Contains(apply.err.String(), "Interrupt again") {
			return errors.New("not yet")
		}
		return nil
	})
	d.write("gate.open", "")
	if r := apply.wait(); strings.Contains(r.String(), "signal") {
		t.Errorf("the reload was cut off: %s", r)
	}
	if leaf, loaded := leafIn(t, d.path("tls")), leafOf(t, d.path("loaded")); !leaf.Equal(loaded) {
		t.Errorf("it uses %s", loaded.SerialNumber)
	}
	d.atRest()
}

// snapshot notes which certificates a service would use now.
func snapshot(from, to string) error {
	dirs, err := filepath.Glob(filepath.Join(from, "*"))
	if err != nil {
		return err
	}
	return locked(to, func() ([]byte, error) {
		var b strings.Builder
		for _, dir := range dirs {
			if strings.HasPrefix(filepath.Base(dir), ".") {
				continue
			}
			pair, _, err := pairIn(dir)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%x\n", pair.Leaf.SerialNumber)
		}
		return []byte(b.String()), nil
	})
}
