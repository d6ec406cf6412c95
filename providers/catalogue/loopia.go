package catalogue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/loopia"
)

var loopiaRow = row{
	name: "loopia", title: "Loopia", version: "v1.0.0",
	quirks: providers.Quirks{MinTTL: 300 * time.Second, PerSecond: 0.15},
	read: cites{
		Values: "several: client.go:198@v1.0.0 adds one record a call",
		Append: "adds; what is there already is left: client.go:301@v1.0.0",
		Delete: "by exact value, any TTL if none is given: client.go:402@v1.0.0; nothing to remove is no error; the name is removed with its last record, client.go:479@v1.0.0",
		ID:     "not needed: client.go:387@v1.0.0 finds it again",
		TTL:    "none in the code; 300 s is assumed",
		Batch:  "one call a record: client.go:280@v1.0.0, six requests each",
		Pace:   "60 requests a minute: docs.dnscontrol.org/provider/loopia; an addition is six, reading the zone is one and two for each name in it, client.go:241@v1.0.0",
		Zone:   "single records: client.go:198 and 459@v1.0.0; SetRecords is not made, client.go:339@v1.0.0",
	},
	proof: scripted,
	special: "Loopia takes 60 requests a minute, and reading a zone takes two for each name in it, so a zone of more than thirty names is slow to clean; delegate the challenges of a large one by a CNAME to another host. " +
		"Upstream removes records in zones of two labels alone (example.com, not example.co.uk), so another is refused before anything is added. It does not look at its deadline while it asks.",
	docs: map[string]string{
		"username": "The user of the API, as name@loopiaapi.",
		"password": "The password of that user.",
		"customer": "The customer number, for resellers.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(twoLabels) },
}

// twoLabels refuses a zone in which upstream could add a value and not remove
// it: it removes from the last two labels of the name (loopify.go:12@v1.0.0).
type twoLabels struct{ loopia.Provider }

func (p *twoLabels) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	bare := strings.TrimSuffix(zone, ".")
	if strings.Count(bare, ".") != 1 {
		return nil, world.Never(fmt.Errorf("libdns can remove records from a zone of two labels alone at Loopia, not from %s", bare))
	}
	return p.Provider.AppendRecords(ctx, zone, recs)
}
