package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/apply"
	"github.com/certform/certform/orchestrator/daemon"
	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// TestLastSuccess: a turn that could do nothing, since what is left waits or is
// for people to decide, is no success.
func TestLastSuccess(t *testing.T) {
	const address = "certificate.site"
	for name, c := range map[string]struct {
		item *plan.Item
		want bool
	}{
		"at rest":          {nil, true},
		"done":             {&plan.Item{Steps: []plan.Step{{Kind: plan.Put}}}, true},
		"paused":           {&plan.Item{Steps: []plan.Step{{Kind: plan.Put, WaitTill: "2026-11-28T12:00:00Z"}}}, false},
		"for people":       {&plan.Item{Steps: []plan.Step{{Kind: plan.Blocked}}}, false},
		"cannot be":        {&plan.Item{Errors: []string{"a CAA record forbids it"}}, false},
		"one of two waits": {&plan.Item{Steps: []plan.Step{{Kind: plan.Put}, {Kind: plan.Prove, WaitTill: "2026-11-28T12:00:00Z"}}}, false},
	} {
		m := newMetrics()
		m.configured([]plan.Want{{Address: address}})
		m.Looked(daemon.Look{Item: c.item, At: time.Now(), Outcome: apply.Outcome{Address: address, Status: apply.Done}})
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		body, _ := io.ReadAll(w.Body)
		if got := strings.Contains(string(body), `certform_last_success_seconds{certificate="certificate.site"}`); got != c.want {
			t.Errorf("%s: a success is told: %v", name, got)
		}
	}
}

// TestOwedOutlivesTheConfiguration: what is owed is told until it is gone,
// whether its certificate is configured or was a canary.
func TestOwedOutlivesTheConfiguration(t *testing.T) {
	m := newMetrics()
	tells := func(address, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		got := ""
		for line := range strings.Lines(w.Body.String()) {
			if v, ok := strings.CutPrefix(line, `certform_owed_values{certificate="`+address+`"} `); ok {
				got = strings.TrimSpace(v)
			}
		}
		if got != want {
			t.Errorf("%s owes %q, want %q", address, got, want)
		}
	}
	look := func(address string, owed int) {
		m.Looked(daemon.Look{At: time.Now(), Outcome: apply.Outcome{Address: address, Status: apply.Done}, Record: &state.Record{Owed: make([]state.Value, owed)}})
	}
	wants := []plan.Want{{Address: "certificate.stays"}, {Address: "certificate.goes"}, {Address: "certificate.clean"}}
	m.configured(wants)
	for address, owed := range map[string]int{"certificate.stays": 0, "certificate.goes": 2, "certificate.clean": 0, "canary": 1, "old": 0} {
		look(address, owed)
	}
	m.configured(wants[:1])
	for address, want := range map[string]string{"certificate.stays": "0", "certificate.goes": "2", "certificate.clean": "", "canary": "1", "old": ""} {
		tells(address, want)
	}
	m.configured(wants[:1])
	look("certificate.goes", 1)
	tells("certificate.goes", "1")
	look("certificate.goes", 0)
	look("canary", 0)
	tells("certificate.goes", "")
	tells("canary", "")
}
