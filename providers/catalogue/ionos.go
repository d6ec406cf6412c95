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
	"github.com/libdns/ionos"
	"github.com/libdns/libdns"
)

var ionosRow = row{
	name: "ionos", title: "IONOS", version: "v1.2.0",
	quirks: providers.Quirks{Batch: 50, MinTTL: time.Minute, PerSecond: 2, Burst: 5},
	read: cites{
		Values: "several: client.go:183@v1.2.0 creates a list of records",
		Append: "adds: provider.go:112@v1.2.0",
		Delete: "ours, by exact value: ionos.go; upstream removes all of the name and type, as its own note says: provider.go:180@v1.2.0. Its SetRecords refuses a name with several values: provider.go:211",
		ID:     "found again by us",
		TTL:    "at least 60 s, a smaller one is refused: client.go:57@v1.2.0",
		Batch:  "all additions in one call: provider.go:112@v1.2.0; removals one by one; 50 is ours",
		Pace:   "nothing said; 2/s after 5 is assumed, two or more requests each",
		Zone:   "single records: client.go:195@v1.2.0",
	},
	proof: scripted,
	special: "Records are read and removed by certform itself: libdns would remove every TXT value of the name, and could not read a zone with a TXT value of several strings, such as a long DKIM key (provider.go:43). " +
		"With LIBDNS_IONOS_DEBUG in the environment the provider prints what it sends and gets, without the token.",
	docs: map[string]string{
		"auth_api_token": "The API key, as prefix.secret.",
	},
	secrets:  []string{"auth_api_token"},
	required: []string{"auth_api_token"},
	open:     func() providers.Provider { return new(ionosExact) },
}

// ionosExact reads and removes records by their value; see the row.
type ionosExact struct{ ionos.Provider }

type ionosRecord struct {
	ID, Name, Type, Content string
	TTL                     int
}

// list is the TXT records of a zone, and the path of the zone.
func (p *ionosExact) list(ctx context.Context, c *rest.Client, zone string) (path string, recs []ionosRecord, err error) {
	var zones []struct{ ID, Name string }
	if err := c.Do(ctx, "GET", "/zones", nil, &zones); err != nil {
		return "", nil, err
	}
	for _, z := range zones {
		if providers.Absolute(z.Name, ".") == providers.Absolute(zone, ".") {
			path = "/zones/" + url.PathEscape(z.ID)
		}
	}
	if path == "" {
		return "", nil, fmt.Errorf("the account has no zone %s", strings.TrimSuffix(zone, "."))
	}
	var in struct{ Records []ionosRecord }
	if err := c.Do(ctx, "GET", path+"?recordType=TXT", nil, &in); err != nil {
		return "", nil, err
	}
	for _, r := range in.Records {
		if r.Type == "TXT" {
			recs = append(recs, r)
		}
	}
	return path, recs, nil
}

func (p *ionosExact) client() *rest.Client {
	return &rest.Client{HTTP: http.DefaultClient, Base: ionos.APIEndpoint, Header: map[string]string{"X-API-Key": p.AuthAPIToken}}
}

func (p *ionosExact) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	_, all, err := p.list(ctx, p.client(), zone)
	if err != nil {
		return nil, err
	}
	out := make([]libdns.Record, len(all))
	for i, r := range all {
		name, _ := providers.Relative(r.Name, zone)
		out[i] = libdns.TXT{Name: name, TTL: time.Duration(r.TTL) * time.Second, Text: unquoted(r.Content)}
	}
	return out, nil
}

func (p *ionosExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := p.client()
	path, all, err := p.list(ctx, c, zone)
	if err != nil {
		return nil, err
	}
	var out []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		for _, h := range all {
			if unquoted(h.Content) != rr.Data || providers.Absolute(h.Name, ".") != providers.Absolute(rr.Name, zone) {
				continue
			}
			if err := c.Do(ctx, "DELETE", path+"/records/"+url.PathEscape(h.ID), nil, nil); err != nil {
				return out, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}
