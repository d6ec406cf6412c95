package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/dynu"
)

var dynuRow = row{
	name: "dynu", title: "Dynu", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"api_token":  "A token of the API.",
		"own_domain": "The own domain of the account.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(dynu.Provider) },
}
