package providers

import (
	"context"

	"github.com/libdns/libdns"
)

// AppendBy and DeleteBy give a Changer libdns's own two methods.
func AppendBy(ctx context.Context, c Changer, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if err := c.Change(ctx, zone, rrs(recs), nil); err != nil {
		return nil, err
	}
	return recs, nil
}

// DeleteBy is AppendBy's counterpart; it returns what it was given, since a
// Changer does not say what was there.
func DeleteBy(ctx context.Context, c Changer, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if err := c.Change(ctx, zone, nil, rrs(recs)); err != nil {
		return nil, err
	}
	return recs, nil
}

func rrs(recs []libdns.Record) []libdns.RR {
	out := make([]libdns.RR, len(recs))
	for i, r := range recs {
		out[i] = r.RR()
	}
	return out
}

// Edit is what a change does at one name, for hosts that handle whole sets.
type Edit struct {
	Name     string // canonical
	Add, Del []libdns.RR
}

// Edits sorts a change by name, in the order in which the names come.
func Edits(zone string, add, del []libdns.RR) []Edit {
	var out []Edit
	at := map[string]int{}
	of := func(rr libdns.RR) *Edit {
		name := Absolute(rr.Name, zone)
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name] = i
			out = append(out, Edit{Name: name})
		}
		return &out[i]
	}
	for _, rr := range add {
		e := of(rr)
		e.Add = append(e.Add, rr)
	}
	for _, rr := range del {
		e := of(rr)
		e.Del = append(e.Del, rr)
	}
	return out
}

// Names is the names of edits.
func Names(edits []Edit) []string {
	out := make([]string, len(edits))
	for i, e := range edits {
		out[i] = e.Name
	}
	return out
}
