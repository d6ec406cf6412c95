package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/desec"
)

var desecRow = row{
	name: "desec", title: "deSEC", version: "v1.1.1",
	quirks: providers.Quirks{Batch: 20, MinTTL: time.Hour, PerSecond: 2, Burst: 1},
	read: cites{
		Values: "several: provider.go:316@v1.1.1, a set holds a list of records",
		Append: "adds: provider.go:143@v1.1.1 reads each set and :173 appends to it",
		Delete: "by exact value: provider.go:278@v1.1.1",
		ID:     "not needed: sets are found by name and type, provider.go:264@v1.1.1",
		TTL:    "at least 3600 s, raised in silence: provider.go:373@v1.1.1",
		Batch:  "one bulk PUT for all sets, provider.go:194@v1.1.1, after one GET a set; 20 a call keep those GETs short",
		Pace:   "2/s for writes of sets by the host's page on rate limits; 429 is waited for inside the provider, provider.go:499@v1.1.1",
		Zone:   "single sets; what somebody else writes to the same set between its GET and the PUT is lost, provider.go:17@v1.1.1",
	},
	proof:   scripted,
	special: "The least TTL is an hour. Zones with more than 500 sets of records cannot be listed, so their zones are best declared and values that are removed are then not read again.",
	docs: map[string]string{
		"token": "A token of the API; it needs no right to manage tokens.",
	},
	secrets:  []string{"token"},
	required: []string{"token"},
	open:     func() providers.Provider { return new(desec.Provider) },
}
