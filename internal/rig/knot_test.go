package rig_test

import (
	"slices"
	"testing"
	"time"

	"github.com/certform/certform/internal/rig"
)

func TestKnot(t *testing.T) {
	t.Parallel()
	s := rig.Knot(t, rig.KnotConfig{Zones: []string{"a.test"}})
	s.AddZone(t, "b.test")
	for _, zone := range []string{"a.test", "b.test"} {
		name := "_acme-challenge." + zone
		s.Add(t, zone, name+". 60 IN TXT one", name+". 60 IN TXT two")
		s.Remove(t, zone, name+". 60 IN TXT one")
		if got := s.TXT(t, name); !slices.Equal(got, []string{"two"}) {
			t.Errorf("TXT after one of two was removed: %q", got)
		}
		want := []string{"SOA " + zone + ".", "NS " + zone + ".", "TXT " + name + ".", "A ns1." + zone + "."}
		if got := short(s.Dump(t, zone)); !slices.Equal(got, want) {
			t.Errorf("the zone holds %q, want %q", got, want)
		}
	}
}

// A value put into BIND reaches its secondary by itself.
func TestKnotFollowsBIND(t *testing.T) {
	t.Parallel()
	primary := rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test"}, NotifyDelay: 1})
	secondary := rig.Knot(t, rig.KnotConfig{Primary: primary})
	const name = "_acme-challenge.a.test"
	primary.Add(t, "a.test", name+". 60 IN TXT one")
	deadline := time.After(10 * time.Second)
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
