package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/namesilo"
)

var namesiloRow = row{
	name: "namesilo", title: "NameSilo", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(namesilo.Provider) },
}
