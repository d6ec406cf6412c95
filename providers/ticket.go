package providers

import "sync"

// Ticket says that a certificate is on its way to some zones, so that a batch
// of one of them can wait for it and close when nobody is left on the way. It
// is made by Zones.Expect before the order and kept until the CA has looked
// (or the attempt is over): while it is open, the values it presented are
// protected from a Clean by somebody who shares them, and others' clean-ups
// wait a little to travel with its own. A nil Ticket is on the way to nothing;
// all methods may be called on it, concurrently.
type Ticket struct {
	mu      sync.Mutex
	brokers []*broker
	ended   bool
}

func (t *Ticket) each(f func(*broker)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	for _, b := range t.brokers {
		f(b)
	}
}

// Pause says that the holder waits for something (a Retry-After) and must not
// be waited for; Resume takes that back. Both may be repeated.
func (t *Ticket) Pause() { t.each(func(b *broker) { b.pause(t, true) }) }

// Resume is the end of a Pause.
func (t *Ticket) Resume() { t.each(func(b *broker) { b.pause(t, false) }) }

// arrived ends the way to every zone, the rest of the ticket stays.
func (t *Ticket) arrived() { t.each(func(b *broker) { b.arrive(t) }) }

// join makes sure that b knows the ticket.
func (t *Ticket) join(b *broker, onWay bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	for _, have := range t.brokers {
		if have == b {
			return
		}
	}
	t.brokers = append(t.brokers, b)
	b.expect(t, onWay)
}

// Done says that the holder will present nothing (more). It may be repeated,
// and is for a defer.
func (t *Ticket) Done() {
	if t == nil {
		return
	}
	t.each(func(b *broker) { b.leave(t) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended, t.brokers = true, nil
}
