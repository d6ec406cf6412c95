package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/tencentcloud"
)

var tencentcloudRow = row{
	name: "tencentcloud", title: "Tencent Cloud (DNSPod)", version: "v1.4.3",
	proof: compiled,
	docs: map[string]string{
		"secret_id":     "The secret id of the account.",
		"secret_key":    "The secret key of the account.",
		"session_token": "The session token of temporary credentials.",
		"region":        "The region.",
	},
	secrets:  []string{"secret_key", "session_token"},
	required: []string{"secret_id", "secret_key"},
	open:     func() providers.Provider { return new(tencentcloud.Provider) },
}
