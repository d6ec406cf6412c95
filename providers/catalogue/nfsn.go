package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/nfsn"
)

var nfsnRow = row{
	name: "nfsn", title: "NearlyFreeSpeech.NET", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"login":   "The login name of the account.",
		"api_key": "A key of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"login", "api_key"},
	open:     func() providers.Provider { return new(nfsn.Provider) },
}
