package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/ovh"
)

var ovhRow = row{
	name: "ovh", title: "OVH", version: "v1.1.0",
	proof: compiled,
	docs: map[string]string{
		"endpoint":           "The endpoint of the API.",
		"application_key":    "The application key of the account.",
		"application_secret": "The application secret of the account.",
		"consumer_key":       "The consumer key of the account.",
	},
	secrets:  []string{"application_key", "application_secret", "consumer_key"},
	required: []string{"endpoint", "application_key", "application_secret", "consumer_key"},
	open:     func() providers.Provider { return new(ovh.Provider) },
}
