package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/simplydotcom"
)

var simplydotcomRow = row{
	name: "simplydotcom", title: "Simply.com", version: "v1.0.0",
	quirks: providers.Quirks{PerSecond: 2},
	read: cites{
		Values: "several: client.go:50@v1.0.0 creates one record a call",
		Append: "adds, then reads the zone: provider.go:87 and 96@v1.0.0",
		Delete: "by exact value; the TTL counts if one is given: provider.go:228 and 242@v1.0.0; nothing to remove is no error",
		ID:     "not needed: provider.go:181@v1.0.0 finds it again",
		TTL:    "nothing said: models.go:69@v1.0.0",
		Batch:  "one call a record: provider.go:86@v1.0.0; the zone is read once a batch",
		Pace:   "429 with x-ratelimit-retry-after, obeyed three times by upstream itself: client.go:186@v1.0.0; no figure is given, 2/s is assumed",
		Zone:   "single records: client.go:50 and 98@v1.0.0",
	},
	proof:   scripted,
	special: "An MX or SRV record without a priority in the zone ends upstream's reading of it (models.go:85@v1.0.0).",
	docs: map[string]string{
		"account_name": "The account's number (S123456).",
		"api_key":      "The API key, from the account's settings.",
		"base_url":     "The URL of the API, default https://api.simply.com/2/.",
		"max_retries":  "How often upstream itself repeats a call that was refused for its pace, default 3.",
	},
	secrets:  []string{"api_key"},
	required: []string{"account_name", "api_key"},
	example:  map[string]string{"account_name": `"S123456"`},
	open:     func() providers.Provider { return new(simplydotcom.Provider) },
}
