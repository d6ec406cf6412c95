package catalogue

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/ovh"
	vendor "github.com/ovh/go-ovh/ovh"
)

var ovhRow = row{
	name: "ovh", title: "OVHcloud", version: "v1.1.0",
	quirks: providers.Quirks{PerSecond: 5},
	read: cites{
		Values: "several: client.go:101@v1.1.0 creates one record a call",
		Append: "adds, then has the zone refreshed: provider.go:34 and 42@v1.1.0; without a refresh nothing is served",
		Delete: "by exact value: models.go:91@v1.1.0; nothing to remove is no error",
		ID:     "not needed: client.go:244@v1.1.0 finds it again by name and type",
		TTL:    "60 s, raised in silence: models.go:56@v1.1.0",
		Batch:  "one call a record and a refresh a batch: provider.go:33@v1.1.0; no batch, since one bad record would leave the others unserved",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:101 and 225@v1.1.0",
	},
	proof: scripted,
	special: "A change is served once the zone was refreshed; where a refresh fails it is asked for again, which upstream does not do. " +
		"endpoint is ovh-eu, ovh-ca, ovh-us, kimsufi-eu, kimsufi-ca, soyoustart-eu, soyoustart-ca or a URL. " +
		"The vendor's module also reads OVH_* from the environment and /etc/ovh.conf, ~/.ovh.conf and ./ovh.conf: an access token or client id there is an error beside the keys given here.",
	docs: map[string]string{
		"endpoint":           "The name of the API (ovh-eu, ovh-ca, ovh-us, ...), or its URL without a slash at the end.",
		"application_key":    "The key of the application that was registered at the API.",
		"application_secret": "The application's secret.",
		"consumer_key":       "The consumer key; it needs GET, POST and DELETE on /domain/zone/*.",
	},
	secrets:  []string{"application_key", "application_secret", "consumer_key"},
	required: []string{"endpoint", "application_key", "application_secret", "consumer_key"},
	example:  map[string]string{"endpoint": `"ovh-eu"`},
	open:     func() providers.Provider { return new(refreshing) },
}

// refreshing asks again for a refresh that failed. Upstream refreshes after a
// change of its own only, and what was deleted before a failed refresh is
// nothing to delete at the next try (provider.go:97@v1.1.0): it would be served
// until somebody changes the zone.
type refreshing struct {
	ovh.Provider
	mu    sync.Mutex
	stale map[string]bool // zones whose last change failed
}

func (p *refreshing) refresh(ctx context.Context, zone string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stale[zone] {
		return nil
	}
	c, err := vendor.NewClient(p.Endpoint, p.ApplicationKey, p.ApplicationSecret, p.ConsumerKey)
	if err != nil {
		return err
	}
	if err := c.PostWithContext(ctx, "/domain/zone/"+strings.TrimSuffix(zone, ".")+"/refresh", nil, nil); err != nil {
		return fmt.Errorf("refresh the zone after a change that failed: %w", err)
	}
	delete(p.stale, zone)
	return nil
}

// changed notes whether a change may have been made without a refresh.
func (p *refreshing) changed(zone string, err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stale == nil {
		p.stale = map[string]bool{}
	}
	p.stale[zone] = true
}

func (p *refreshing) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	if err := p.refresh(ctx, zone); err != nil {
		return nil, err
	}
	return p.Provider.GetRecords(ctx, zone)
}

func (p *refreshing) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := p.Provider.AppendRecords(ctx, zone, recs)
	p.changed(zone, err)
	return out, err
}

func (p *refreshing) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := p.Provider.SetRecords(ctx, zone, recs)
	p.changed(zone, err)
	return out, err
}

func (p *refreshing) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := p.Provider.DeleteRecords(ctx, zone, recs)
	p.changed(zone, err)
	return out, err
}
