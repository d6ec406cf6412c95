package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/bluecat"
)

var bluecatRow = row{
	name: "bluecat", title: "BlueCat Address Manager", version: "v0.1.4",
	proof: compiled,
	docs: map[string]string{
		"server_url":         "Where the API is.",
		"username":           "The user name of the account.",
		"password":           "Its password.",
		"configuration_name": "Configuration name in Bluecat (optional, defaults to first available).",
		"view_name":          "View name in Bluecat (optional, defaults to first available).",
	},
	secrets:  []string{"password"},
	required: []string{"server_url", "username", "password"},
	open:     func() providers.Provider { return new(bluecat.Provider) },
}
