package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/directadmin"
)

var directadminRow = row{
	name: "directadmin", title: "DirectAdmin", version: "v0.4.2",
	proof: compiled,
	docs: map[string]string{
		"host":              "Should be the hostname (with port if necessary) of the DirectAdmin instance you are trying to use.",
		"user":              "The user name of the account.",
		"login_key":         "The login key of the account.",
		"insecure_requests": "An optional parameter used to ignore SSL related errors on the DirectAdmin host.",
	},
	secrets:  []string{"login_key"},
	required: []string{"host", "user", "login_key"},
	open:     func() providers.Provider { return new(directadmin.Provider) },
}
