package catalogue

import (
	"context"
	"fmt"
	"strings"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/mythicbeasts"
	"golang.org/x/net/publicsuffix"
)

var mythicbeastsRow = row{
	name: "mythicbeasts", title: "Mythic Beasts", version: "v1.0.4",
	quirks: providers.Quirks{DeletesByName: true, Batch: 50, PerSecond: 5},
	read: cites{
		Values: "several: client.go:163@v1.0.4 posts a list of records",
		Append: "adds: client.go:163@v1.0.4",
		Delete: "by name and type, all values: client.go:254@v1.0.4; so what stays is written by a PUT of that name and type, client.go:221@v1.0.4",
		ID:     "not needed: client.go:254@v1.0.4",
		TTL:    "none in the code: mythicbeasts.go:237@v1.0.4",
		Batch:  "additions in one call: client.go:158@v1.0.4; removals one set a call; 50 is ours",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "sets of one name and type: client.go:225@v1.0.4",
	},
	proof: scripted,
	special: "Removals replace the TXT values of a name by those that stay. " +
		"Upstream writes into the registered domain whatever the zone is, so a zone below it is refused here; an SRV record at the top of the zone, or a type that upstream does not know, keeps the zone from being read, and then nothing can be removed.",
	docs: map[string]string{
		"key_id": "The id of the API key.",
		"secret": "The secret of the API key.",
	},
	secrets:  []string{"secret"},
	required: []string{"key_id", "secret"},
	open:     func() providers.Provider { return new(registered) },
}

// registered refuses a zone that is not a registered domain: upstream would
// write into the domain above it (provider.go:78@v1.0.4), at another name.
type registered struct{ mythicbeasts.Provider }

func (p *registered) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	bare := strings.TrimSuffix(zone, ".")
	if domain, err := publicsuffix.EffectiveTLDPlusOne(bare); err != nil || domain != bare {
		return nil, world.Never(fmt.Errorf("libdns can use a registered domain alone at Mythic Beasts, not the zone %s below it", bare))
	}
	return p.Provider.AppendRecords(ctx, zone, recs)
}
