package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/infomaniak"
)

var infomaniakRow = row{
	name: "infomaniak", title: "Infomaniak", version: "v0.2.0",
	quirks: providers.Quirks{PerSecond: 0.5, Burst: 10},
	read: cites{
		Values: "several: client.go:43@v0.2.0 posts one record a call",
		Append: "adds: provider.go:74@v0.2.0",
		Delete: "by exact value, all that match: provider.go:231@v0.2.0; a TTL of 0 matches any, :233",
		ID:     "found by listing the zone: provider.go:200@v0.2.0",
		TTL:    "at least 60 s; a smaller one becomes 300 s: mappers.go:163@v0.2.0",
		Batch:  "one call a record: provider.go:73@v0.2.0",
		Pace:   "nothing said; one request a second is assumed, and each call makes two or three: provider.go:252@v0.2.0",
		Zone:   "single records: client.go:36@v0.2.0",
	},
	proof:   scripted,
	special: "The calls of one dns block go one after the other, all zones of it: the provider holds one lock across them (provider.go:69).",
	docs: map[string]string{
		"api_token": "An API token with the scope domain.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(infomaniak.Provider) },
}
