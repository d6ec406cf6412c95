package providers

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Names inside this package are canonical: lower case, fully qualified, with a
// trailing dot. libdns.RelativeName trims a suffix without looking for the dot
// before it (notexample.com in example.com becomes "not"), so label arithmetic
// is done here.

// Relative is name as libdns wants it: without its zone, "@" for the zone
// itself. ok is false if name does not lie in zone.
func Relative(name, zone string) (rel string, ok bool) {
	name, zone = dns.CanonicalName(name), dns.CanonicalName(zone)
	switch {
	case name == zone:
		return "@", true
	case zone == ".":
		return strings.TrimSuffix(name, "."), true
	case dns.IsSubDomain(zone, name):
		return strings.TrimSuffix(name, "."+zone), true
	}
	return "", false
}

// Absolute is the canonical full name of a name relative to zone.
func Absolute(rel, zone string) string {
	zone = dns.CanonicalName(zone)
	switch {
	case rel == "" || rel == "@":
		return zone
	case strings.HasSuffix(rel, "."):
		return dns.CanonicalName(rel)
	case zone == ".":
		return dns.CanonicalName(rel)
	}
	return dns.CanonicalName(rel + "." + zone)
}

// suffixes yields name and every name above it but the root, longest first.
func suffixes(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, end := 0, false; !end; i, end = dns.NextLabel(name, i) {
			if name[i:] == "." || !yield(name[i:]) {
				return
			}
		}
	}
}

// below reports whether name lies strictly below zone.
func below(name, zone string) bool { return name != zone && dns.IsSubDomain(zone, name) }

// bare is a name for people: without the trailing dot.
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// lifetime is the TTL of the values that we write.
const lifetime = time.Minute

// record is a value as a provider gets it.
func (b *broker) record(k key) libdns.RR {
	rel, _ := Relative(k.name, b.zone)
	return libdns.RR{Name: rel, Type: "TXT", Data: k.text, TTL: max(lifetime, b.quirks.MinTTL)}
}

// Text is the value of a TXT record: its strings joined, unescaped.
func Text(t *dns.TXT) string {
	var b strings.Builder
	for _, s := range t.Txt {
		for i := 0; i < len(s); i++ {
			if s[i] != '\\' || i+1 == len(s) {
				b.WriteByte(s[i])
				continue
			}
			if i+3 < len(s) && digits(s[i+1:i+4]) {
				n, _ := strconv.Atoi(s[i+1 : i+4])
				b.WriteByte(byte(n))
				i += 3
				continue
			}
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// TXT is the record of a value: cut into strings of 255 octets and escaped as
// the dns module keeps them.
func TXT(name string, ttl time.Duration, text string) *dns.TXT {
	t := &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(ttl / time.Second)}}
	for len(text) > 255 {
		t.Txt = append(t.Txt, escape(text[:255]))
		text = text[255:]
	}
	t.Txt = append(t.Txt, escape(text))
	return t
}

func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "\\%03d", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
