package reload_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/sinks/reload"
)

// service reads the places at each reload, as a web server reads its files.
type service struct {
	mu       sync.Mutex
	bundles  map[int]string // what lies in each place: "old", "new" or "bad"
	runs     int
	tests    int
	serving  map[int]string
	perRun   time.Duration
	testSees bool          // the test command finds what is bad
	late     time.Duration // a reload returns at once and the files are read so much later
}

func newService() *service {
	return &service{bundles: map[int]string{}, serving: map[int]string{}, perRun: time.Second}
}

func (s *service) exec(ctx context.Context, argv []string) ([]byte, error) {
	if s.late > 0 && argv[0] != "check" {
		time.AfterFunc(s.late, s.read)
		return nil, nil
	}
	select {
	case <-time.After(s.perRun):
	case <-ctx.Done():
		return nil, fmt.Errorf("run %s: killed (%w)", argv[0], context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch argv[0] {
	case "check":
		s.tests++
		if !s.testSees {
			return nil, nil
		}
	case "missing":
		return nil, &exec.Error{Name: argv[0], Err: exec.ErrNotFound}
	default:
		s.runs++
	}
	for i, b := range s.bundles {
		if b == "bad" {
			return nil, fmt.Errorf("run %s: exit status 1: cannot load place %d", argv[0], i)
		}
	}
	if argv[0] != "check" {
		for i, b := range s.bundles {
			s.serving[i] = b
		}
	}
	return nil, nil
}

// read takes what lies there into use, or goes on with what it has.
func (s *service) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bundles {
		if b == "bad" {
			return
		}
	}
	for i, b := range s.bundles {
		s.serving[i] = b
	}
}

type place struct {
	s        *service
	i        int
	next     string
	switched bool
}

func (p *place) set(what string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.bundles[p.i] = what
	return nil
}
func (p *place) Undo() error   { p.switched = false; return p.set("old") }
func (p *place) Switch() error { p.switched = true; return p.set(p.next) }

// deliver puts n places through at once, after each has taken write.
func deliver(t *testing.T, s *service, c reload.Commands, n int, bad map[int]bool, write time.Duration) []error {
	t.Helper()
	w := &world.World{Exec: s.exec}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		s.bundles[i], s.serving[i] = "old", "old"
	}
	for i := range n {
		wg.Go(func() {
			g, release, err := reload.For(t.Context(), w, "", c)
			if err != nil {
				errs[i] = err
				return
			}
			defer release()
			turn := g.Begin()
			defer turn.Leave()
			time.Sleep(write + time.Duration(i)*time.Microsecond)
			p := &place{s: s, i: i, next: "new"}
			if bad[i] {
				p.next = "bad"
			}
			errs[i] = turn.Activate(t.Context(), p)
		})
	}
	wg.Wait()
	return errs
}

var both = reload.Commands{Test: []string{"check"}, Reload: []string{"service", "reload"}}

func TestThousandPlacesAreFewReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		for i, err := range deliver(t, s, both, 1000, nil, 20*time.Millisecond) {
			if err != nil || s.serving[i] != "new" {
				t.Fatalf("place %d: %v, serving %s", i, err, s.serving[i])
			}
		}
		if s.runs > 3 {
			t.Errorf("%d reloads for 1000 places", s.runs)
		}
	})
}

func TestOneBadPlaceCostsOneThing(t *testing.T) {
	for _, testSees := range []bool{true, false} {
		t.Run(fmt.Sprintf("the test sees it: %v", testSees), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService()
				s.testSees = testSees
				bad := map[int]bool{17: true, 600: true}
				for i, err := range deliver(t, s, both, 1000, bad, 0) {
					want := "new"
					if bad[i] {
						want = "old"
					}
					if (err != nil) != bad[i] || s.serving[i] != want || s.bundles[i] != want {
						t.Fatalf("place %d: error %v, holds %s, serving %s; want %s", i, err, s.bundles[i], s.serving[i], want)
					}
					if bad[i] && !strings.Contains(err.Error(), fmt.Sprintf("cannot load place %d", i)) {
						t.Errorf("place %d: %v does not keep the service's words", i, err)
					}
				}
				if s.runs+s.tests > 150 {
					t.Errorf("%d tests and %d reloads", s.tests, s.runs)
				}
			})
		})
	}
}

func TestFailingReloadIsRunAgainWithTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		errs := deliver(t, s, reload.Commands{Reload: []string{"service"}}, 1, map[int]bool{0: true}, 0)
		if errs[0] == nil || s.bundles[0] != "old" || s.runs != 2 {
			t.Errorf("error %v, holds %s after %d reloads; want an error, old, 2", errs[0], s.bundles[0], s.runs)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.testSees = true
		errs := deliver(t, s, both, 1, map[int]bool{0: true}, 0)
		if errs[0] == nil || s.bundles[0] != "old" || s.runs != 0 {
			t.Errorf("error %v, holds %s after %d reloads; want an error, old, none", errs[0], s.bundles[0], s.runs)
		}
	})
}

func TestACommandThatFailsForAllIsNotTriedForEach(t *testing.T) {
	t.Run("cannot be started", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			for i, err := range deliver(t, s, reload.Commands{Reload: []string{"missing"}}, 100, nil, 0) {
				if !errors.Is(err, exec.ErrNotFound) || s.bundles[i] != "old" {
					t.Fatalf("place %d: %v, holds %s", i, err, s.bundles[i])
				}
			}
		})
	})
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newService()
			s.perRun = time.Hour
			began := time.Now()
			for i, err := range deliver(t, s, reload.Commands{Test: []string{"check"}}, 100, nil, 0) {
				if err == nil || !strings.Contains(err.Error(), "longer than 1m0s") || s.bundles[i] != "old" {
					t.Fatalf("place %d: %v, holds %s", i, err, s.bundles[i])
				}
			}
			if took := time.Since(began); took > 3*reload.Limit {
				t.Errorf("it took %s", took)
			}
		})
	})
}

func TestCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.perRun = 10 * time.Second
		w := &world.World{Exec: s.exec}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make([]error, 3)
		places := make([]*place, 3)
		var wg sync.WaitGroup
		start := func(i int, ctx context.Context) {
			places[i] = &place{s: s, i: i, next: "new"}
			wg.Go(func() {
				g, release, err := reload.For(ctx, w, "", both)
				if err != nil {
					errs[i] = err
					return
				}
				defer release()
				errs[i] = g.Begin().Activate(ctx, places[i])
			})
			synctest.Wait()
		}
		start(0, t.Context()) // runs
		start(1, ctx)         // waits, and is called off
		start(2, t.Context()) // waits
		cancel()
		wg.Wait()
		if errs[0] != nil || errs[2] != nil || s.serving[0] != "new" || s.serving[2] != "new" {
			t.Errorf("those that were not called off: %v, %v", errs[0], errs[2])
		}
		if !errors.Is(errs[1], context.Canceled) || places[1].switched {
			t.Errorf("the one that was: %v, put back: %v", errs[1], !places[1].switched)
		}
	})
	synctest.Test(t, func(t *testing.T) { // alone, while its command runs
		s := newService()
		s.perRun = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g, release, err := reload.For(ctx, &world.World{Exec: s.exec}, "", both)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		p := &place{s: s, next: "new"}
		began := time.Now()
		err = g.Begin().Activate(ctx, p)
		if !errors.Is(err, context.DeadlineExceeded) || p.switched || time.Since(began) > 2*time.Second {
			t.Errorf("error %v, put back: %v, after %s", err, !p.switched, time.Since(began))
		}
	})
}

// A place that never arrives must not hold up the others.
func TestStuckPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		g, release, err := reload.For(t.Context(), &world.World{Exec: s.exec}, "", both)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		stuck := g.Begin()
		defer stuck.Leave()
		began := time.Now()
		if err := g.Begin().Activate(t.Context(), &place{s: s, next: "new"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A reload that returns before the files are read may find the bad certificate
// of the next try in them: the good ones are served all the same in the end.
func TestReloadThatReadsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService()
		s.testSees, s.late = true, s.perRun/2
		const n = 4
		errs := deliver(t, s, reload.Commands{Test: []string{"check"}, Reload: []string{"reload"}}, n, map[int]bool{n - 1: true}, time.Millisecond)
		time.Sleep(time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range n {
			want := "new"
			if i == n-1 {
				want = "old"
			}
			if s.serving[i] != want || (errs[i] != nil) != (want == "old") {
				t.Errorf("place %d: serves %q, error %v", i, s.serving[i], errs[i])
			}
		}
	})
}
