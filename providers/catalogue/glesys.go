package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/glesys"
)

var glesysRow = row{
	name: "glesys", title: "GleSYS", version: "v1.0.0",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: provider.go:164@v1.0.0 adds one record a call",
		Append: "adds: provider.go:164@v1.0.0",
		Delete: "by exact value, all that match: provider.go:369@v1.0.0 and utils.go:69; a TTL of 0 matches any, utils.go:70",
		ID:     "found by listing the zone: provider.go:363@v1.0.0",
		TTL:    "sent as given: provider.go:157@v1.0.0",
		Batch:  "one call a record: provider.go:151@v1.0.0",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: provider.go:164@v1.0.0",
	},
	proof: scripted,
	special: "The calls of one dns block go one after the other, all zones of it: the provider holds one lock across them (provider.go:144). " +
		"With LIBDNS_GLESYS_DEBUG in the environment it logs the values.",
	docs: map[string]string{
		"project": "The project's key, as in CL12345; the user name of the API.",
		"api_key": "An API key with rights for the domain functions.",
	},
	secrets:  []string{"api_key"},
	required: []string{"project", "api_key"},
	example:  map[string]string{"project": `"CL12345"`},
	open:     func() providers.Provider { return new(glesys.Provider) },
}
