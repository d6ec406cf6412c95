package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/transip"
)

var transipRow = row{
	name: "transip", title: "TransIP", version: "v1.1.2",
	proof: compiled,
	docs: map[string]string{
		"login":               "The login name of the account.",
		"read_only":           "Set to true to create readonly keys.",
		"not_global_key":      "Can be set to true to generate keys that are restricted to clients with IP addresses included in the whitelist.",
		"expiration_time":     "The time-to-live for an authentication token.",
		"private_key":         "The private key.",
		"base_uri":            "Where the API is, instead of the usual place.",
		"client_control_mode": "Has two modes: - RecordLevelControl (default): updates records individually.",
	},
	secrets:  []string{"private_key"},
	required: []string{"login", "private_key"},
	omit:     []string{"debug_level", "token_storage"},
	open:     func() providers.Provider { return new(transip.Provider) },
}
