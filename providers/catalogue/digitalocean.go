package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/digitalocean"
)

var digitaloceanRow = row{
	name: "digitalocean", title: "DigitalOcean", version: "v0.0.0-20250606071607-dfa7af5c2e31",
	proof: compiled,
	docs: map[string]string{
		"auth_token": "The DigitalOcean API token - see https://www.digitalocean.com/docs/apis-clis/api/create-personal-access-token/.",
	},
	secrets:  []string{"auth_token"},
	required: []string{"auth_token"},
	open:     func() providers.Provider { return new(digitalocean.Provider) },
}
