package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/dnsupdate"
	"github.com/libdns/libdns"
)

var dnsupdateRow = row{
	name: "dnsupdate", title: "Any server with DNS UPDATE (RFC 2136)", version: "v0.0.0-20260121201600-04be14686a54",
	quirks: providers.Quirks{Batch: 100},
	read: cites{
		Values: "several: provider.go:67@v0.0.0-20260121201600-04be14686a54 inserts each",
		Append: "adds: provider.go:67@v0.0.0-20260121201600-04be14686a54",
		Delete: "by exact value: provider.go:137@v0.0.0-20260121201600-04be14686a54",
		ID:     "records have none: provider.go:166@v0.0.0-20260121201600-04be14686a54",
		TTL:    "sent as given: provider.go:169@v0.0.0-20260121201600-04be14686a54",
		Batch:  "one UPDATE for all: provider.go:69@v0.0.0-20260121201600-04be14686a54 and :139",
		Pace:   "none needed: a server of one's own",
		Zone:   "single records: provider.go:66@v0.0.0-20260121201600-04be14686a54; SetRecords removes all that it is not given from the zone, :100, and is not used",
	},
	proof:   scripted,
	special: "The type rfc2136 does the same, with several servers, and is the better choice; this one is for configurations that have it. The provider reads by a transfer of which it takes the first message only (provider.go:50), so certform asks DNS whether values are gone.",
	docs: map[string]string{
		"addr": "The server, host:port; it is asked by TCP.",
		"tsig": "The key, as algorithm:name:secret.",
	},
	secrets:  []string{"tsig"},
	required: []string{"addr"},
	open:     func() providers.Provider { return new(dnsupdateUnread) },
}

// dnsupdateUnread does not read by zone transfers.
type dnsupdateUnread struct{ dnsupdate.Provider }

// GetRecords always fails.
func (*dnsupdateUnread) GetRecords(context.Context, string) ([]libdns.Record, error) {
	return nil, errUnread
}
