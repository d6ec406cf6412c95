package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/luadns"
)

var luadnsRow = row{
	name: "luadns", title: "LuaDNS", version: "v0.2.0",
	proof: compiled,
	docs: map[string]string{
		"email":   "The e-mail address of the account.",
		"api_key": "A key of the API.",
	},
	secrets:  []string{"api_key"},
	required: []string{"email", "api_key"},
	open:     func() providers.Provider { return new(luadns.Provider) },
}
