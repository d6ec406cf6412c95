package catalogue

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/libdns"
	"github.com/libdns/netlify"
)

var netlifyRow = row{
	name: "netlify", title: "Netlify", version: "v1.2.0",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client.go:28@v1.2.0 posts one record a call",
		Append: "adds: client.go:28@v1.2.0; upstream sends the TTL in nanoseconds, models.go:76@v1.2.0, which is corrected here",
		Delete: "ours, by exact value: netlify.go; upstream removes all of the name and type: provider.go:94@v1.2.0, and its SetRecords cannot set two, provider.go:170@v1.2.0",
		ID:     "found again by us",
		TTL:    "none in the code",
		Batch:  "one call a record: provider.go:64@v1.2.0",
		Pace:   "500 requests a minute: docs.netlify.com, Get started with the Netlify API",
		Zone:   "single records: client.go:28@v1.2.0",
	},
	proof:   scripted,
	special: "Removals are made by certform itself: libdns would remove every TXT value of the name.",
	docs: map[string]string{
		"personal_access_token": "A personal access token of a user that may change the DNS zone.",
	},
	secrets:  []string{"personal_access_token"},
	required: []string{"personal_access_token"},
	open:     func() providers.Provider { return new(netlifyExact) },
}

// netlifyExact removes records by their value and gives a TTL in seconds; see
// the row.
type netlifyExact struct{ netlify.Provider }

func (p *netlifyExact) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out := make([]libdns.Record, len(recs))
	for i, r := range recs {
		rr := r.RR()
		out[i] = libdns.TXT{Name: rr.Name, Text: rr.Data, TTL: rr.TTL / time.Second}
	}
	return p.Provider.AppendRecords(ctx, zone, out)
}

func (p *netlifyExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := rest.Client{
		HTTP: http.DefaultClient, Base: "https://api.netlify.com/api/v1",
		Header: map[string]string{"Authorization": "Bearer " + p.PersonalAccessToken},
	}
	bare := strings.TrimSuffix(zone, ".")
	var zones []struct{ ID, Name string }
	if err := c.Do(ctx, "GET", "/dns_zones?name="+url.QueryEscape(bare), nil, &zones); err != nil {
		return nil, err
	}
	if len(zones) != 1 {
		return nil, fmt.Errorf("there are %d zones of the name %s", len(zones), bare)
	}
	path := "/dns_zones/" + url.PathEscape(zones[0].ID) + "/dns_records"
	var have []struct{ ID, Hostname, Type, Value string }
	if err := c.Do(ctx, "GET", path, nil, &have); err != nil {
		return nil, err
	}
	var out []libdns.Record
	for _, h := range have {
		for _, r := range recs {
			rr := r.RR()
			if h.Type != rr.Type || h.Value != rr.Data || providers.Absolute(h.Hostname+".", zone) != providers.Absolute(rr.Name, zone) {
				continue
			}
			if err := c.Do(ctx, "DELETE", path+"/"+url.PathEscape(h.ID), nil, nil); err != nil {
				return out, err
			}
			out = append(out, r)
			break
		}
	}
	return out, nil
}
