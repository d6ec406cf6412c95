package catalogue

import (
	"strings"
	"time"

	"github.com/libdns/libdns"
)

// set is the TXT values of one name, for hosts that handle whole sets.
type set struct {
	name   string // relative to the zone
	ttl    time.Duration
	values []string
}

// setsOf sorts records by name. The TTL of a set is its largest, since a host
// may refuse a smaller one than it gave.
func setsOf(recs []libdns.Record) (out []set) {
	at := map[string]int{}
	for _, r := range recs {
		rr := r.RR()
		i, ok := at[rr.Name]
		if !ok {
			i = len(out)
			at[rr.Name] = i
			out = append(out, set{name: rr.Name})
		}
		out[i].values = append(out[i].values, rr.Data)
		out[i].ttl = max(out[i].ttl, rr.TTL)
	}
	return out
}

// quoted is a TXT value as zone files have it: strings of at most 255 octets,
// each in quotes.
func quoted(text string) string {
	var parts []string
	for first := true; first || text != ""; first = false {
		n := min(255, len(text))
		parts = append(parts, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text[:n])+`"`)
		text = text[n:]
	}
	return strings.Join(parts, " ")
}
