package catalogue

import (
	"context"

	"github.com/certform/certform/providers"
	"github.com/libdns/inwx"
	"github.com/libdns/libdns"
)

var inwxRow = row{
	name: "inwx", title: "INWX", version: "v0.3.1",
	quirks: providers.Quirks{Batch: 10, PerSecond: 1, Burst: 5},
	read: cites{
		Values: "several: client.go:174@v0.3.1 creates one record a call",
		Append: "adds: provider.go:73@v0.3.1",
		Delete: "by exact value, all that match: provider.go:148@v0.3.1 and client.go:154",
		ID:     "asked for by name, type and value: client.go:147@v0.3.1",
		TTL:    "at least 300 s, raised in silence: client.go:353@v0.3.1",
		Batch:  "one call a record, in one session: provider.go:63 and 72@v0.3.1; 10 is ours",
		Pace:   "nothing said; 1/s after 5 is assumed, each with a log-in and a log-out: provider.go:180 and 198@v0.3.1",
		Zone:   "single records: client.go:174@v0.3.1",
	},
	proof: scripted,
	special: "The provider logs in for each call and out after it, and drops the session of whoever else is in a call (provider.go:200), so the calls of one dns block go one after the other, all zones of it. " +
		"With a shared_secret each log-in sends a code that is good for 30 seconds.",
	docs: map[string]string{
		"username":      "The user name of the account.",
		"password":      "Its password.",
		"shared_secret": "The secret of the mobile TAN, if the account has one.",
		"endpoint_url":  "The URL of the API, such as that of the test system.",
	},
	secrets:  []string{"password", "shared_secret"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return &inwxAlone{turn: make(chan struct{}, 1)} },
}

// inwxAlone lets one call at a time into the provider; see the row.
type inwxAlone struct {
	inwx.Provider

	turn chan struct{}
}

func (p *inwxAlone) alone(ctx context.Context, call func() ([]libdns.Record, error)) ([]libdns.Record, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.turn }()
	return call()
}

func (p *inwxAlone) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	return p.alone(ctx, func() ([]libdns.Record, error) { return p.Provider.GetRecords(ctx, zone) })
}

func (p *inwxAlone) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.alone(ctx, func() ([]libdns.Record, error) { return p.Provider.AppendRecords(ctx, zone, recs) })
}

func (p *inwxAlone) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.alone(ctx, func() ([]libdns.Record, error) { return p.Provider.SetRecords(ctx, zone, recs) })
}

func (p *inwxAlone) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.alone(ctx, func() ([]libdns.Record, error) { return p.Provider.DeleteRecords(ctx, zone, recs) })
}
