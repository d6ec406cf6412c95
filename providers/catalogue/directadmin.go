package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/directadmin"
	"github.com/libdns/libdns"
	"go.uber.org/zap"
)

var directadminRow = row{
	name: "directadmin", title: "DirectAdmin", version: "v0.4.2",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client.go:119@v0.4.2, action=add",
		Append: "adds: client.go:119@v0.4.2",
		Delete: "by exact name and value: client.go:223@v0.4.2",
		ID:     "records have none: models.go:33@v0.4.2",
		TTL:    "sent as given: client.go:131@v0.4.2",
		Batch:  "one call a record, after one for the list of zones: provider.go:101@v0.4.2 and :89",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:119@v0.4.2; SetRecords changes the first record of a name for each value, :176, and is not used",
	},
	proof:   scripted,
	special: "The login key needs CMD_API_SHOW_DOMAINS and CMD_API_DNS_CONTROL. The provider opens a connection of its own for every call (client.go:246) and leaves it to the server to close.",
	docs: map[string]string{
		"host":              "Where the server is, as in https://da.example.com:2222.",
		"user":              "The user name under which the login key was made.",
		"login_key":         "The login key.",
		"insecure_requests": "Whether to do without checking the server's certificate.",
	},
	secrets:  []string{"login_key"},
	required: []string{"host", "user", "login_key"},
	example:  map[string]string{"host": `"https://da.example.com:2222"`},
	open: func() providers.Provider {
		p := new(directadminPlain)
		p.Logger = zap.NewNop() // it would print every fault
		return p
	},
}

// directadminPlain reads TXT values without the quotes that they may have in
// the server's zone files.
type directadminPlain struct{ directadmin.Provider }

// GetRecords reads the zone.
func (p *directadminPlain) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, zone)
	for i, r := range recs {
		if rr := r.RR(); rr.Type == "TXT" {
			recs[i] = libdns.TXT{Name: rr.Name, TTL: rr.TTL, Text: unquoted(rr.Data)}
		}
	}
	return recs, err
}
