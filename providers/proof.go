package providers

// Level is how far a provider was tried, from least to most.
type Level int

// The levels. A fake that is stricter than scripted refuses what the host
// refuses, and the vendor's own module makes or understands its answers.
const (
	Compiled Level = iota // it builds; nothing was read
	Read                  // its code was read and cited
	Scripted              // a fake of its API in a test
	Stricter              // a fake typed or understood by the vendor's own module
	Emulator              // somebody else's emulator
	Real                  // the real server
)

func (l Level) String() string {
	return [...]string{"compiled", "read", "scripted fake", "stricter fake", "third-party emulator", "real server"}[l]
}

// Proof is one thing at which a provider was tried by a test of ours.
type Proof struct {
	Level Level
	// By is the module of a stricter fake, and the names of servers and
	// emulators, as package rig starts them; "" for the others.
	By []string
}

// Cite is where one property of a host was learnt.
type Cite struct{ What, Where string }
