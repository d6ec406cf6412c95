package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/duckdns"
)

var duckdnsRow = row{
	name: "duckdns", title: "Duck DNS", version: "v0.3.0",
	proof: compiled,
	docs: map[string]string{
		"api_token":       "A token of the API.",
		"override_domain": "The override domain of the account.",
		"resolver":        "An optional resolver to use when doing DNS queries to load the current records.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(duckdns.Provider) },
}
