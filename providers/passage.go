package providers

// passage is a ticket as one broker sees it.
type passage struct {
	onWay, paused bool
	wants         map[key]struct{}
}

// update changes what is known of a ticket and keeps the counts right; mu is
// held.
func (b *broker) update(t *Ticket, change func(*passage)) {
	p := b.tickets[t]
	if p == nil {
		return
	}
	count := func(by int) {
		if p.paused {
			return
		}
		if p.onWay {
			b.onWay += by
		} else if len(p.wants) > 0 {
			b.after += by
		}
	}
	count(-1)
	change(p)
	count(+1)
}

func (b *broker) expect(t *Ticket, onWay bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tickets[t] = &passage{wants: map[key]struct{}{}}
	b.update(t, func(p *passage) { p.onWay = onWay })
	b.kick()
}

func (b *broker) pause(t *Ticket, paused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(t, func(p *passage) { p.paused = paused })
	b.kick()
}

func (b *broker) arrive(t *Ticket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(t, func(p *passage) { p.onWay, p.paused = false, false })
	b.kick()
}

// leave forgets a ticket; what it presented is not protected any more.
func (b *broker) leave(t *Ticket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.tickets[t]
	if p == nil {
		return
	}
	b.update(t, func(p *passage) { p.onWay, p.paused = false, true }) // counts for nothing now
	for k := range p.wants {
		v := b.values[k]
		delete(v.wants, t)
		if v.shown {
			b.owe(v, true)
		}
		b.forget(k, v)
	}
	delete(b.tickets, t)
	b.kick()
}

// owe notes that a Clean of a value should come soon; mu is held.
func (b *broker) owe(v *value, owed bool) {
	if owed && !v.owed {
		b.owed++
	} else if !owed && v.owed {
		b.owed--
	}
	v.owed = owed
}

// want and unwant connect a value with an open ticket; mu is held.
func (b *broker) want(k key, v *value, t *Ticket) {
	if b.tickets[t] == nil {
		return
	}
	b.owe(v, false)
	v.wants[t] = struct{}{}
	b.update(t, func(p *passage) { p.wants[k] = struct{}{} })
}

func (b *broker) unwant(k key, v *value, t *Ticket) {
	delete(v.wants, t)
	b.update(t, func(p *passage) { delete(p.wants, k) })
}
