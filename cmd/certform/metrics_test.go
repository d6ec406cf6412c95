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
