package catalogue

import (
	"context"
	"strings"

	"github.com/certform/certform/providers"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"
	hetzner "github.com/libdns/hetzner/v2"
	"github.com/libdns/libdns"
)

var hetznerRow = row{
	name: "hetzner", title: "Hetzner", version: "v2.0.1", module: "github.com/libdns/hetzner/v2",
	quirks: providers.Quirks{PerSecond: 1, Burst: 50},
	read: cites{
		Values: "several: provider.go:141@v2.0.1 adds to a set",
		Append: "adds: provider.go:141@v2.0.1; refused if the TTL is not that of the set, provider.go:112, so none is sent for a set that is there",
		Delete: "by exact value: provider.go:261@v2.0.1; a set that is not there is no error, :266",
		ID:     "not needed: util.go:72@v2.0.1 gives the value",
		TTL:    "at least 60 s, raised in silence: util.go:14 and 60@v2.0.1",
		Batch:  "one call a record, and their ends are waited for together: provider.go:131 and 152@v2.0.1",
		Pace:   "nothing said; 1/s after 50 is assumed, two or more requests each",
		Zone:   "single records of a set: provider.go:141@v2.0.1",
	},
	proof: scripted,
	special: "This is the DNS of the Hetzner Cloud console, not the older DNS console. " +
		"A zone whose own name has an underscore, such as a delegated _acme-challenge, is refused by the provider (provider.go:124).",
	docs: map[string]string{
		"api_token": "An API token of the Hetzner Cloud project, with read and write.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(hetznerJoining) },
}

// hetznerJoining adds to a set with the TTL that the set has; see the row.
type hetznerJoining struct{ hetzner.Provider }

func (p *hetznerJoining) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := hcloud.NewClient(hcloud.WithToken(p.APIToken), hcloud.WithApplication("certform", ""))
	z := &hcloud.Zone{Name: strings.TrimSuffix(zone, ".")}
	out := make([]libdns.Record, len(recs))
	for i, r := range recs {
		rr := r.RR()
		set, _, err := c.Zone.GetRRSetByNameAndType(ctx, z, rr.Name, hcloud.ZoneRRSetType(rr.Type))
		if err != nil && !hcloud.IsError(err, hcloud.ErrorCodeNotFound) {
			return nil, err
		}
		if set != nil {
			rr.TTL = 0
		}
		out[i] = rr
	}
	return p.Provider.AppendRecords(ctx, zone, out)
}
