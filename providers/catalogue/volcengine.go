package catalogue

import (
	"context"
	"errors"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/volcengine"
)

var volcengineRow = row{
	name: "volcengine", title: "Volcengine", version: "v0.0.1",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client_actions.go:27@v0.0.1 creates one record a call",
		Append: "adds, but takes the last two labels of a name of several for the zone and writes the rest of it (provider.go:39, models.go:199@v0.0.1); here two more labels are put behind it",
		Delete: "by exact value: client_actions.go:165@v0.0.1; what is not there is an error, and is looked for",
		ID:     "not needed: provider.go:87@v0.0.1 asks for it",
		TTL:    "nothing said; 0 becomes 600 s: models.go:217@v0.0.1",
		Batch:  "one call a record: provider.go:37@v0.0.1; each begins with a list of the zones, provider.go:254",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client_actions.go:27 and 56@v0.0.1",
	},
	proof: scripted,
	special: "The zone must be among the account's first 500, and at most 499 records of it can be read; that a value is gone from a larger one is asked of DNS. " +
		"Upstream keeps the parameters of a call for all that follow (client.go:48@v0.0.1), which turns a list of the zone into a search; here each call begins afresh.",
	docs: map[string]string{
		"access_key_id":     "The id of the access key.",
		"access_key_secret": "The secret of the access key.",
		"region_id":         "The region, default cn-beijing.",
	},
	secrets:  []string{"access_key_secret"},
	required: []string{"access_key_id", "access_key_secret"},
	// These would have every zone's records written into one zone.
	omit: []string{"zid", "zone"},
	open: func() providers.Provider { return new(volcengineAfresh) },
}

// volcengineAfresh has upstream begin afresh at each call.
type volcengineAfresh struct{ volcengine.Provider }

func (p *volcengineAfresh) afresh() *volcengine.Provider {
	return &volcengine.Provider{CredentialInfo: p.CredentialInfo}
}

// AppendRecords puts two labels behind each name: upstream cuts them off again.
func (p *volcengineAfresh) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var out []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		if rr.Name != "@" {
			rr.Name += ".zone.invalid"
		}
		if _, err := p.afresh().AppendRecords(ctx, zone, []libdns.Record{rr}); err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (p *volcengineAfresh) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var out []libdns.Record
	for _, r := range recs {
		if _, err := p.afresh().DeleteRecords(ctx, zone, []libdns.Record{r}); err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (p *volcengineAfresh) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.afresh().SetRecords(ctx, zone, recs)
}

// GetRecords refuses to take the first 500 records for all of them.
func (p *volcengineAfresh) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.afresh().GetRecords(ctx, zone)
	return whole(recs, err, 500)
}

// whole is the records of a zone, if upstream, which reads most of them at
// most, read them all.
func whole(recs []libdns.Record, err error, most int) ([]libdns.Record, error) {
	if err == nil && len(recs) >= most {
		return nil, world.Never(errNotWhole)
	}
	return recs, err
}

var errNotWhole = errors.New("the zone is larger than what the provider reads of it")
