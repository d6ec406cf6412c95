package rig_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
)

// A value put into BIND reaches its secondary by itself.
func TestNSDFollowsBIND(t *testing.T) {
	t.Parallel()
	primary := rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test"}, NotifyDelay: 1})
	secondary := rig.NSD(t, rig.NSDConfig{Primary: primary})
	const name = "_acme-challenge.a.test"
	primary.Add(t, "a.test", name+". 60 IN TXT one")
	deadline := time.After(20 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !slices.Equal(secondary.TXT(t, name), []string{"one"}) {
		select {
		case <-deadline:
			t.Fatalf("the secondary shows %q", secondary.TXT(t, name))
		case <-poll.C:
		}
	}
}
