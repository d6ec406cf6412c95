package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/bunny"
)

var bunnyRow = row{
	name: "bunny", title: "bunny.net", version: "v1.6.1",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: each value is a record of its own, client.go:239@v1.6.1",
		Append: "adds: one PUT a record, client.go:238@v1.6.1",
		Delete: "by exact value: client.go:584@v1.6.1; of several equal ones the first, :319",
		ID:     "not needed: the zone is read for it, client.go:303@v1.6.1",
		TTL:    "sent as given: client.go:452@v1.6.1",
		Batch:  "one call a record: provider.go:45@v1.6.1; a removal is two, client.go:303 and :318",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:239@v1.6.1",
	},
	proof:   scripted,
	special: "Only the first page of zones is listed (client.go:72), so zones of a large account are best declared. A record of a type that the provider does not know (client.go:399) makes the whole zone unreadable.",
	docs: map[string]string{
		"access_key": "The access key of the account.",
	},
	secrets:  []string{"access_key"},
	required: []string{"access_key"},
	omit:     []string{"debug"},
	open:     func() providers.Provider { return new(bunny.Provider) },
}
