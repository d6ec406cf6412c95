package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/bunny"
)

var bunnyRow = row{
	name: "bunny", title: "bunny.net", version: "v1.6.1",
	proof: compiled,
	docs: map[string]string{
		"access_key": "The access key of the account.",
	},
	secrets:  []string{"access_key"},
	required: []string{"access_key"},
	omit:     []string{"debug"},
	open:     func() providers.Provider { return new(bunny.Provider) },
}
