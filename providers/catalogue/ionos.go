package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/ionos"
)

var ionosRow = row{
	name: "ionos", title: "IONOS", version: "v1.2.0",
	proof: compiled,
	docs: map[string]string{
		"auth_api_token": "The IONOS Auth API token - see https://dns.ionos.com/api-docs#section/Authentication/Auth-API-Token.",
	},
	secrets:  []string{"auth_api_token"},
	required: []string{"auth_api_token"},
	open:     func() providers.Provider { return new(ionos.Provider) },
}
