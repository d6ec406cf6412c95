package house

import (
	"context"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/internal/doom"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
)

// plainHost is the house's host with libdns's own methods alone, each call with
// the habits that its quirks tell of, through the process's doors.
type plainHost struct {
	host   *dnstest.Host
	doom   *doom.Doom
	quirks providers.Quirks
}

// GetRecords reads the zone.
func (p plainHost) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	if p.doom.Dead() {
		return nil, doom.ErrDead
	}
	return p.host.GetRecords(ctx, zone)
}

// AppendRecords adds records, in place of what is at their names where the host
// has that habit.
func (p plainHost) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if p.quirks.Replaces || p.quirks.OneValue {
		return p.SetRecords(ctx, zone, recs)
	}
	return recs, p.change(ctx, "append to ", zone, recs, nil)
}

// SetRecords replaces what is at the names of records.
func (p plainHost) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return recs, p.change(ctx, "set of ", zone, recs, sets(recs))
}

// DeleteRecords deletes records, or all that is at their names.
func (p plainHost) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	del := make([]libdns.RR, len(recs))
	for i, r := range recs {
		del[i] = r.RR()
	}
	if p.quirks.DeletesByName || p.quirks.OneValue {
		del = sets(recs)
	}
	return recs, p.change(ctx, "delete from ", zone, nil, del)
}

func (p plainHost) change(ctx context.Context, what, zone string, recs []libdns.Record, del []libdns.RR) error {
	var add []libdns.RR
	for _, r := range recs {
		add = append(add, r.RR())
	}
	return p.doom.Around(what+zone, func() error { return p.host.Change(context.WithoutCancel(ctx), zone, add, del) })
}

// sets are all TXT values at the names of records.
func sets(recs []libdns.Record) []libdns.RR {
	out := make([]libdns.RR, len(recs))
	for i, r := range recs {
		out[i] = libdns.RR{Name: r.RR().Name, Type: "TXT"}
	}
	return out
}
