package acmetest

import (
	"crypto/rand"
	"encoding/base64"
	mathrand "math/rand"
	"sync"
)

// maxNonces is how many unused nonces are remembered; the oldest is forgotten first, as CAs do by time.
const maxNonces = 1 << 16

// nonces hands out nonces that are good once (RFC 8555 section 6.5).
type nonces struct {
	mu   sync.Mutex
	good map[string]bool
	ring []string
	next int
}

func (n *nonces) issue() string {
	var b [16]byte
	rand.Read(b[:])
	s := base64.RawURLEncoding.EncodeToString(b[:])
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.good == nil {
		n.good = map[string]bool{}
	}
	if len(n.ring) < maxNonces {
		n.ring = append(n.ring, s)
	} else {
		delete(n.good, n.ring[n.next])
		n.ring[n.next] = s
		n.next = (n.next + 1) % maxNonces
	}
	n.good[s] = true
	return s
}

func (n *nonces) use(s string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	ok := n.good[s]
	delete(n.good, s)
	return ok
}

// chance is seeded randomness for many goroutines.
type chance struct {
	mu sync.Mutex
	r  *mathrand.Rand
}

func (c *chance) below(share float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Float64() < share
}

func (c *chance) pick(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Intn(n)
}
