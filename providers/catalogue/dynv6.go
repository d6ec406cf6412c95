package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/dynv6"
)

var dynv6Row = row{
	name: "dynv6", title: "dynv6", version: "v1.1.1",
	proof: compiled,
	docs: map[string]string{
		"token": "A token of the API.",
	},
	secrets:  []string{"token"},
	required: []string{"token"},
	open:     func() providers.Provider { return new(dynv6.Provider) },
}
