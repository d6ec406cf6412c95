package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/wedos"
)

var wedosRow = row{
	name: "wedos", title: "WEDOS", version: "v1.0.4",
	proof: compiled,
	docs: map[string]string{
		"username": "The user name of the account.",
		"password": "Its password.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(wedos.Provider) },
}
