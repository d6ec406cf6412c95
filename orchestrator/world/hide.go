package world

import (
	"os"
	"regexp"
	"strings"
	"sync"
)

// told is the secrets that were resolved here, to be recognised in what others
// say.
type told struct {
	mu     sync.Mutex
	values map[string]struct{}
}

func (t *told) remember(value string) {
	if len(value) < 4 {
		return // it would be found in every other word
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.values == nil {
		t.values = map[string]struct{}{}
	}
	t.values[value] = struct{}{}
}

// secretive are the names of environment variables whose values are nobody's
// business.
var secretive = regexp.MustCompile(`(?i)token|secret|passw|(^|_)key|credential|_pat$`)

// A key in a text, also one that was cut; and, for a key without its first line,
// any line that is nothing but base64, which tells nobody anything.
var (
	privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	encoded    = regexp.MustCompile(`(?m)^[ \t]*[A-Za-z0-9+/]{40,}={0,2}[ \t\r]*$`)
)

// Hide returns what a program of the user's said without the secrets that it may
// have found in its environment, in its files or in what it was given: those that
// were resolved here, the values of environment variables that are named like
// secrets, and private keys. It is called before anything is shown or kept.
func (w *World) Hide(text string) string {
	text = privateKey.ReplaceAllString(text, "(private key)")
	text = encoded.ReplaceAllString(text, "(base64)")
	var secrets []string
	w.told.mu.Lock()
	for v := range w.told.values {
		secrets = append(secrets, v)
	}
	w.told.mu.Unlock()
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); len(value) >= 8 && secretive.MatchString(name) && !strings.HasPrefix(value, "/") {
			secrets = append(secrets, value)
		}
	}
	return Mask(secrets, nil).Replace(text)
}
