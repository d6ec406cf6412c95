package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/cloudns"
)

var cloudnsRow = row{
	name: "cloudns", title: "ClouDNS", version: "v1.2.0",
	proof: compiled,
	docs: map[string]string{
		"auth_id":           "The ClouDNS API user ID ('auth-id').",
		"sub_auth_id":       "The ClouDNS API sub-user ID ('sub-auth-id').",
		"sub_auth_user":     "The ClouDNS API sub-user name ('sub-auth-user').",
		"auth_password":     "The password of the API user or sub-user.",
		"operation_retries": "The maximum number of attempts for each API call.",
		"initial_backoff":   "The delay before the first retry; it doubles after every failed attempt.",
		"max_backoff":       "Caps the exponentially growing retry delay.",
	},
	secrets:  []string{"auth_password"},
	required: []string{"auth_password"},
	open:     func() providers.Provider { return new(cloudns.Provider) },
}
