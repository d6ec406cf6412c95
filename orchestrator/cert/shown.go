package cert

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Another says in words which certificate is seen in the place of the one that
// is meant. Only that it is another one counts, not what else is wrong with it.
func Another(leaf Fingerprint, names []string, issuer string, notAfter time.Time) string {
	const most = 3
	which := strings.Join(names[:min(most, len(names))], ", ")
	if left := len(names) - most; left > 0 {
		which += fmt.Sprintf(" and %d more", left)
	}
	return fmt.Sprintf("another certificate (sha256 %s, for %s, by %s, until %s)",
		leaf.Short(), cmp.Or(which, "no DNS name"), cmp.Or(issuer, "nobody"), notAfter.UTC().Format("2006-01-02"))
}
