package catalogue

import (
	"github.com/certform/certform/providers"
	"github.com/libdns/regfish"
)

const regfishAt = "v0.0.0-20250710113612-8b64bd89b1ca"

var regfishRow = row{
	name: "regfish", title: "regfish", version: regfishAt,
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: provider.go:221@" + regfishAt + " creates one record a call; its SetRecords overwrites the first value of a name (client.go:60) and is not used",
		Append: "adds: provider.go:221@" + regfishAt,
		Delete: "by exact value: provider.go:283@" + regfishAt + "; what is not there is an error, provider.go:290, and is looked for",
		ID:     "not needed: provider.go:269@" + regfishAt + " finds it again",
		TTL:    "nothing said: provider.go:196@" + regfishAt,
		Batch:  "one call a record: provider.go:218@" + regfishAt + "; one call of an account at a time, provider.go:213",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: provider.go:221 and 293@" + regfishAt,
	},
	proof: scripted,
	special: "Upstream takes no deadline: a call that hangs is given up after a minute, and its account's next one waits for it. " +
		"A value at the zone's own name (as the target of a CNAME) cannot be written: upstream asks for the name @.ZONE.",
	docs: map[string]string{
		"api_token": "An API key with access to DNS.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(regfish.Provider) },
}
