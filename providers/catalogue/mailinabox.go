package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/mailinabox"
)

var mailinaboxRow = row{
	name: "mailinabox", title: "Mail-in-a-Box", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"api_url":       "Where the API is, instead of the usual place.",
		"email_address": "The e-mail address of the account.",
		"password":      "Its password.",
		"totp_secret":   "TOTP Secret Key of the admin account.",
	},
	secrets:  []string{"password", "totp_secret"},
	required: []string{"api_url", "email_address", "password"},
	open:     func() providers.Provider { return new(mailinabox.Provider) },
}
