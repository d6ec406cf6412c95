package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/acmedns"
)

var acmednsRow = row{
	name: "acmedns", title: "acme-dns", version: "v0.5.0",
	proof: compiled,
	docs: map[string]string{
		"username":   "The user name of the account.",
		"password":   "Its password.",
		"subdomain":  "ACME-DNS account subdomain as returned by ACME-DNS API /register endpoint.",
		"server_url": "Where the API is.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password", "subdomain", "server_url"},
	omit:     []string{"config"},
	open:     func() providers.Provider { return new(acmedns.Provider) },
}
