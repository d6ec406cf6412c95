package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/scaleway"
)

var scalewayRow = row{
	name: "scaleway", title: "Scaleway", version: "v0.3.1",
	proof: compiled,
	docs: map[string]string{
		"secret_key":      "The secret key of the account.",
		"organization_id": "The organization id of the account.",
	},
	secrets:  []string{"secret_key"},
	required: []string{"secret_key"},
	open:     func() providers.Provider { return new(scaleway.Provider) },
}
