package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/dynu"
)

var dynuRow = row{
	name: "dynu", title: "Dynu", version: "v1.0.0",
	quirks: providers.Quirks{NeedsID: true, PerSecond: 1, Burst: 5},
	read: cites{
		Values: "several: client.go:103@v1.0.0 posts one record a call",
		Append: "adds: provider.go:217@v1.0.0",
		Delete: "by its id, provider.go:334@v1.0.0; without one every value of the name goes, since what is compared is never filled in: client.go:83 and provider.go:240",
		ID:     "needed; it comes with what the provider lists: provider.go:150@v1.0.0",
		TTL:    "sent as given: provider.go:243@v1.0.0",
		Batch:  "one call a record: provider.go:190@v1.0.0",
		Pace:   "nothing said; 1/s after 5 is assumed, two requests each: provider.go:185@v1.0.0",
		Zone:   "single records: provider.go:217@v1.0.0",
	},
	proof: scripted,
	special: "Everything is written to own_domain, whatever the zone is called, so each domain needs a dns block of its own. " +
		"A connection that the host closes without an answer is tried again for a quarter of an hour, without a look at the deadline (client.go:159); certform gives up before that.",
	docs: map[string]string{
		"api_token":  "The API key of the account, from its API credentials.",
		"own_domain": "The domain at Dynu that the records belong to, as in example.com.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token", "own_domain"},
	example:  map[string]string{"own_domain": `"example.com"`},
	open:     func() providers.Provider { return new(dynu.Provider) },
}
