package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/metaname"
)

var metanameRow = row{
	name: "metaname", title: "Metaname", version: "v0.4.1",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client.go:59@v0.4.1 creates one record a call",
		Append: "adds, without a look at what is there: provider.go:124@v0.4.1",
		Delete: "by exact value, any TTL: provider.go:276@v0.4.1; nothing to remove is no error",
		ID:     "not needed: provider.go:277@v0.4.1 takes the reference from the listing",
		TTL:    "none in the code: provider.go:121@v0.4.1",
		Batch:  "one call a record: provider.go:83@v0.4.1",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:67 and 121@v0.4.1",
	},
	proof:   scripted,
	special: "When the API cannot be reached, upstream says so without a cause; it does not look at the HTTP status, so a refusal for the pace reads as an answer that is no JSON.",
	docs: map[string]string{
		"api_key":           "The key of the API.",
		"account_reference": "The reference of the account, four characters.",
		"endpoint":          "The URL of the API, such as that of the test system.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "account_reference"},
	open:     func() providers.Provider { return new(metaname.Provider) },
}
