package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/gandi"
)

var gandiRow = row{
	name: "gandi", title: "Gandi LiveDNS", version: "v1.1.0",
	proof: compiled,
	docs: map[string]string{
		"bearer_token": "The bearer token of the account.",
	},
	secrets:  []string{"bearer_token"},
	required: []string{"bearer_token"},
	open:     func() providers.Provider { return new(gandi.Provider) },
}
