package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/njalla"
)

var njallaRow = row{
	name: "njalla", title: "Njalla", version: "v0.0.0-20250815081032-a55a87a8f20f",
	proof: compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(njalla.Provider) },
}
