package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/alidns"
)

var alidnsRow = row{
	name: "alidns", title: "Alibaba Cloud DNS", version: "v1.0.7",
	proof: compiled,
	docs: map[string]string{
		"access_key_id":     "The id of the access key.",
		"access_key_secret": "The secret of the access key.",
		"region_id":         "The region.",
		"security_token":    "The security token of temporary credentials.",
	},
	secrets:  []string{"access_key_secret", "security_token"},
	required: []string{"access_key_id", "access_key_secret"},
	open:     func() providers.Provider { return new(alidns.Provider) },
}
