package catalogue

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/bluecat"
	"github.com/libdns/libdns"
)

var bluecatRow = row{
	name: "bluecat", title: "BlueCat Address Manager", version: "v0.1.4",
	quirks: providers.Quirks{PerSecond: 5, Wait: 5 * time.Minute},
	read: cites{
		Values: "several: each value is a record of its own, client.go:201@v0.1.4",
		Append: "adds: provider.go:71@v0.1.4",
		Delete: "by the record's id, and without one the first record of the name: provider.go:198@v0.1.4 and client.go:674; ids are found by our own search",
		ID:     "needed: provider.go:185@v0.1.4; its own search sends a URL with blanks, client.go:639",
		TTL:    "sent as given: client.go:558@v0.1.4",
		Batch:  "one call a record, and one a batch that deploys the zone: provider.go:70@v0.1.4 and :79",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:201@v0.1.4; SetRecords removes all other records of the zone, provider.go:123, and is not used",
	},
	proof:   scripted,
	special: "The provider reads the first page of a zone only (client.go:141), so certform looks for the records that it removes by itself and asks DNS whether they are gone. The configuration and the view are not used by it: of several zones of one name the first is taken.",
	docs: map[string]string{
		"server_url":         "Where the API is, as in https://bam.example.com.",
		"username":           "The user name of the account.",
		"password":           "Its password.",
		"configuration_name": "Not used by the provider.",
		"view_name":          "Not used by the provider.",
	},
	secrets:  []string{"password"},
	required: []string{"server_url", "username", "password"},
	example:  map[string]string{"server_url": `"https://bam.example.com"`},
	open:     func() providers.Provider { return new(bluecatExact) },
}

// bluecatExact finds the records that it removes by name and value.
type bluecatExact struct {
	bluecat.Provider

	mu  sync.Mutex
	api *rest.Client
}

// GetRecords always fails.
func (*bluecatExact) GetRecords(context.Context, string) ([]libdns.Record, error) {
	return nil, errUnread
}

// DeleteRecords removes exactly these TXT records; one that is not there is no
// error.
func (p *bluecatExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var found []libdns.Record
	for _, r := range recs {
		there, err := p.find(ctx, r.RR(), zone)
		if err != nil {
			return nil, err
		}
		found = append(found, there...)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return p.Provider.DeleteRecords(ctx, zone, found)
}

// find is the records that rr stands for, with their ids.
func (p *bluecatExact) find(ctx context.Context, rr libdns.RR, zone string) (found []libdns.Record, err error) {
	c, err := p.session(ctx)
	if err != nil {
		return nil, err
	}
	filter := fmt.Sprintf("absoluteName:eq('%s') and type:eq('TXTRecord')", strings.TrimSuffix(providers.Absolute(rr.Name, zone), "."))
	var out struct {
		Data []bluecat.BluecatResourceRecord `json:"data"`
	}
	if err := c.Do(ctx, http.MethodGet, "/api/v2/resourceRecords?limit=1000&filter="+url.QueryEscape(filter), nil, &out); err != nil {
		p.mu.Lock()
		p.api = nil // the session may be over
		p.mu.Unlock()
		return nil, err
	}
	for _, r := range out.Data {
		if r.Type == "TXTRecord" && r.Text == rr.Data {
			found = append(found, libdns.TXT{Name: rr.Name, Text: rr.Data, ProviderData: r.ID})
		}
	}
	return found, nil
}

func (p *bluecatExact) session(ctx context.Context) (*rest.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.api != nil {
		return p.api, nil
	}
	c := &rest.Client{HTTP: &http.Client{Timeout: 45 * time.Second}, Base: strings.TrimSuffix(p.ServerURL, "/"), Header: map[string]string{}}
	var out struct {
		Basic string `json:"basicAuthenticationCredentials"`
	}
	if err := c.Do(ctx, http.MethodPost, "/api/v2/sessions", map[string]string{"username": p.Username, "password": p.Password}, &out); err != nil {
		return nil, err
	}
	c.Header["Authorization"] = "Basic " + out.Basic
	p.api = c
	return c, nil
}
