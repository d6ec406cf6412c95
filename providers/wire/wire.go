// Package wire is the JSON in which a webhook and a program of the user's are
// told of changes, and answer with records and zones.
//
// How it gets there, and what a refusal is, is left to webhook and exec.
package wire

import (
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Record is one record: its name fully qualified, the value of a TXT record
// plain text, its TTL in seconds.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	TTL   int    `json:"ttl"`
}

// Change is one record that is to be there ("add") or not ("delete").
type Change struct {
	Op string `json:"op"`
	Record
}

// Changes puts removals before additions.
func Changes(zone string, add, del []libdns.RR) (out []Change) {
	put := func(op string, rrs []libdns.RR) {
		for _, rr := range rrs {
			out = append(out, Change{op, Record{providers.Absolute(rr.Name, zone), rr.Type, rr.Data, max(1, int(rr.TTL/time.Second))}})
		}
	}
	put("delete", del)
	put("add", add)
	return out
}

// Records are those of the zone as libdns has them. One of another zone is a
// mistake of who answered, and not ours to touch.
func Records(zone string, all []Record) (out []libdns.Record) {
	for _, r := range all {
		rel, ok := providers.Relative(dns.Fqdn(r.Name), zone)
		if !ok {
			continue
		}
		rr := libdns.RR{Name: rel, Type: r.Type, Data: r.Value, TTL: time.Duration(r.TTL) * time.Second}
		if typed, err := rr.Parse(); err == nil {
			out = append(out, typed)
		} else {
			out = append(out, rr)
		}
	}
	return out
}

// Zones are zones by their names, with or without a dot at the end.
func Zones(names []string) []libdns.Zone {
	out := make([]libdns.Zone, len(names))
	for i, n := range names {
		out[i] = libdns.Zone{Name: dns.Fqdn(n)}
	}
	return out
}
