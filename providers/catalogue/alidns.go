package catalogue

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/alidns"
	"github.com/libdns/libdns"
)

var alidnsRow = row{
	name: "alidns", title: "Alibaba Cloud DNS", version: "v1.0.7",
	quirks: providers.Quirks{MinTTL: 10 * time.Minute, PerSecond: 5},
	read: cites{
		Values: "several: each value is a record of its own, client_actions.go:39@v1.0.7",
		Append: "adds: provider.go:21@v1.0.7",
		Delete: "the first record of a search for name, type and value, in which parts match too: client_actions.go:149@v1.0.7 and :158",
		ID:     "not needed: it is searched for, provider.go:40@v1.0.7",
		TTL:    "at least 600 s, raised in silence, but in the enterprise editions: provider.go:133@v1.0.7",
		Batch:  "one call a record, after a search for its zone: provider.go:128@v1.0.7; the latter without a context, client.go:37",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client_actions.go:39@v1.0.7",
	},
	proof:   scripted,
	special: "The provider reads the first page of a zone only (client_actions.go:124), so certform asks DNS whether values are gone. Its calls disturb each other when two zones are changed at once (provider.go:117), so they are made one after the other.",
	docs: map[string]string{
		"access_key_id":     "The id of the access key.",
		"access_key_secret": "The secret of the access key.",
		"region_id":         "The region, cn-hangzhou if not given.",
		"security_token":    "The security token of temporary credentials.",
	},
	secrets:  []string{"access_key_secret", "security_token"},
	required: []string{"access_key_id", "access_key_secret"},
	open:     func() providers.Provider { return new(alidnsSerial) },
}

// alidnsSerial makes one call at a time, and reads nothing.
type alidnsSerial struct {
	alidns.Provider
	mu sync.Mutex
}

// GetRecords always fails.
func (*alidnsSerial) GetRecords(context.Context, string) ([]libdns.Record, error) {
	return nil, errUnread
}

// AppendRecords adds records.
func (p *alidnsSerial) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Provider.AppendRecords(ctx, zone, recs)
}

// DeleteRecords removes records; one that is not there is no error, which the
// provider tells by its words alone.
func (p *alidnsSerial) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, r := range recs {
		_, err := p.Provider.DeleteRecords(ctx, zone, []libdns.Record{r})
		if err != nil && !strings.Contains(err.Error(), "the Record Name of the domain not found") {
			errs = append(errs, err)
		}
	}
	return recs, errors.Join(errs...)
}
