package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/acmedns"
	"github.com/libdns/libdns"
)

var acmednsRow = row{
	name: "acmedns", title: "acme-dns", version: "v0.5.0",
	quirks: providers.Quirks{Rolls: true, PerSecond: 5},
	read: cites{
		Values: "two, the newest ones, for all names of an account: provider.go:134@v0.5.0",
		Append: "adds, and the oldest of three goes: provider.go:135@v0.5.0 and :171",
		Delete: "never: provider.go:173@v0.5.0 does nothing",
		ID:     "values have none: provider.go:108@v0.5.0 sends the value alone",
		TTL:    "not sent: provider.go:145@v0.5.0",
		Batch:  "one call a value: provider.go:149@v0.5.0; it does not look at its context, :117",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single values: provider.go:117@v0.5.0",
	},
	proof:   scripted,
	special: "An account holds the two newest values and lets none be removed, so they stay until later ones take their place, and certform does not wait for them to go. Names that share one account must not be validated at the same time; a block is one account, which its zones should name: zones = [\"SUBDOMAIN.auth.example.org\"].",
	docs: map[string]string{
		"username":   "The user name of the account, as /register returned it.",
		"password":   "Its password.",
		"subdomain":  "The subdomain of the account, as /register returned it.",
		"server_url": "Where the API is, as in https://auth.example.org.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password", "subdomain", "server_url"},
	omit:     []string{"config"},
	open:     func() providers.Provider { return new(acmednsUnread) },
}

// acmednsUnread is not asked for what cannot be read.
type acmednsUnread struct{ acmedns.Provider }

// GetRecords always fails.
func (*acmednsUnread) GetRecords(context.Context, string) ([]libdns.Record, error) {
	return nil, errUnread
}
