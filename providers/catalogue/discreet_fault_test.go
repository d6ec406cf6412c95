package catalogue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certform/certform/orchestrator/world"
)

// What an error says of trying again, and its advice, outlive the masking.
func TestQuietKeepsFaults(t *testing.T) {
	m := &masked{mask: world.Mask([]string{"canary-token"}, nil)}
	when := time.Now().Add(time.Hour)
	err := m.quiet(fmt.Errorf("GET /?key=canary-token: %w", world.Hint(world.At(errors.New("too many"), when), "ask for more than canary-token")))
	at, again := world.RetryAt(err)
	if !at.Equal(when) || !again {
		t.Errorf("try again at %s (%v), want %s", at, again, when)
	}
	text := fmt.Sprint(err, world.Advice(err))
	if strings.Contains(text, "canary") || !strings.Contains(text, "ask for more than (secret)") {
		t.Errorf("%s", text)
	}
	if _, again := world.RetryAt(m.quiet(world.Never(errors.New("no")))); again {
		t.Error("what is never to be tried again may be")
	}
}
