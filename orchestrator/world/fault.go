package world

import (
	"errors"
	"time"
)

// ErrNever is in the chain of an error that trying again cannot mend before
// somebody changes something: a rejected credential, a forbidden name.
var ErrNever = errors.New("trying again will not help")

// Fault is an error with the two things a caller may want beyond its words:
// when it may be tried again, and one line of advice for people.
type Fault struct {
	Err    error
	Never  bool      // trying again is pointless
	At     time.Time // zero, or not to be tried again before (a Retry-After, kept)
	Advice string    // one line, printed under the error; "" for none
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap keeps the whole chain readable by errors.Is and errors.As.
func (f *Fault) Unwrap() []error {
	if f.Never {
		return []error{f.Err, ErrNever}
	}
	return []error{f.Err}
}

// Never marks err as one that trying again cannot mend.
func Never(err error) error {
	if err == nil {
		return nil
	}
	return &Fault{Err: err, Never: true}
}

// At marks err as one that must not be tried again before t.
func At(err error, t time.Time) error {
	if err == nil {
		return nil
	}
	return &Fault{Err: err, At: t}
}

// Hint adds one line of advice to err.
func Hint(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &Fault{Err: err, Advice: advice}
}

// RetryAt says when err may be tried again: ok is false if it never should
// be; the zero time means that the caller's own pause holds. The latest time
// in the chain counts.
func RetryAt(err error) (at time.Time, ok bool) {
	ok = !errors.Is(err, ErrNever)
	walk(err, func(f *Fault) {
		if f.At.After(at) {
			at = f.At
		}
	})
	return at, ok
}

// Advice collects the lines of advice in err's chain, each once.
func Advice(err error) []string {
	var out []string
	seen := map[string]bool{}
	walk(err, func(f *Fault) {
		if f.Advice != "" && !seen[f.Advice] {
			seen[f.Advice] = true
			out = append(out, f.Advice)
		}
	})
	return out
}

func walk(err error, visit func(*Fault)) {
	switch e := err.(type) {
	case nil:
		return
	case *Fault:
		visit(e)
		walk(e.Err, visit)
		return
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		walk(u.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			walk(e, visit)
		}
	}
}
