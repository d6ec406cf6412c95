package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

func TestArithmetic(t *testing.T) {
	for _, c := range []struct {
		Case
		calls int
		want  time.Duration
	}{
		{Case{Certificates: 100, Zones: 1, Propagation: 2 * time.Second}, 1, 2625 * time.Millisecond},
		{Case{Certificates: 1000, Zones: 1, Propagation: 2 * time.Second}, 4, 6825 * time.Millisecond},
		{Case{Certificates: 100, Zones: 10, Propagation: 20 * time.Second}, 10, 22425 * time.Millisecond},
		{Case{Certificates: 100, Zones: 1, Propagation: 2 * time.Second, Single: true}, 200, 42425 * time.Millisecond},
		{Case{Certificates: 100, Zones: 10, Propagation: 2 * time.Second, Each: time.Second / 2}, 10, 7125 * time.Millisecond},
	} {
		if a := c.arithmetic(); a.Calls != c.calls || a.total() != c.want {
			t.Errorf("%s: %d calls, %s; want %d, %s", c.Case, a.Calls, a.total(), c.calls, c.want)
		}
	}
}

// The floor does the work, all of it, with as few requests and calls as the
// arithmetic says.
func TestFloor(t *testing.T) {
	for _, c := range []Case{
		{Certificates: 3, Zones: 2, Propagation: 300 * time.Millisecond},
		{Certificates: 1, Zones: 1, Single: true},
	} {
		t.Run(c.String(), func(t *testing.T) {
			dir := t.TempDir()
			in, stop := io.Pipe()
			out, said := io.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- serveWorld(worldOrder{c, dir}, in, said) }()
			var w addresses
			if err := json.NewDecoder(out).Decode(&w); err != nil {
				t.Fatal(err)
			}
			times, err := runFloor(t.Context(), floorOrder{c, w, dir})
			if err != nil {
				t.Fatal(err)
			}
			if times.Wait < c.Propagation {
				t.Errorf("waited %s, the propagation takes %s", times.Wait, c.Propagation)
			}
			resp, err := http.Get(w.Control)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var r clientRun
			if err := json.NewDecoder(resp.Body).Decode(&r.counts); err != nil {
				t.Fatal(err)
			}
			a := c.arithmetic()
			// The directory is free, and an order may be asked for twice.
			if got := r.CA["requests"] - r.CA["directory"]; got < a.Requests-workers || got > a.Requests+c.Certificates {
				t.Errorf("%d requests, want about %d", got, a.Requests)
			}
			if got := r.CallsTotal - r.CallsRefused; got != a.Calls {
				t.Errorf("%d calls, want %d", got, a.Calls)
			}
			r.Left = nil // it does not clean up
			if err := whole(c, r, dir); err != nil {
				t.Error(err)
			}
			stop.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// A fleet is what an apply would have left: its configuration is valid and
// every pair fits. That a plan finds nothing to do is seen by the bench itself.
func TestFleet(t *testing.T) {
	dir := t.TempDir()
	if err := makeFleet(t.Context(), fleetOrder{3, dir}); err != nil {
		t.Fatal(err)
	}
	r := clientRun{counts: counts{Issued: 3, CA: map[string]int{"orders": 3}}}
	if err := whole(Case{Certificates: 3, Zones: 1}, r, filepath.Join(dir, "tls")); err != nil {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	same := func(d time.Duration) time.Duration { return d }
	if got := median([]time.Duration{3, 1, 2}, same); got != 2 {
		t.Errorf("median %d, want 2", got)
	}
	if got := most([]time.Duration{1, 3, 2}, same); got != 3 {
		t.Errorf("most %d, want 3", got)
	}
}
