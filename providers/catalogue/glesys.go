package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/glesys"
)

var glesysRow = row{
	name: "glesys", title: "GleSYS", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"project": "The name of the project.",
		"api_key": "A key of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"project", "api_key"},
	open:     func() providers.Provider { return new(glesys.Provider) },
}
