package catalogue

import (
	"context"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/huaweicloud"
	"github.com/libdns/libdns"
)

var huaweicloudRow = row{
	name: "huaweicloud", title: "Huawei Cloud", version: "v1.0.1",
	quirks: providers.Quirks{Replaces: true, DeletesByName: true, Batch: 50, PerSecond: 5},
	read: cites{
		Values: "several, as one set: models.go:35@v1.0.1",
		Append: "makes a set of one value: client.go:60@v1.0.1, models.go:82; where there is one, the host refuses another. SetRecords writes one value over the others: provider.go:104@v1.0.1. Here the set is written as a whole",
		Delete: "the whole set, whatever value was given: client.go:173 and provider.go:131@v1.0.1",
		ID:     "found by name and type: client.go:133@v1.0.1",
		TTL:    "at least 1 s: models.go:66@v1.0.1",
		Batch:  "one call a name: client.go:86@v1.0.1; 50 is ours",
		Pace:   "nothing said; 5/s is assumed, two or three requests each",
		Zone:   "sets are rewritten, not the zone: client.go:98@v1.0.1",
	},
	proof: scripted,
	special: "The host handles whole sets of records, so the zone is locked between the machines that use one state while a set is changed, and what somebody else changes at that moment is lost. " +
		"Sets are written by certform itself, with the provider's client: libdns would keep one value of a name. A zone of 500 sets or more cannot be read, and not be changed.",
	docs: map[string]string{
		"access_key_id":     "The access key's id.",
		"secret_access_key": "The access key's secret.",
		"region_id":         "The region whose API is asked; cn-south-1 if not given.",
	},
	secrets:  []string{"secret_access_key"},
	plain:    []string{"access_key_id"},
	required: []string{"access_key_id", "secret_access_key"},
	open:     func() providers.Provider { return new(huaweicloudSets) },
}

// huaweicloudSets reads, writes and removes whole sets of TXT values; see the
// row.
type huaweicloudSets struct{ huaweicloud.Provider }

// huaweicloudPage is how many sets the host is assumed to give if it is not
// told how many; the provider does not ask for more (client.go:49@v1.0.1).
const huaweicloudPage = 500

func (p *huaweicloudSets) client() *huaweicloud.Client {
	return huaweicloud.NewClient(p.AccessKeyId, p.SecretAccessKey, p.RegionId)
}

// list is the sets of TXT values by their full name.
func (p *huaweicloudSets) list(ctx context.Context, zone string) (map[string]huaweicloud.RecordSet, error) {
	all, err := p.client().GetRecords(ctx, zone)
	if err != nil {
		return nil, err
	}
	if len(all) >= huaweicloudPage {
		return nil, errUnread
	}
	out := map[string]huaweicloud.RecordSet{}
	for _, s := range all {
		if s.Type == "TXT" {
			out[providers.Absolute(s.Name, ".")] = s
		}
	}
	return out, nil
}

func (p *huaweicloudSets) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	all, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	var out []libdns.Record
	for name, s := range all {
		rel, _ := providers.Relative(name, zone)
		for _, v := range s.Records {
			out = append(out, libdns.TXT{Name: rel, TTL: time.Duration(s.Ttl) * time.Second, Text: unquoted(v)})
		}
	}
	return out, nil
}

// SetRecords writes the set of each name.
func (p *huaweicloudSets) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	all, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	c := p.client()
	for _, s := range setsOf(recs) {
		name := providers.Absolute(s.name, zone)
		in := huaweicloud.RecordSet{Id: all[name].Id, Name: name, Type: "TXT", Ttl: int32(s.ttl.Seconds())}
		for _, v := range s.values {
			in.Records = append(in.Records, quoted(v))
		}
		if in.Id == "" {
			_, err = c.AppendRecord(ctx, zone, in)
		} else {
			_, err = c.UpdateRecord(ctx, zone, in)
		}
		if err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// DeleteRecords removes the set of each name, whatever its values; one that is
// not there is no error.
func (p *huaweicloudSets) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	all, err := p.list(ctx, zone)
	if err != nil {
		return nil, err
	}
	for _, s := range setsOf(recs) {
		there, ok := all[providers.Absolute(s.name, zone)]
		if !ok {
			continue
		}
		if _, err := p.client().DeleteRecord(ctx, zone, there.Id); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
