package catalogue

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/autodns"
	"github.com/libdns/libdns"
)

var autodnsRow = row{
	name: "autodns", title: "AutoDNS by InterNetX", version: "v0.0.0-20251216190413-fcfa8bc241fc",
	quirks: providers.Quirks{Batch: 100, PerSecond: 3},
	read: cites{
		Values: "several: the zone is a list of records, types.go:176@v0.0.0-20251216190413-fcfa8bc241fc",
		Append: "adds: our own, by adds of the host's zone/ZONE/_stream; the libdns provider rewrites the zone, provider.go:84@v0.0.0-20251216190413-fcfa8bc241fc",
		Delete: "by exact value: our own, by rems of _stream; the libdns provider takes the first record of the name, provider.go:157@v0.0.0-20251216190413-fcfa8bc241fc",
		ID:     "records have none: types.go:138@v0.0.0-20251216190413-fcfa8bc241fc",
		TTL:    "sent as given: convert.go:124@v0.0.0-20251216190413-fcfa8bc241fc",
		Batch:  "one _stream takes many records (ZoneStream in the host's OpenAPI document, github.com/InterNetX/domainrobot-api)",
		Pace:   "3/s by the host's page on limits as far as is known; nothing in the provider",
		Zone:   "single records by _stream; the libdns provider writes the whole zone back without what its types do not know, such as the preference of an MX, types.go:138@v0.0.0-20251216190413-fcfa8bc241fc",
	},
	proof:   scripted,
	special: "The libdns provider reads the whole zone and writes it back, without the preferences of its MX records and over what somebody else changed meanwhile, and it removes the first record of a name. certform sends additions and removals of single records instead, and only reads by the provider.",
	docs: map[string]string{
		"username": "The user name of the account.",
		"password": "Its password.",
		"Endpoint": "Where the API is, instead of https://api.autodns.com/v1.",
		"context":  "The context of the account, 4 if not given.",
		"primary":  "Not used by the provider.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(autodnsStream) },
}

// autodnsStream changes single records, in place of the libdns provider, which
// rewrites zones.
type autodnsStream struct{ autodns.Provider }

// AppendRecords adds records in one call.
func (p *autodnsStream) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	adds := make([]autodns.ZoneRecord, len(recs))
	for i, r := range recs {
		adds[i] = autodnsRecord(r)
	}
	if err := p.stream(ctx, zone, adds, nil); err != nil {
		return nil, err
	}
	return recs, nil
}

// DeleteRecords removes exactly these records, as they stand in the zone; one
// that is not there is no error.
func (p *autodnsStream) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	there, err := p.GetRecords(ctx, zone)
	if err != nil {
		return nil, err
	}
	type id struct{ name, typ, text string }
	want := map[id]bool{}
	for _, r := range recs {
		rr := autodnsRecord(r)
		want[id{rr.Name, rr.Type, rr.Value}] = true
	}
	var rems []autodns.ZoneRecord
	for _, t := range there {
		if rr := autodnsRecord(t); want[id{rr.Name, rr.Type, unquoted(rr.Value)}] {
			rems = append(rems, rr)
		}
	}
	if len(rems) == 0 {
		return nil, nil
	}
	if err := p.stream(ctx, zone, nil, rems); err != nil {
		return nil, err
	}
	return recs, nil
}

// GetRecords reads the zone; the zone itself has an empty name there.
func (p *autodnsStream) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, zone)
	for i, r := range recs {
		if rr := r.RR(); rr.Type == "TXT" {
			recs[i] = libdns.TXT{Name: rr.Name, TTL: rr.TTL, Text: unquoted(rr.Data)}
		}
	}
	return recs, err
}

func autodnsRecord(r libdns.Record) autodns.ZoneRecord {
	rr := r.RR()
	return autodns.ZoneRecord{Name: strings.TrimPrefix(rr.Name, "@"), Type: rr.Type, Value: rr.Data, TTL: int(rr.TTL / time.Second)}
}

func (p *autodnsStream) stream(ctx context.Context, zone string, adds, rems []autodns.ZoneRecord) error {
	c := rest.Client{
		HTTP: cmp.Or(p.HttpClient, http.DefaultClient), Base: cmp.Or(p.Endpoint, "https://api.autodns.com/v1"),
		Header: map[string]string{
			"Authorization":         "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password)),
			"X-Domainrobot-Context": cmp.Or(p.Context, "4"),
		},
	}
	body := map[string][]autodns.ZoneRecord{}
	if len(adds) > 0 {
		body["adds"] = adds
	}
	if len(rems) > 0 {
		body["rems"] = rems
	}
	return c.Do(ctx, http.MethodPost, "/zone/"+url.PathEscape(strings.TrimSuffix(zone, "."))+"/_stream", body, nil)
}
