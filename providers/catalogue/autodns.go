package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/autodns"
)

var autodnsRow = row{
	name: "autodns", title: "AutoDNS by InterNetX", version: "v0.0.0-20251216190413-fcfa8bc241fc",
	proof: compiled,
	docs: map[string]string{
		"username": "The user name of the account.",
		"password": "Its password.",
		"Endpoint": "Where the API is, instead of the usual place.",
		"context":  "The context of the account.",
		"primary":  "The primary of the account.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(autodns.Provider) },
}
