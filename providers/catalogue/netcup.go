package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/netcup"
)

var netcupRow = row{
	name: "netcup", title: "netcup", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"customer_number": "The customer number of the account.",
		"api_key":         "A key of the API.",
		"api_password":    "The api password of the account.",
	},
	secrets:  []string{"api_key", "api_password"},
	required: []string{"customer_number", "api_key", "api_password"},
	open:     func() providers.Provider { return new(netcup.Provider) },
}
