package dnstest

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// txtRR makes a TXT record of raw bytes, cut into strings of 255.
func txtRR(name string, ttl uint32, value string) *dns.TXT {
	t := &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: ttl}}
	for len(value) > 255 {
		t.Txt = append(t.Txt, escape(value[:255]))
		value = value[255:]
	}
	t.Txt = append(t.Txt, escape(value))
	return t
}

// txtValue returns the raw bytes of a TXT record's strings, joined.
func txtValue(t *dns.TXT) string {
	var b strings.Builder
	for _, s := range t.Txt {
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]):
				b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
				i += 3
			case s[i] == '\\' && i+1 < len(s):
				i++
				b.WriteByte(s[i])
			default:
				b.WriteByte(s[i])
			}
		}
	}
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// escape writes raw bytes as the dns module keeps them: backslash and quote escaped, unprintable ones by number.
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
