package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/hetzner/v2"
)

var hetznerRow = row{
	name: "hetzner", title: "Hetzner Cloud DNS", version: "v2.0.1",
	module: "github.com/libdns/hetzner/v2",
	proof:  compiled,
	docs: map[string]string{
		"api_token": "A token of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(hetzner.Provider) },
}
