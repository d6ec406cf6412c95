package main

import (
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/event"
)

// A clock that is minutes off is told of, with who is ahead of whom.
func TestClocks(t *testing.T) {
	var got []event.Event
	d := &doctor{ahead: map[string]time.Duration{"ca.test": time.Second, "dns.test:8443": -7 * time.Minute, "late.test": 61 * time.Second},
		say: func(e event.Event) { got = append(got, e) }}
	d.clocks()
	want := []struct {
		kind event.Kind
		note string
	}{
		{event.Checked, "the clock of ca.test is with that of this machine"},
		{event.Ailing, "the clock of dns.test:8443 is 7m0s behind that of this machine"},
		{event.Ailing, "the clock of late.test is 1m1s ahead of that of this machine"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d findings: %+v", len(got), got)
	}
	for i, w := range want {
		if got[i].Kind != w.kind || got[i].Note != w.note {
			t.Errorf("%s %q, want %s %q", got[i].Kind, got[i].Note, w.kind, w.note)
		}
	}
}
