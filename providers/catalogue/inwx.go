package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/inwx"
)

var inwxRow = row{
	name: "inwx", title: "INWX", version: "v0.3.1",
	proof: compiled,
	docs: map[string]string{
		"username":      "The user name of the account.",
		"password":      "Its password.",
		"shared_secret": "The shared secret is used to generate a TAN if you have activated 'Mobile TAN' for your INWX account.",
		"endpoint_url":  "URL of the JSON-RPC API endpoint.",
	},
	secrets:  []string{"password", "shared_secret"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(inwx.Provider) },
}
