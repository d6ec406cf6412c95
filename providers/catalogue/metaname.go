package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/metaname"
)

var metanameRow = row{
	name: "metaname", title: "Metaname", version: "v0.4.1",
	proof: compiled,
	docs: map[string]string{
		"api_key":           "A key of the API.",
		"account_reference": "The account reference of the account.",
		"endpoint":          "The endpoint of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "account_reference"},
	open:     func() providers.Provider { return new(metaname.Provider) },
}
