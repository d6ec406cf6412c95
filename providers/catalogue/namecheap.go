package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/namecheap"
)

var namecheapRow = row{
	name: "namecheap", title: "Namecheap", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"api_key":      "A key of the API.",
		"user":         "The user name of the account.",
		"api_endpoint": "To use.",
		"client_ip":    "The IP address of the requesting client.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "user"},
	open:     func() providers.Provider { return new(namecheap.Provider) },
}
