package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/gcore"
)

var gcoreRow = row{
	name: "gcore", title: "Gcore", version: "v0.0.0-20250427050847-9964da923833",
	proof: compiled,
	docs: map[string]string{
		"api_key": "A key of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	open:     func() providers.Provider { return new(gcore.Provider) },
}
