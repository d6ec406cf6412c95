package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/godaddy"
)

var godaddyRow = row{
	name: "godaddy", title: "GoDaddy", version: "v1.1.0",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(godaddy.Provider) },
}
