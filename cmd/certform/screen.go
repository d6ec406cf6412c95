package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/orchestrator/event"
	"golang.org/x/term"
)

// redraw is how often a live table is drawn at the most.
const redraw = 100 * time.Millisecond

// screen draws a board on a terminal. Events only change the board; one
// goroutine draws it, so that a slow terminal drops frames and holds up
// nothing.
type screen struct {
	o    *options
	w    io.Writer
	size func() (width, height int)

	mu    sync.Mutex
	board *board
	dirty bool
	over  bool // the last frame is drawn

	drawn int // lines of the frame on the terminal; of the drawing goroutine
	stop  chan struct{}
	ended chan struct{}
	once  sync.Once
}

func newScreen(o *options) *screen {
	return newScreenOn(o, o.errs, func() (int, int) {
		if f, ok := o.errs.(*os.File); ok {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 20 && h > 4 {
				return w, h
			}
		}
		return 80, 24
	})
}

func newScreenOn(o *options, w io.Writer, size func() (width, height int)) *screen {
	s := &screen{o: o, w: w, size: size, board: newBoard(time.Now(), time.Local), stop: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// Listen takes an event; it never waits for the terminal.
func (s *screen) Listen(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.board.take(e)
	s.dirty = true
}

// Say prints a line above the table; false: there is none any more.
func (s *screen) Say(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.board.said = append(s.board.said, said{bold, text})
	s.dirty = true
	return true
}

// run draws what has changed, and once a second the clock.
func (s *screen) run() {
	defer close(s.ended)
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-s.stop:
			s.draw(time.Now(), true)
			return
		case now := <-tick.C:
			s.mu.Lock()
			due := s.dirty || now.Sub(last) >= time.Second
			s.dirty = false
			s.mu.Unlock()
			if due {
				s.draw(now, false)
				last = time.Now()
			}
		}
	}
}

// draw replaces the frame on the terminal by the present one: lines that are
// to stay first, then the table. The last one leaves no table behind.
func (s *screen) draw(now time.Time, last bool) {
	width, height := s.size()
	paint := func(colour, text string) string { return s.o.paintFor(s.w, colour, s.o.glyph(text)) }
	s.mu.Lock()
	stay := s.board.said
	s.board.said = nil
	s.over = s.over || last
	var frame []string
	if !last {
		// The last column stays free: a terminal may wrap there.
		frame = s.board.frame(now, width-1, height-1, paint)
	}
	s.mu.Unlock()
	var b strings.Builder
	if s.drawn > 0 {
		b.WriteString(up(s.drawn))
	}
	b.WriteString("\r\x1b[J")
	for _, l := range stay {
		b.WriteString(paint(l.colour, l.text) + "\n")
	}
	for _, l := range frame {
		b.WriteString(l + "\n")
	}
	s.drawn = len(frame)
	// A terminal that is gone must not stop an apply.
	_, _ = io.WriteString(s.w, b.String())
}

// up moves the cursor up n lines.
func up(n int) string { return strings.Repeat("\x1b[A", n) }

// Close draws what is left to say and removes the table. It may be repeated.
func (s *screen) Close() {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
}
