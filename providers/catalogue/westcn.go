package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/westcn"
)

var westcnRow = row{
	name: "westcn", title: "West.cn", version: "v1.0.2",
	quirks: providers.Quirks{PerSecond: 2},
	read: cites{
		Values: "several: client.go:58@v1.0.2 creates one record a call",
		Append: "adds: provider.go:57@v1.0.2",
		Delete: "by exact value: provider.go:135@v1.0.2; what is not there is an error, provider.go:142, and is looked for",
		ID:     "not needed: provider.go:128@v1.0.2 finds it again",
		TTL:    "60 s: models.go:45@v1.0.2",
		Batch:  "one call a record: provider.go:52@v1.0.2",
		Pace:   "nothing said; 2/s is assumed",
		Zone:   "single records: client.go:58 and 112@v1.0.2",
	},
	proof: scripted,
	special: "Of a zone only the first 1000 records are read (client.go:83@v1.0.2): a value beyond them cannot be removed, and is named. " +
		"The clock must be right: requests are signed with the time.",
	docs: map[string]string{
		"username":     "The login name of the account.",
		"api_password": "The password of the API, not that of the account.",
	},
	secrets:  []string{"api_password"},
	required: []string{"username", "api_password"},
	open:     func() providers.Provider { return new(westcnWhole) },
}

// westcnWhole refuses to take the first 1000 records for all of them.
type westcnWhole struct{ westcn.Provider }

func (p *westcnWhole) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, zone)
	return whole(recs, err, 1000)
}
