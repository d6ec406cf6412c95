package catalogue

import (
	"context"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/vultr/v2"
)

var vultrRow = row{
	name: "vultr", title: "Vultr", version: "v2.0.2",
	module: "github.com/libdns/vultr/v2",
	quirks: providers.Quirks{NeedsID: true, MinTTL: 120 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several: client.go:67@v2.0.2 creates one record a call",
		Append: "adds: client.go:67@v2.0.2",
		Delete: "by id: client.go:88@v2.0.2; what is not there any more is then not asked for",
		ID:     "needed: helpers.go:81@v2.0.2; the zone is read to find it, all pages (client.go:38)",
		TTL:    "120 s is assumed; the code has no bound: helpers.go:75@v2.0.2",
		Batch:  "one call a record: provider.go:38@v2.0.2",
		Pace:   "nothing said; 5/s is assumed; the vendor's module repeats by itself, github.com/vultr/govultr/v3 govultr.go:117@v3.20.0",
		Zone:   "single records: client.go:67 and 88@v2.0.2",
	},
	proof: scripted,
	special: "The host returns TXT values in quotes, which upstream leaves on; here they are taken off. " +
		"A personal access token works only from the addresses that its account allows.",
	docs: map[string]string{
		"api_token": "The API key of a user who may manage DNS.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(vultrUnquoted) },
}

// vultrUnquoted takes the quotes off the TXT values that the host returns:
// with them a value of ours is not known again and stays.
type vultrUnquoted struct{ vultr.Provider }

func (p *vultrUnquoted) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, zone)
	for i, r := range recs {
		if v, ok := r.(vultr.VultrRecord); ok && v.Record.Type == "TXT" {
			v.Record.Data = unquoted(v.Record.Data)
			recs[i] = v
		}
	}
	return recs, err
}
