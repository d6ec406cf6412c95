package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/simplydotcom"
)

var simplydotcomRow = row{
	name: "simplydotcom", title: "Simply.com", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"account_name": "The account name of the Simply.com account.",
		"api_key":      "A key of the API.",
		"base_url":     "Where the API is, instead of the usual place.",
		"max_retries":  "The maximum number of retries if rate limiting occurs.",
	},
	secrets:  []string{"api_key"},
	required: []string{"account_name", "api_key"},
	open:     func() providers.Provider { return new(simplydotcom.Provider) },
}
