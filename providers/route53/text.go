package route53

import (
	"fmt"
	"strings"
)

// quoted is a TXT value as Route 53 wants it: strings of 255 octets in quotes,
// special ones escaped in octal (Developer Guide, "TXT record type").
func quoted(text string) string {
	var parts []string
	for len(text) > 255 {
		parts = append(parts, quote(text[:255]))
		text = text[255:]
	}
	return strings.Join(append(parts, quote(text)), " ")
}

func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquoted is the value of what Route 53 returns.
func unquoted(content string) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case c == '"':
			in = !in
		case !in:
		case c == '\\' && i+3 < len(content) && octal(content[i+1:i+4]):
			b.WriteByte((content[i+1]-'0')<<6 | (content[i+2]-'0')<<3 | content[i+3] - '0')
			i += 3
		case c == '\\' && i+1 < len(content):
			i++
			b.WriteByte(content[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func octal(s string) bool { return strings.Trim(s, "01234567") == "" && s[0] <= '3' }

// order is how Route 53 sorts names: by their labels from the root.
func order(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "."
}

// plainName undoes the octal escapes in names that Route 53 returns
// (\052 is "*").
func plainName(s string) string {
	if !strings.Contains(s, `\`) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | s[i+3] - '0')
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return strings.ToLower(b.String())
}
