package catalogue

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/godaddy"
	"github.com/libdns/libdns"
)

var godaddyRow = row{
	name: "godaddy", title: "GoDaddy", version: "v1.1.0",
	quirks: providers.Quirks{Replaces: true, DeletesByName: true, Batch: 50, MinTTL: 600 * time.Second, PerSecond: 1},
	read: cites{
		Values: "several, as one set: provider.go:138@v1.1.0 sends a list of values, of one",
		Append: "replaces the set with the one value: provider.go:148@v1.1.0; SetRecords does the same for each record, :181, so two cannot be set. Here the set is written as a whole",
		Delete: "by name, all values: provider.go:210@v1.1.0",
		ID:     "not needed: provider.go:210@v1.1.0",
		TTL:    "at least 600 s, raised in silence: provider.go:134@v1.1.0",
		Batch:  "one call a name: provider.go:148@v1.1.0; 50 is ours",
		Pace:   "nothing said; 1/s is assumed",
		Zone:   "sets are rewritten, not the zone: provider.go:148@v1.1.0",
	},
	proof: scripted,
	special: "The host handles whole sets of records, so the zone is locked between the machines that use one state while a set is changed, and what somebody else changes at that moment is lost. " +
		"Sets are read and written by certform itself: libdns would replace all values of a name with one. " +
		"GoDaddy opens its API only to accounts with several domains.",
	docs: map[string]string{
		"api_token": "The key and the secret of the API, as key:secret.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	open:     func() providers.Provider { return new(godaddySets) },
}

// godaddySets reads, writes and removes whole sets of TXT values; see the row.
type godaddySets struct{ godaddy.Provider }

type godaddyRecord struct {
	Data string `json:"data"`
	Name string `json:"name,omitempty"`
	TTL  int    `json:"ttl"`
}

func (p *godaddySets) client() rest.Client {
	return rest.Client{HTTP: http.DefaultClient, Base: "https://api.godaddy.com", Header: map[string]string{"Authorization": "sso-key " + p.APIToken}}
}

func godaddyPath(zone string) string {
	return "/v1/domains/" + url.PathEscape(strings.TrimSuffix(zone, ".")) + "/records/TXT"
}

// godaddyPage is the most that the host gives at once (provider.go:21@v1.1.0).
const godaddyPage = 500

// GetRecords reads the TXT records of a zone. What comes after the first page is
// not asked for: what the offset counts is not said.
func (p *godaddySets) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	c := p.client()
	var all []godaddyRecord
	if err := c.Do(ctx, "GET", godaddyPath(zone), nil, &all); err != nil {
		return nil, err
	}
	if len(all) >= godaddyPage {
		return nil, errUnread
	}
	out := make([]libdns.Record, len(all))
	for i, r := range all {
		out[i] = libdns.TXT{Name: r.Name, TTL: time.Duration(r.TTL) * time.Second, Text: r.Data}
	}
	return out, nil
}

// SetRecords writes the set of each name.
func (p *godaddySets) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := p.client()
	for _, s := range setsOf(recs) {
		var in []godaddyRecord
		for _, v := range s.values {
			in = append(in, godaddyRecord{Data: v, TTL: int(s.ttl.Seconds())})
		}
		if err := c.Do(ctx, "PUT", godaddyPath(zone)+"/"+url.PathEscape(s.name), in, nil); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// DeleteRecords removes the set of each name, whatever its values.
func (p *godaddySets) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := p.client()
	for _, s := range setsOf(recs) {
		if err := c.Do(ctx, "DELETE", godaddyPath(zone)+"/"+url.PathEscape(s.name), nil, nil); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
