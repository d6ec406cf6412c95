package catalogue

import (
	"context"
	"strings"

	"github.com/certform/certform/providers"
	"github.com/libdns/dynv6"
	"github.com/libdns/libdns"
)

var dynv6Row = row{
	name: "dynv6", title: "dynv6", version: "v1.1.1",
	quirks: providers.Quirks{PerSecond: 1, Burst: 5},
	read: cites{
		Values: "several: client.go:224@v1.1.1 posts one record a call",
		Append: "adds: provider.go:87@v1.1.1; a libdns.TXT is refused, provider.go:55, so it is sent as a libdns.RR here",
		Delete: "by exact value, the first that matches: client.go:172@v1.1.1; a record that is not there is an error, provider.go:148",
		ID:     "found by listing the zone: provider.go:140@v1.1.1",
		TTL:    "upstream sends it in nanoseconds, provider.go:24@v1.1.1; here none is sent",
		Batch:  "one call a record: provider.go:82@v1.1.1",
		Pace:   "nothing said; 1/s after 5 is assumed",
		Zone:   "single records: client.go:223@v1.1.1",
	},
	proof:   scripted,
	special: "No TTL is sent: the host chooses it.",
	docs: map[string]string{
		"token": "An HTTP token of the account, from dynv6.com/keys.",
	},
	secrets:  []string{"token"},
	required: []string{"token"},
	open:     func() providers.Provider { return new(dynv6Untyped) },
}

// dynv6Untyped gives records in the only type that the provider takes, without
// a TTL, and the zone itself without a name.
type dynv6Untyped struct{ dynv6.Provider }

func untyped(recs []libdns.Record) []libdns.Record {
	out := make([]libdns.Record, len(recs))
	for i, r := range recs {
		rr := r.RR()
		out[i] = libdns.RR{Name: strings.TrimPrefix(rr.Name, "@"), Type: rr.Type, Data: rr.Data}
	}
	return out
}

func (p *dynv6Untyped) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.Provider.AppendRecords(ctx, zone, untyped(recs))
}

func (p *dynv6Untyped) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.Provider.DeleteRecords(ctx, zone, untyped(recs))
}
