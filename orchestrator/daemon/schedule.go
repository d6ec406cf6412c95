package daemon

import (
	"container/heap"
	"time"

	"github.com/certform/certform/orchestrator/plan"
	"github.com/certform/certform/orchestrator/state"
)

// schedule is the heap of certificates by when they are due. It is used by
// the one goroutine of Run.
type schedule struct {
	heap      []*entry
	byAddress map[string]*entry
}

func (s *schedule) Len() int           { return len(s.heap) }
func (s *schedule) Less(i, j int) bool { return s.heap[i].due.Before(s.heap[j].due) }
func (s *schedule) Swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.heap[i].index, s.heap[j].index = i, j
}

func (s *schedule) Push(x any) {
	e := x.(*entry)
	e.index = len(s.heap)
	s.heap = append(s.heap, e)
}

func (s *schedule) Pop() any {
	last := len(s.heap) - 1
	e := s.heap[last]
	s.heap[last] = nil
	s.heap = s.heap[:last]
	e.index = -1
	return e
}

// wait is how long nothing is due.
func (s *schedule) wait() time.Duration {
	if s.Len() == 0 {
		return time.Hour
	}
	return max(0, time.Until(s.heap[0].due))
}

// replace takes a new fleet: what it wants is due at once, what it no longer
// wants leaves the heap. One that is under way stays, to be forgotten when its
// turn is over.
func (s *schedule) replace(f *fleet, now time.Time) {
	wanted := map[string]bool{}
	for _, w := range f.Wants {
		wanted[w.Address] = true
		e, ok := s.byAddress[w.Address]
		if !ok {
			e = &entry{index: -1, due: now}
			s.byAddress[w.Address] = e
			e.want, e.fleet = w, f
			heap.Push(s, e)
			continue
		}
		e.want, e.fleet, e.forget, e.tries, e.due = w, f, false, nil, now
		if e.index >= 0 {
			heap.Fix(s, e.index)
		}
	}
	for address, e := range s.byAddress {
		if wanted[address] {
			continue
		}
		if e.index < 0 {
			e.want, e.fleet, e.forget, e.tries = plan.Want{Address: address}, f, true, nil
			continue
		}
		delete(s.byAddress, address)
		heap.Remove(s, e.index)
	}
}

// done puts a certificate back into the heap. One that went wrong is tried
// again after pauses that grow, at the latest when it would be looked at
// anyway: what its record knows a pause for is not tried before that ends, and
// the rest of the certificate must not wait for what goes wrong.
func (s *schedule) done(r result) {
	e := r.e
	r.f.users--
	if r.f.old {
		release(r.f)
	}
	now := time.Now()
	next := r.next
	if r.fine {
		e.tries = nil
	} else {
		why := ""
		if r.err != nil {
			why = r.err.Error()
		}
		e.tries = state.Failed(e.tries, now, time.Time{}, why)
		if e.tries.Next.Before(next) {
			next = e.tries.Next
		}
	}
	if floor := now.Add(time.Second); next.Before(floor) {
		next = floor
	}
	if e.fleet != r.f {
		// The configuration changed meanwhile: it is looked at anew.
		next = now
	} else if r.over {
		delete(s.byAddress, e.want.Address)
		return
	}
	e.due = next
	heap.Push(s, e)
}
