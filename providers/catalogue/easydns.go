package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/easydns"
)

var easydnsRow = row{
	name: "easydns", title: "easyDNS", version: "v1.1.1",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
		"api_key":   "A key of the API.",
		"api_url":   "Where the API is, instead of the usual place.",
	},
	secrets:  []string{"api_token", "api_key"},
	required: []string{"api_token", "api_key"},
	open:     func() providers.Provider { return new(easydns.Provider) },
}
