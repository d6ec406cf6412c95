package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/luadns"
)

var luadnsRow = row{
	name: "luadns", title: "LuaDNS", version: "v0.2.0",
	quirks: providers.Quirks{Batch: 50, PerSecond: 2},
	read: cites{
		Values: "several: provider.go:63@v0.2.0 creates a list of records",
		Append: "adds: github.com/luadns/luadns-go client_records.go:111@v0.3.0",
		Delete: "by exact value, any TTL if none is given, found by the host: github.com/luadns/luadns-go client_records.go:161 and 174@v0.3.0",
		ID:     "not needed: github.com/luadns/luadns-go client_records.go:174@v0.3.0",
		TTL:    "none in the code: helpers.go:102@v0.2.0",
		Batch:  "one call for all: provider.go:63 and 101@v0.2.0; 50 is ours",
		Pace:   "nothing said; 2/s is assumed, two requests each: provider.go:113@v0.2.0",
		Zone:   "single records: provider.go:63 and 101@v0.2.0",
	},
	proof:    read,
	special:  "Upstream lists one page of zones and of records; in a larger zone what is on the next page is not seen. Declare the zones of the block if there are many.",
	unproven: "the vendor's module makes an HTTP transport of its own for each call, with no proxy, to a fixed address: github.com/luadns/luadns-go json_client.go:39@v0.3.0",
	docs: map[string]string{
		"email":   "The e-mail address of the account.",
		"api_key": "The API key of the account.",
	},
	secrets:  []string{"api_key"},
	required: []string{"email", "api_key"},
	open:     func() providers.Provider { return new(luadns.Provider) },
}
