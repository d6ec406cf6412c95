package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/infomaniak"
)

var infomaniakRow = row{
	name: "infomaniak", title: "Infomaniak", version: "v0.2.0",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(infomaniak.Provider) },
}
