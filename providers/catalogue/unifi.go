package catalogue

import (
	"context"
	"errors"
	"strings"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/unifi"
)

var unifiRow = row{
	name: "unifi", title: "UniFi Network", version: "v1.0.0",
	quirks: providers.Quirks{DeletesByName: true, PerSecond: 5},
	read: cites{
		Values: "several: provider.go:74@v1.0.0 creates one policy a call; its SetRecords overwrites the first one of a name, of whatever type (provider.go:115), and is not used",
		Append: "adds: provider.go:74@v1.0.0",
		Delete: "the first policy of the name, whatever its value and type: provider.go:173@v1.0.0; here all of the name go and those that stay are added again",
		ID:     "not needed: provider.go:157@v1.0.0 finds it again",
		TTL:    "none for TXT: internal/unifi/unifi.go:79@v1.0.0",
		Batch:  "one call a record: provider.go:68@v1.0.0",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single policies, 25 a page and at most 1000 read: internal/unifi/unifi.go:285@v1.0.0",
	},
	proof: scripted,
	special: "These are records of the local resolver of a UniFi gateway: a public CA cannot see them, so this is for a CA of your own, with nameservers in a zone block. " +
		"Upstream checks no certificate of the controller (internal/unifi/unifi.go:264@v1.0.0): whoever can stand between gets the API key. " +
		"To remove one value all policies of its name are deleted and the others added again; delegate the challenge where others write at the same name.",
	docs: map[string]string{
		"api_key":  "An API key of the controller.",
		"site_id":  "The UUID of the site.",
		"base_url": "The URL of the controller's API, such as https://192.0.2.1/proxy/network/integration/v1.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key", "site_id", "base_url"},
	example:  map[string]string{"site_id": `"88f7af54-98f8-306a-a1c7-c9349722b1f6"`, "base_url": `"https://192.0.2.1/proxy/network/integration/v1"`},
	open:     func() providers.Provider { return new(unifiWhole) },
}

// unifiWhole deletes all of a name and sets all of a name, and writes domains
// without the dot at the end, as the controller does.
type unifiWhole struct{ unifi.Provider }

func (p *unifiWhole) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, strings.TrimSuffix(zone, "."))
	return whole(recs, err, 1000)
}

func (p *unifiWhole) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.Provider.AppendRecords(ctx, strings.TrimSuffix(zone, "."), recs)
}

// DeleteRecords deletes all at the names of recs. Upstream deletes one a call.
func (p *unifiWhole) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, r := range recs {
		for n := 0; ; n++ {
			gone, err := p.Provider.DeleteRecords(ctx, strings.TrimSuffix(zone, "."), []libdns.Record{r})
			if err != nil {
				return nil, err
			}
			if len(gone) == 0 {
				break
			}
			if n == 100 {
				return nil, errors.New("the host accepts removals and removes nothing")
			}
		}
	}
	return recs, nil
}

// SetRecords has the names of recs hold these and nothing else.
func (p *unifiWhole) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if _, err := p.DeleteRecords(ctx, zone, recs); err != nil {
		return nil, err
	}
	return p.AppendRecords(ctx, zone, recs)
}
