package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/namesilo"
)

var namesiloRow = row{
	name: "namesilo", title: "NameSilo", version: "v1.0.0",
	quirks: providers.Quirks{MinTTL: time.Hour, PerSecond: 1, Wait: 45 * time.Minute},
	read: cites{
		Values: "several: client.go:50@v1.0.0 adds one record a call",
		Append: "adds, without a look at what is there: provider.go:47@v1.0.0",
		Delete: "by exact value, found in the listing: provider.go:96 and 128@v1.0.0; what is not there is an error, provider.go:102@v1.0.0",
		ID:     "not needed: provider.go:115@v1.0.0 finds it again",
		TTL:    "3600 s, and changes are published every 15 minutes: go-acme.github.io/lego/dns/namesilo (the code has no bound)",
		Batch:  "one call a record, and a listing before each removal: provider.go:41 and 94@v1.0.0",
		Pace:   "nothing said; 1/s is assumed, one or two requests each",
		Zone:   "single records: client.go:35 and 50@v1.0.0",
	},
	proof: scripted,
	leaks: true,
	special: "NameSilo publishes changes every 15 minutes, so a certificate takes that long; propagation is waited for up to 45 minutes. " +
		"The key stands in the URL of every request; it is taken out of errors.",
	docs: map[string]string{
		"api_token": "The API key of the account, from its API manager.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(namesilo.Provider) },
}
