package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/loopia"
)

var loopiaRow = row{
	name: "loopia", title: "Loopia", version: "v1.0.0",
	proof: compiled,
	docs: map[string]string{
		"username": "The user name of the account.",
		"password": "Its password.",
		"customer": "The customer of the account.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(loopia.Provider) },
}
