package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/njalla"
)

var njallaRow = row{
	name: "njalla", title: "Njalla", version: "v0.0.0-20250815081032-a55a87a8f20f",
	quirks: providers.Quirks{NeedsID: true, MinTTL: time.Minute, PerSecond: 5},
	read: cites{
		Values: "several: provider.go:127@a55a87a8f20f adds one record a call",
		Append: "adds: provider.go:106@a55a87a8f20f",
		Delete: "by id; without one it takes whichever record of that name and type comes first, whatever its value: provider.go:399 and 420@a55a87a8f20f",
		ID:     "needed to delete the right value: provider.go:394@a55a87a8f20f; it is read again each time",
		TTL:    "none in the code; 60 s is assumed",
		Batch:  "one call a record: provider.go:432@a55a87a8f20f",
		Pace:   "nothing said; 5/s is assumed; upstream itself tries 429 and 5xx three times more, client.go:33 and 81@a55a87a8f20f",
		Zone:   "single records: provider.go:127 and 447@a55a87a8f20f",
	},
	proof:   scripted,
	special: "A removal reads the zone first, since a record can only be told from its siblings by its id.",
	docs: map[string]string{
		"api_token": "A token of the API, from the settings of the account.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(njalla.Provider) },
}
