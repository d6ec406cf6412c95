package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/huaweicloud"
)

var huaweicloudRow = row{
	name: "huaweicloud", title: "Huawei Cloud", version: "v1.0.1",
	proof: compiled,
	docs: map[string]string{
		"access_key_id":     "The id of the access key.",
		"secret_access_key": "The secret of the access key.",
		"region_id":         "The region.",
	},
	secrets:  []string{"secret_access_key"},
	required: []string{"access_key_id", "secret_access_key"},
	open:     func() providers.Provider { return new(huaweicloud.Provider) },
}
