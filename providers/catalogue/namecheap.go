package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/namecheap"
)

var namecheapRow = row{
	name: "namecheap", title: "Namecheap", version: "v1.0.0",
	quirks: providers.Quirks{WholeZone: true, NeedsID: true, Batch: 50, MinTTL: time.Minute, PerSecond: 0.3},
	read: cites{
		Values: "several: internal/namecheap/namecheap.go:116@v1.0.0 tells records apart by their value",
		Append: "reads all hosts and writes all back with the new ones: provider.go:316 and 337@v1.0.0",
		Delete: "by exact value and TTL, so a record is given back as it was read: internal/namecheap/namecheap.go:104@v1.0.0; without the TTL nothing is removed and there is no error, provider.go:426@v1.0.0",
		ID:     "not needed, but the TTL: internal/namecheap/namecheap.go:105@v1.0.0",
		TTL:    "60 s to 60000 s: internal/namecheap/namecheap.go:70@v1.0.0",
		Batch:  "all changes in one call: provider.go:329 and 426@v1.0.0; 50 is ours",
		Pace:   "50 a minute, 700 an hour for a key: www.namecheap.com/support/knowledgebase/article.aspx/9739; two or three requests each",
		Zone:   "the whole zone is rewritten: internal/namecheap/namecheap.go:330@v1.0.0",
	},
	proof: scripted,
	special: "Every change writes the whole zone back, so what somebody else changes at the same moment is lost, and the mail settings of the domain are not sent with it: MX records can stop working. " +
		"Delegate the challenges by a CNAME to another host where you can. " +
		"The address that asks must be on the list of allowed ones; without client_ip it is asked of icanhazip.com.",
	docs: map[string]string{
		"api_key":      "The key of the API, from the profile's tools.",
		"user":         "The user of the API, often the user name of the account.",
		"api_endpoint": "The URL of the API, such as that of the sandbox.",
		"client_ip":    "The IPv4 address from which the API is asked.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "user"},
	open:     func() providers.Provider { return new(namecheap.Provider) },
}
