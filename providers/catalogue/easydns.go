package catalogue

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/easydns"
	"github.com/libdns/libdns"
)

var easydnsRow = row{
	name: "easydns", title: "easyDNS", version: "v1.1.1",
	quirks: providers.Quirks{PerSecond: 1, Burst: 5},
	read: cites{
		Values: "several: provider.go:163@v1.1.1 adds one record a call",
		Append: "adds: provider.go:163@v1.1.1",
		Delete: "ours, by exact value: easydns.go; upstream removes every value of the name, and what it takes for TXT, such as NS: provider.go:315 and 119@v1.1.1. Its SetRecords writes all values over the first record: provider.go:213",
		ID:     "found again by us",
		TTL:    "at least 300 s, raised in silence: provider.go:147@v1.1.1",
		Batch:  "one call a record: provider.go:142@v1.1.1",
		Pace:   "nothing said; 1/s after 5 is assumed",
		Zone:   "single records: provider.go:163@v1.1.1",
	},
	proof: scripted,
	special: "Records are read and removed by certform itself: libdns would remove every TXT value of the name. " +
		"Additions do not look at their deadline (provider.go:163): one that hangs is given up after a minute.",
	docs: map[string]string{
		"api_token": "The API token of the account.",
		"api_key":   "The API key that belongs to the token.",
		"api_url":   "Where the API is, instead of https://rest.easydns.net.",
	},
	secrets:  []string{"api_token", "api_key"},
	required: []string{"api_token", "api_key"},
	open:     func() providers.Provider { return new(easydnsExact) },
}

// easydnsExact reads and removes records by their value; see the row.
type easydnsExact struct{ easydns.Provider }

type easydnsRecord struct{ ID, Host, Type, Rdata string }

func (p *easydnsExact) client() *rest.Client {
	return &rest.Client{
		HTTP: http.DefaultClient, Base: cmp.Or(p.APIUrl, "https://rest.easydns.net"),
		Header: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(p.APIToken+":"+p.APIKey))},
	}
}

// list is the TXT records of a zone; whole is false if the host kept some back.
func (p *easydnsExact) list(ctx context.Context, zone string) (recs []easydnsRecord, whole bool, err error) {
	var in struct {
		Data         []easydnsRecord
		Count, Total int
	}
	if err := p.client().Do(ctx, "GET", "/zones/records/all/"+url.PathEscape(strings.TrimSuffix(zone, "."))+"?format=json", nil, &in); err != nil {
		return nil, false, err
	}
	for _, r := range in.Data {
		if r.Type == "TXT" {
			recs = append(recs, r)
		}
	}
	return recs, in.Total <= len(in.Data), nil
}

func (p *easydnsExact) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	all, whole, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, errUnread
	}
	out := make([]libdns.Record, len(all))
	for i, r := range all {
		out[i] = libdns.TXT{Name: r.Host, Text: unquoted(r.Rdata)}
	}
	return out, nil
}

func (p *easydnsExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	all, whole, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	c := p.client()
	var out []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		found := false
		for _, h := range all {
			if unquoted(h.Rdata) != rr.Data || providers.Absolute(h.Host, zone) != providers.Absolute(rr.Name, zone) {
				continue
			}
			found = true
			if err := c.Do(ctx, "DELETE", "/zones/records/"+url.PathEscape(strings.TrimSuffix(zone, "."))+"/"+url.PathEscape(h.ID), nil, nil); err != nil {
				return out, err
			}
			out = append(out, r)
		}
		if !found && !whole {
			return out, fmt.Errorf("find the record of %s: the host lists only a part of the zone", rr.Name)
		}
	}
	return out, nil
}
