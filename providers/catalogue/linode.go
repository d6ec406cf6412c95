package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/linode"
)

var linodeRow = row{
	name: "linode", title: "Linode (Akamai)", version: "v0.5.0",
	proof: compiled,
	docs: map[string]string{
		"api_token":   "A token of the API.",
		"api_url":     "Where the API is, instead of the usual place.",
		"api_version": "The Linode API version, i.e.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	omit:     []string{"debug_logs_enabled"},
	open:     func() providers.Provider { return new(linode.Provider) },
}
