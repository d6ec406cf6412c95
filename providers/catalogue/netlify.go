package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/netlify"
)

var netlifyRow = row{
	name: "netlify", title: "Netlify", version: "v1.2.0",
	proof: compiled,
	docs: map[string]string{
		"personal_access_token": "Personal Access Token is required to Authenticate yourself to Netlify's API.",
	},
	secrets:  []string{"personal_access_token"},
	required: []string{"personal_access_token"},
	open:     func() providers.Provider { return new(netlify.Provider) },
}
