package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/domainnameshop"
)

var domainnameshopRow = row{
	name: "domainnameshop", title: "Domeneshop", version: "v0.2.2",
	proof: compiled,
	docs: map[string]string{
		"api_token":  "A token of the API.",
		"api_secret": "The secret that belongs to the token.",
	},
	secrets:  []string{"api_token", "api_secret"},
	required: []string{"api_token", "api_secret"},
	open:     func() providers.Provider { return new(domainnameshop.Provider) },
}
