package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/volcengine"
)

var volcengineRow = row{
	name: "volcengine", title: "Volcengine", version: "v0.0.1",
	proof: compiled,
	docs: map[string]string{
		"access_key_id":     "The id of the access key.",
		"access_key_secret": "The secret of the access key.",
		"region_id":         "The region.",
		"zid":               "The domain ID used to directly query DNS records (highest priority) VolcEngine API uses ZID instead of zone to identify domains.",
		"zone":              "The domain name.",
	},
	secrets:  []string{"access_key_secret"},
	required: []string{"access_key_id", "access_key_secret"},
	open:     func() providers.Provider { return new(volcengine.Provider) },
}
