package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/westcn"
)

var westcnRow = row{
	name: "westcn", title: "West.cn", version: "v1.0.2",
	proof: compiled,
	docs: map[string]string{
		"username":     "The user name of the account.",
		"api_password": "The api password of the account.",
	},
	secrets:  []string{"api_password"},
	required: []string{"username", "api_password"},
	open:     func() providers.Provider { return new(westcn.Provider) },
}
