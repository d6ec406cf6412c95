package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/domainnameshop"
)

var domainnameshopRow = row{
	name: "domainnameshop", title: "Domeneshop", version: "v0.2.2",
	quirks: providers.Quirks{MinTTL: time.Minute, PerSecond: 5},
	read: cites{
		Values: "several: each value is a record of its own, client.go:174@v0.2.2",
		Append: "adds: provider.go:56@v0.2.2",
		Delete: "by exact name and value, of whatever type: client.go:241@v0.2.2",
		ID:     "not needed: records are found in the last list of the zone, and it is read anew if they are not, client.go:108@v0.2.2",
		TTL:    "a multiple of 60 s: client.go:19@v0.2.2",
		Batch:  "one call a record: provider.go:50@v0.2.2",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:173@v0.2.2",
	},
	proof:   scripted,
	special: "The provider writes every record of a zone that it reads to the standard logger (provider.go:41).",
	docs: map[string]string{
		"api_token":  "A token of the API.",
		"api_secret": "The secret that belongs to the token.",
	},
	secrets:  []string{"api_token", "api_secret"},
	required: []string{"api_token", "api_secret"},
	open:     func() providers.Provider { return new(domainnameshop.Provider) },
}
