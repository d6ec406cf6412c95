package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports are drawn from below the ranges that systems use for outgoing
// connections: one of those could otherwise take a port between the moment it
// was found free and the moment the server listens on it.
const (
	lowPort  = 20000
	highPort = 32000
)

var ports struct {
	sync.Mutex
	given map[int]bool
}

// Port finds a port of 127.0.0.1 that is free for UDP and TCP and gives it out
// once in this process. For servers that tests start themselves; those of this
// package take theirs by it too.
func Port(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		port := lowPort + rand.IntN(highPort-lowPort)
		if ports.given[port] || !free(port) {
			continue
		}
		ports.given[port] = true
		return port
	}
	t.Fatalf("no free port between %d and %d", lowPort, highPort)
	return 0
}

// Addr is Port as an address of 127.0.0.1.
func Addr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", Port(t))
}

// portOf is the port of an address that Addr made.
func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func free(port int) bool {
	tcp, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	udp.Close()
	return true
}
