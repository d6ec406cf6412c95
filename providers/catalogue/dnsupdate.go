package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/dnsupdate"
)

var dnsupdateRow = row{
	name: "dnsupdate", title: "Any server with DNS UPDATE (RFC 2136)", version: "v0.0.0-20260121201600-04be14686a54",
	proof: compiled,
	docs: map[string]string{
		"addr": "DNS server address.",
		"tsig": "Transaction signature, with format 'algo:name:secret'.",
	},
	secrets:  []string{"tsig"},
	required: []string{"addr"},
	open:     func() providers.Provider { return new(dnsupdate.Provider) },
}
