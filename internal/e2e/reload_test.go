package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
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
