package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/dnsimple"
)

var dnsimpleRow = row{
	name: "dnsimple", title: "DNSimple", version: "v0.5.0",
	proof: compiled,
	docs: map[string]string{
		"api_access_token": "The api access token of the account.",
		"account_id":       "The id of the account.",
		"api_url":          "Where the API is, instead of the usual place.",
	},
	secrets:  []string{"api_access_token"},
	required: []string{"api_access_token"},
	open:     func() providers.Provider { return new(dnsimple.Provider) },
}
