package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/regfish"
)

var regfishRow = row{
	name: "regfish", title: "regfish", version: "v0.0.0-20250710113612-8b64bd89b1ca",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(regfish.Provider) },
}
