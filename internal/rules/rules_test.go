// Package rules holds the floor plan of the house as a test: which package
// may import which, and who may name the outside world's libraries.
package rules

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/certform/certform/"

// storeys from the ground up. A package imports only from lower storeys, or
// from folders of its own. The longest matching prefix counts.
var storeys = []struct {
	pkg    string
	storey int
	never  []string // standard packages and modules that it must not name
	why    string
}{
	{"orchestrator/cert", 0, []string{"os", "net", "github.com/hashicorp/hcl/v2"}, "a certificate is data"},
	{"orchestrator/event", 0, []string{"os", "net"}, "events are said, not sent"},
	{"orchestrator/world", 0, nil, "the doors know nothing of ours"},
	{"orchestrator/block", 1, []string{"os", "net"}, "a block becomes a value without looking around"},
	{"orchestrator/secret", 1, []string{"github.com/hashicorp/hcl/v2"}, "references are resolved, not parsed from HCL"},
	{"orchestrator/state", 1, []string{"github.com/hashicorp/hcl/v2", "github.com/mholt/acmez/v3/acme"}, "what is remembered is not how it is asked for"},
	{"orchestrator/seal", 2, []string{"github.com/hashicorp/hcl/v2", "github.com/mholt/acmez/v3/acme"}, "keys rest in the state, so seal stands on it"},
	{"providers", 2, []string{"github.com/mholt/acmez/v3/acme"}, "a DNS host knows nothing of ACME, state or sinks"},
	{"sinks", 2, []string{"github.com/mholt/acmez/v3/acme"}, "a place knows nothing of ACME, state or DNS"},
	{"orchestrator/issue", 3, []string{"os", "github.com/hashicorp/hcl/v2"}, "names become a chain through doors that are handed in"},
	{"orchestrator/plan", 3, []string{"os", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "context"}, "the same facts give the same plan"},
	{"orchestrator/verify", 3, nil, "an endpoint is looked at as its users do"},
	{"orchestrator/config", 4, []string{"net", "net/http", "github.com/mholt/acmez/v3/acme"}, "a configuration is read, never tried"},
	{"orchestrator/survey", 5, []string{"github.com/hashicorp/hcl/v2"}, "positions end at config"},
	{"orchestrator/apply", 5, []string{"net", "net/http", "github.com/hashicorp/hcl/v2", "github.com/libdns/libdns", "github.com/mholt/acmez/v3/acme"}, "the engine reaches the outside through contracts only"},
	{"orchestrator/daemon", 6, []string{"os", "net", "github.com/hashicorp/hcl/v2"}, "it only knows who is due"},
	{"cmd", 7, nil, "flags, wiring, views, exit codes"},
}

// few names libraries that only these packages may import, so that a change
// of library is a change of one room.
var few = map[string][]string{
	"github.com/mholt/acmez/v3/acme": {"orchestrator/issue"},
	"modernc.org/sqlite":             {"orchestrator/state/local"},
	"filippo.io/age":                 {"orchestrator/seal/age"},
	"github.com/libdns/libdns":       {"providers"},
	"github.com/spf13/cobra":         {"cmd/certform"},
	"github.com/miekg/dns":           {"orchestrator/world", "providers"},
	"github.com/hashicorp/hcl/v2":    {"orchestrator/block", "orchestrator/config", "cmd/certform"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"orchestrator/...", module+"providers/...", module+"sinks/...", module+"cmd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func room(path string) (name string, storey int, never []string, why string) {
	path = strings.TrimPrefix(path, module)
	best := -1
	for i, s := range storeys {
		if (path == s.pkg || strings.HasPrefix(path, s.pkg+"/")) && (best < 0 || len(s.pkg) > len(storeys[best].pkg)) {
			best = i
		}
	}
	if best < 0 {
		return "", -1, nil, ""
	}
	s := storeys[best]
	return s.pkg, s.storey, s.never, s.why
}

// tests reports whether a package exists for tests only: suites beside the
// contracts, and fakes.
func tests(path string) bool { return strings.HasSuffix(path, "test") }

func TestStoreys(t *testing.T) {
	for _, p := range packages(t) {
		name, storey, never, why := room(p.ImportPath)
		if name == "" {
			t.Errorf("%s is in no storey: add it to the table, and to the floor plan in docs/architecture.md", p.ImportPath)
			continue
		}
		if tests(p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(never, i) {
				t.Errorf("%s imports %s: %s", p.ImportPath, i, why)
			}
			if !strings.HasPrefix(i, module) {
				continue
			}
			other, below, _, _ := room(i)
			switch {
			case other == "" && !strings.HasPrefix(strings.TrimPrefix(i, module), "internal/"):
				t.Errorf("%s imports %s, which is in no storey", p.ImportPath, i)
			case other == "" && name != "cmd":
				t.Errorf("%s imports %s: internal packages are for tests and the demo", p.ImportPath, i)
			case other != "" && other != name && below >= storey:
				t.Errorf("%s (storey %d) imports %s (storey %d): imports go down only", p.ImportPath, storey, i, below)
			}
		}
	}
}

func TestFewNameALibrary(t *testing.T) {
	for _, p := range packages(t) {
		if tests(p.ImportPath) {
			continue
		}
		for _, i := range p.Imports {
			rooms, ok := few[i]
			if !ok {
				continue
			}
			path := strings.TrimPrefix(p.ImportPath, module)
			if !slices.ContainsFunc(rooms, func(r string) bool { return path == r || strings.HasPrefix(path, r+"/") }) {
				t.Errorf("%s imports %s; only %s may", p.ImportPath, i, strings.Join(rooms, ", "))
			}
		}
	}
}
