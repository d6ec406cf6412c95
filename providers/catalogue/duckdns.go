package catalogue

import (
	"context"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/duckdns"
	"github.com/libdns/libdns"
)

var duckdnsRow = row{
	name: "duckdns", title: "Duck DNS", version: "v0.3.0",
	quirks: providers.Quirks{OneValue: true, PerSecond: 1, Burst: 1, Wait: 5 * time.Minute},
	read: cites{
		Values: "one for a domain and all names below it: client.go:174@v0.3.0 and :137",
		Append: "replaces: provider.go:45@v0.3.0 sets the one value, as SetRecords does, :75",
		Delete: "whatever value is there: client.go:105@v0.3.0, clear=true",
		ID:     "not needed: client.go:137@v0.3.0 names the domain alone",
		TTL:    "not sent: client.go:93@v0.3.0",
		Batch:  "one call a value: provider.go:44@v0.3.0",
		Pace:   "nothing said; 1/s is assumed",
		Zone:   "single values: client.go:149@v0.3.0",
	},
	proof:   scripted,
	leaks:   true,
	special: "A domain holds one TXT value for itself and all names below it, so a wildcard and its base name are proven one after the other, and certificates of other names below it should be ordered by applies of their own. What somebody else put there is replaced. The token stands in the URL of every call (client.go:138) and in the provider's own errors (client.go:168), where certform hides it. The zone is declared, as in zones = [\"example.duckdns.org\"].",
	docs: map[string]string{
		"api_token":       "The token of the account, 36 characters.",
		"override_domain": "The domain at Duck DNS, if names lead there by a CNAME.",
		"resolver":        "Not used: DNS is asked by certform itself.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(duckdnsUnread) },
}

// duckdnsUnread does not ask a public resolver for what is there: an old answer,
// or an error where there is no address (client.go:43@v0.3.0).
type duckdnsUnread struct{ duckdns.Provider }

// GetRecords always fails.
func (*duckdnsUnread) GetRecords(context.Context, string) ([]libdns.Record, error) {
	return nil, errUnread
}
