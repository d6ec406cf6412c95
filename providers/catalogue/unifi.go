package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/unifi"
)

var unifiRow = row{
	name: "unifi", title: "UniFi", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"api_key":  "A key of the API.",
		"site_id":  "The UUID of the Unifi site containing the DNS policies.",
		"base_url": "Where the API is, instead of the usual place.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "site_id", "base_url"},
	open:     func() providers.Provider { return new(unifi.Provider) },
}
