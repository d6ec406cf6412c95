package world

// Aside does f on a stack of its own and returns when f has.
//
// Thousands of certificates wait at a time, each in a goroutine, and a stack
// that was once deep stays large while its goroutine waits. What goes deep and
// does not wait for long (a handshake, a signature, a statement of SQLite) is
// done aside by those who wait elsewhere, so that only as many stacks are large
// as there are such things under way: half of the memory of a run of thousands.
func Aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
