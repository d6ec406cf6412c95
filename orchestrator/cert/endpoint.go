package cert

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Endpoint is an address that must serve a certificate: the proof of a place.
// It is pure data; verify looks at it.
type Endpoint struct {
	// Address is a host name or an IP address: what is resolved and dialled.
	Address string
	Port    int
	// ServerName is sent as SNI and must be covered by what comes back.
	ServerName string
	// StartTLS is "", or the protocol in which TLS is asked for (smtp, imap,
	// pop3, ldap, postgres).
	StartTLS string
	// Family is the key family that is asked for, "rsa" or "ecdsa", so that an
	// endpoint with one certificate of each answers with the one that is meant.
	Family string
	// Within is how long after the last Put the endpoint may take to serve.
	Within time.Duration
}

// ID names e in records, events and plans: address:port/server_name, and the
// key family where that tells two apart.
func (e Endpoint) ID() string {
	host := e.Address
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	var b strings.Builder
	b.WriteString(host)
	b.WriteByte(':')
	b.WriteString(strconv.Itoa(e.Port))
	if e.ServerName != e.Address {
		b.WriteByte('/')
		b.WriteString(e.ServerName)
	}
	if e.Family == "rsa" {
		b.WriteString(" (rsa)")
	}
	return b.String()
}
