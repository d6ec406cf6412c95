package state

import (
	"fmt"
	"strings"
)

// Prefixes of the store's keys.
const (
	MetaKey      = "meta/state"
	Certificates = "certificates/"
	Keys         = "keys/"
	Bundles      = "bundles/"
	Accounts     = "accounts/"
	Runners      = "runners/"
	Zones        = "zones/"
	Limits       = "limits/"
	Plans        = "plans/"
	Locks        = "locks/"
)

// Key makes a store key of prefix and segments, escaping every octet that a
// segment may not hold as ~XX, so that different texts give different keys on
// every engine, also on those that fold percent-encoding. An empty segment is
// written "~", and the dots of "." and ".." are escaped.
func Key(prefix string, segments ...string) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(prefix, "/"))
	for _, s := range segments {
		b.WriteByte('/')
		if s == "" {
			b.WriteByte('~')
		}
		dots := s == "." || s == ".."
		for i := 0; i < len(s); i++ {
			c := s[i]
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.' && !dots, c == '_', c == '-':
				b.WriteByte(c)
			default:
				const hex = "0123456789ABCDEF"
				b.WriteByte('~')
				b.WriteByte(hex[c>>4])
				b.WriteByte(hex[c&15])
			}
		}
	}
	return b.String()
}

// CheckKey refuses what is no key of a store: it must be one or more segments
// of [A-Za-z0-9._~-], none of them empty, between slashes. Every Put checks
// it, so that a key that works on one engine works on all.
func CheckKey(key string) error {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" {
			return fmt.Errorf("%q is no key of the state: a segment is empty", key)
		}
		for i := 0; i < len(segment); i++ {
			switch c := segment[i]; {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '~', c == '-':
			default:
				return fmt.Errorf("%q is no key of the state: it holds %q", key, c)
			}
		}
	}
	return nil
}
