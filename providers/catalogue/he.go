package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/he"
)

var heRow = row{
	name: "he", title: "Hurricane Electric", version: "v1.2.2",
	proof: compiled,
	docs: map[string]string{
		"api_key": "A key of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	open:     func() providers.Provider { return new(he.Provider) },
}
