package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/mijnhost"
)

var mijnhostRow = row{
	name: "mijnhost", title: "mijn.host", version: "v1.2.1",
	proof: compiled,
	docs: map[string]string{
		"api_key":  "A key of the API.",
		"base_uri": "Where the API is, instead of the usual place.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	omit:     []string{"debug_level"},
	open:     func() providers.Provider { return new(mijnhost.Provider) },
}
