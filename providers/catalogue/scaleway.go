package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/scaleway"
	vendor "github.com/scaleway/scaleway-sdk-go/api/domain/v2beta1"
	"github.com/scaleway/scaleway-sdk-go/scw"
)

var scalewayRow = row{
	name: "scaleway", title: "Scaleway", version: "v0.3.1",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client.go:92@v0.3.1 adds a record",
		Append: "adds: client.go:92@v0.3.1",
		Delete: "upstream deletes by name, type, value and TTL, and a TTL that is not given is sent as 0: client.go:132@v0.3.1; here records are found by their exact value and deleted by id",
		ID:     "not needed upstream; here it is asked for, domain_sdk.go:2541 of the vendor's module at v1.0.0-beta.36",
		TTL:    "nothing said: client.go:98@v0.3.1",
		Batch:  "one call a record: provider.go:24@v0.3.1",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single changes: client.go:88@v0.3.1",
	},
	proof: scripted,
	special: "Upstream reads only the first page of a zone and cannot delete a record without its TTL; here all pages are read and records deleted by their id. " +
		"Additions take no deadline: a call that hangs is given up after a minute. A malformed secret_key is quoted in upstream's error; it is masked.",
	docs: map[string]string{
		"secret_key":      "The secret key of an API key that may manage domains and DNS (a UUID).",
		"organization_id": "The id of the organization (a UUID).",
	},
	secrets: []string{"secret_key"},
	// The vendor's module refuses an empty one (client_option.go:219 at
	// v1.0.0-beta.36).
	required: []string{"secret_key", "organization_id"},
	example:  map[string]string{"organization_id": `"5cf0a5a1-0000-4000-8000-000000000000"`},
	leaks:    true,
	open:     func() providers.Provider { return new(scalewayByID) },
}

// scalewayByID reads all of a zone, and deletes records by their id.
type scalewayByID struct{ scaleway.Provider }

func (p *scalewayByID) records(ctx context.Context, zone, name string, typ vendor.RecordType) (*vendor.API, []*vendor.Record, error) {
	// The access key is not looked at by the host; upstream sends this one too
	// (client.go:23@v0.3.1).
	c, err := scw.NewClient(scw.WithAuth("SCWXXXXXXXXXXXXXXXXX", p.SecretKey), scw.WithDefaultOrganizationID(p.OrganizationID))
	if err != nil {
		return nil, nil, err
	}
	api := vendor.NewAPI(c)
	out, err := api.ListDNSZoneRecords(&vendor.ListDNSZoneRecordsRequest{DNSZone: zone, Name: name, Type: typ}, scw.WithAllPages(), scw.WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	return api, out.Records, nil
}

func (p *scalewayByID) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	_, all, err := p.records(ctx, zone, "", "")
	var out []libdns.Record
	for _, r := range all {
		if r.Type == vendor.RecordTypeTXT {
			out = append(out, libdns.TXT{Name: r.Name, Text: unquoted(r.Data)})
		}
	}
	return out, err
}

// DeleteRecords deletes by exact value. What is not there is no error.
func (p *scalewayByID) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var gone []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		name := rr.Name
		if name == "@" {
			name = ""
		}
		api, have, err := p.records(ctx, zone, name, vendor.RecordType(rr.Type))
		if err != nil {
			return gone, err
		}
		for _, h := range have {
			// A filter by an empty name is none.
			if h.Name != name || string(h.Type) != rr.Type || unquoted(h.Data) != rr.Data {
				continue
			}
			_, err := api.UpdateDNSZoneRecords(&vendor.UpdateDNSZoneRecordsRequest{
				DNSZone: zone, Changes: []*vendor.RecordChange{{Delete: &vendor.RecordChangeDelete{ID: &h.ID}}},
			}, scw.WithContext(ctx))
			if err != nil {
				return gone, err
			}
			gone = append(gone, r)
		}
	}
	return gone, nil
}
