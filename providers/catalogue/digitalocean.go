package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/digitalocean"
)

var digitaloceanRow = row{
	name: "digitalocean", title: "DigitalOcean", version: "v0.0.0-20250606071607-dfa7af5c2e31",
	quirks: providers.Quirks{NeedsID: true, MinTTL: time.Minute, PerSecond: 4},
	read: cites{
		Values: "several: each value is a record of its own, client.go:69@v0.0.0-20250606071607-dfa7af5c2e31",
		Append: "adds: client.go:69@v0.0.0-20250606071607-dfa7af5c2e31",
		Delete: "by the record's id: client.go:89@v0.0.0-20250606071607-dfa7af5c2e31",
		ID:     "needed: model.go:55@v0.0.0-20250606071607-dfa7af5c2e31 takes it only from a record that the provider returned; without one the removal is an error",
		TTL:    "sent as given: model.go:50@v0.0.0-20250606071607-dfa7af5c2e31",
		Batch:  "one call a record: provider.go:36@v0.0.0-20250606071607-dfa7af5c2e31; the zone is listed 20 records a page, client.go:31",
		Pace:   "250 a minute and 5000 an hour by the host's page on rate limits, so 4/s",
		Zone:   "single records: client.go:69@v0.0.0-20250606071607-dfa7af5c2e31",
	},
	proof:    read,
	unproven: "the host's own Go module makes an HTTP transport of its own, which no test can lead elsewhere",
	special:  "Removals list the zone first, for the ids of the records.",
	docs: map[string]string{
		"auth_token": "A personal access token with the right to read and write domains.",
	},
	secrets:  []string{"auth_token"},
	required: []string{"auth_token"},
	open:     func() providers.Provider { return new(digitalocean.Provider) },
}
