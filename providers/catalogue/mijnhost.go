package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/mijnhost"
)

var mijnhostRow = row{
	name: "mijnhost", title: "mijn.host", version: "v1.2.1",
	quirks: providers.Quirks{WholeZone: true, Batch: 50, PerSecond: 1},
	read: cites{
		Values: "several: client/api_dns.go:64@v1.2.1 sends a list of records",
		Append: "reads the zone, writes it back with the new records, reads it again: github.com/pbergman/provider record_append.go:21, 37 and 44@v1.1.1",
		Delete: "by exact value, any TTL if none is given: github.com/pbergman/provider iterators.go:52@v1.1.1; nothing to remove is no error, record_delete.go:42@v1.1.1",
		ID:     "not needed: github.com/pbergman/provider record_delete.go:35@v1.1.1",
		TTL:    "none in the code; records of more than a day get an hour when the zone is written back: client/api_dns.go:41@v1.2.1",
		Batch:  "all changes in one call: client/api_dns.go:64@v1.2.1; 50 is ours",
		Pace:   "nothing said; 1/s is assumed, three requests each",
		Zone:   "the whole zone is rewritten by a PUT: client/api_dns.go:76@v1.2.1",
	},
	proof: scripted,
	special: "Every change writes the whole zone back, so what somebody else changes at the same moment is lost; delegate the challenges by a CNAME to another host where you can. " +
		"Records with a TTL of more than a day come back with one of an hour.",
	docs: map[string]string{
		"api_key":  "The API key of the account.",
		"base_uri": "The URL of the API, ending in a slash, instead of https://mijn.host/api/v2/.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	omit:     []string{"debug_level"},
	open:     func() providers.Provider { return new(mijnhost.Provider) },
}
