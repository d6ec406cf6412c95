package catalogue

import (
	"context"
	"errors"
	"net/http"
	"time"

	api "github.com/G-Core/gcore-dns-sdk-go"
	"github.com/certform/certform/providers"
	"github.com/libdns/gcore"
	"github.com/libdns/libdns"
)

var gcoreRow = row{
	name: "gcore", title: "Gcore", version: "v0.0.0-20250427050847-9964da923833",
	quirks: providers.Quirks{Replaces: true, DeletesByName: true, Batch: 50, PerSecond: 5},
	read: cites{
		Values: "several, as one set: provider.go:213@v0.0.0-20250427050847-9964da923833",
		Append: "upstream reads the set and writes it back with the value, once for each other value that is there: provider.go:208@v0.0.0-20250427050847-9964da923833; here the set is written as a whole",
		Delete: "here the whole set, or what stays is written; upstream by exact value, without saying what went wrong: provider.go:286@v0.0.0-20250427050847-9964da923833",
		ID:     "not needed: a set is named by name and type, client.go:462 of the vendor's module at v0.3.0",
		TTL:    "sent as given: provider.go:191@v0.0.0-20250427050847-9964da923833",
		Batch:  "one call a name: client.go:500 of the vendor's module at v0.3.0; 50 is ours",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "sets are rewritten, not the zone: provider.go:219@v0.0.0-20250427050847-9964da923833",
	},
	proof: scripted,
	special: "The host handles whole sets of records, so the zone is locked between the machines that use one state while a set is changed, and what somebody else changes at that moment is lost. " +
		"Reading a zone takes one call for it and one for each name with a TXT value; libdns would show only the last value of a name (provider.go:152), so the vendor's Go module is used.",
	docs: map[string]string{
		"api_key": "A permanent API token of the account.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	open:     func() providers.Provider { return new(gcoreSets) },
}

// gcoreSets reads, writes and removes whole sets of TXT values; see the row.
type gcoreSets struct{ gcore.Provider }

func (p *gcoreSets) client() *api.Client { return api.NewClient(api.PermanentAPIKeyAuth(p.APIKey)) }

func (p *gcoreSets) GetRecords(ctx context.Context, zone string) (out []libdns.Record, err error) {
	c := p.client()
	z, err := c.Zone(ctx, zone)
	if err != nil {
		return nil, err
	}
	for _, there := range z.Records {
		if there.Type != "TXT" {
			continue
		}
		name, _ := providers.Relative(there.Name, zone)
		s, _, err := gcoreSet(ctx, c, zone, name)
		if err != nil {
			return nil, err
		}
		for _, r := range s.Records {
			out = append(out, libdns.TXT{Name: name, TTL: time.Duration(s.TTL) * time.Second, Text: unquoted(r.ContentToString())})
		}
	}
	return out, nil
}

// gcoreSet is the set of a name, ok only if there is one.
func gcoreSet(ctx context.Context, c *api.Client, zone, name string) (s api.RRSet, ok bool, err error) {
	s, err = c.RRSet(ctx, zone, providers.Absolute(name, zone), "TXT", 0, 0)
	if fault := new(api.APIError); errors.As(err, fault) && fault.StatusCode == http.StatusNotFound {
		return s, false, nil
	}
	return s, err == nil, err
}

// SetRecords writes the set of each name. What the host knows besides of a set
// and of the values that stay is kept.
func (p *gcoreSets) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := p.client()
	for _, want := range setsOf(recs) {
		s, exists, err := gcoreSet(ctx, c, zone, want.name)
		if err != nil {
			return nil, err
		}
		have := map[string]api.ResourceRecord{}
		for _, r := range s.Records {
			have[unquoted(r.ContentToString())] = r
		}
		s.Records = nil
		for _, v := range want.values {
			r, ok := have[v]
			if !ok {
				r = api.ResourceRecord{Content: []any{v}, Enabled: true}
			}
			s.Records = append(s.Records, r)
		}
		name := providers.Absolute(want.name, zone)
		if exists {
			err = c.UpdateRRSet(ctx, zone, name, "TXT", s)
		} else {
			s.Type, s.TTL = "TXT", int(want.ttl.Seconds())
			err = c.CreateRRSet(ctx, zone, name, "TXT", s)
		}
		if err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// DeleteRecords removes the set of each name, whatever its values; one that is
// not there is no error.
func (p *gcoreSets) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	c := p.client()
	for _, s := range setsOf(recs) {
		err := c.DeleteRRSet(ctx, zone, providers.Absolute(s.name, zone), "TXT")
		if err != nil {
			return nil, err
		}
	}
	return recs, nil
}
