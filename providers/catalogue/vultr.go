package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/vultr/v2"
)

var vultrRow = row{
	name: "vultr", title: "Vultr", version: "v2.0.2",
	module: "github.com/libdns/vultr/v2",
	proof:  compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(vultr.Provider) },
}
