package catalogue

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/nfsn"
)

var nfsnRow = row{
	name: "nfsn", title: "NearlyFreeSpeech.NET", version: "v1.0.0",
	quirks: providers.Quirks{MinTTL: 180 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several: provider.go:483@v1.0.0 adds each by addRR",
		Append: "adds: provider.go:479@v1.0.0",
		Delete: "by exact value, one removeRR each: provider.go:528@v1.0.0; what is not there is the host's error",
		ID:     "not needed: the host finds name, type and data, provider.go:248@v1.0.0",
		TTL:    "180 s, raised in silence: provider.go:28 and 182@v1.0.0",
		Batch:  "one call a record: provider.go:420@v1.0.0",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: provider.go:421@v1.0.0",
	},
	proof:   scripted,
	special: "A zone with a record of a type that upstream does not know (CAA, SSHFP) cannot be read through the API; that a value is gone is then asked of DNS.",
	docs: map[string]string{
		"login":   "The login name of the member.",
		"api_key": "The API key, from the profile of the member.",
	},
	secrets:  []string{"api_key"},
	required: []string{"login", "api_key"},
	open:     func() providers.Provider { return new(nfsn.Provider) },
}
