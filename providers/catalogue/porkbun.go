package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/porkbun"
)

var porkbunRow = row{
	name: "porkbun", title: "Porkbun", version: "v1.1.0",
	proof: compiled,
	docs: map[string]string{
		"api_key":        "A key of the API.",
		"api_secret_key": "The secret that belongs to the key.",
	},
	secrets:  []string{"api_key", "api_secret_key"},
	required: []string{"api_key", "api_secret_key"},
	open:     func() providers.Provider { return new(porkbun.Provider) },
}
