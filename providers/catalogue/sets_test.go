package catalogue

import (
	"strings"
	"testing"
)

func TestQuoted(t *testing.T) {
	for _, v := range []string{"", "abc", `with "quotes" and \ and ; and blanks`, strings.Repeat("0123456789", 60), first} {
		if got := unquoted(quoted(v)); got != v {
			t.Errorf("%q comes back as %q", v, got)
		}
	}
}
