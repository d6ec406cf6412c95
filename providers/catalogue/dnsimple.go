package catalogue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/certform/certform/providers"
	api "github.com/dnsimple/dnsimple-go/v8/dnsimple"
	"github.com/libdns/dnsimple"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

var dnsimpleRow = row{
	name: "dnsimple", title: "DNSimple", version: "v0.5.0",
	quirks: providers.Quirks{PerSecond: 0.6, Burst: 20},
	read: cites{
		Values: "several: each value is a record of its own, provider.go:126@v0.5.0",
		Append: "adds: provider.go:126@v0.5.0, after a look at the zone, :111",
		Delete: "the first record whose name contains the given one, whatever its value: provider.go:185@v0.5.0 and :195; removals are our own, by exact name and value",
		ID:     "found by listing the TXT records of the name, in our own code",
		TTL:    "sent as given: provider.go:124@v0.5.0",
		Batch:  "one call a record: provider.go:117@v0.5.0",
		Pace:   "2400 an hour by the host's page on rate limits, so 0.6/s after 20",
		Zone:   "single records: provider.go:126@v0.5.0; SetRecords writes all values over one record, :239, and is not used",
	},
	proof:   scripted,
	special: "The libdns provider removes the first record whose name contains the challenge's name, which may be somebody else's. certform removes by exact name and value instead, with the host's own Go module.",
	docs: map[string]string{
		"api_access_token": "An access token of the account.",
		"account_id":       "The id of the account; needed with a token of a user.",
		"api_url":          "Where the API is, instead of the usual place.",
	},
	secrets:  []string{"api_access_token"},
	required: []string{"api_access_token"},
	open:     func() providers.Provider { return new(dnsimpleExact) },
}

// dnsimpleExact reads and removes in place of the libdns provider, which reads
// one page and removes what it does not know.
type dnsimpleExact struct {
	dnsimple.Provider

	mu  sync.Mutex
	api *api.Client
}

// ready connects once; the libdns provider panics if the account is neither
// given nor can be asked for.
func (p *dnsimpleExact) ready(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.api != nil {
		return nil
	}
	c := api.NewClient(api.StaticTokenHTTPClient(ctx, p.APIAccessToken))
	if p.APIURL != "" {
		c.BaseURL = p.APIURL
	}
	if p.AccountID == "" {
		who, err := c.Identity.Whoami(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("ask for the account of the token: %w", err)
		case who.Data == nil || who.Data.Account == nil:
			return errors.New("the token is a user's and not an account's: account_id says which account is meant")
		}
		p.AccountID = strconv.FormatInt(who.Data.Account.ID, 10)
	}
	p.api = c
	return nil
}

// AppendRecords adds records; the zone itself has an empty name here.
func (p *dnsimpleExact) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	named := make([]libdns.Record, len(recs))
	for i, r := range recs {
		rr := r.RR()
		rr.Name = strings.TrimPrefix(rr.Name, "@")
		named[i] = rr
	}
	return p.Provider.AppendRecords(ctx, zone, named)
}

// GetRecords reads the TXT records of a zone, all pages.
func (p *dnsimpleExact) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	all, err := p.list(ctx, zone, nil)
	if err != nil {
		return nil, err
	}
	out := make([]libdns.Record, len(all))
	for i, r := range all {
		out[i] = libdns.TXT{Name: r.Name, Text: unquoted(r.Content)}
	}
	return out, nil
}

// DeleteRecords removes exactly these TXT records; one that is not there is no
// error.
func (p *dnsimpleExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var gone []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		name := strings.TrimPrefix(rr.Name, "@")
		there, err := p.list(ctx, zone, &name)
		if err != nil {
			return gone, err
		}
		for _, t := range there {
			if t.Name != name || unquoted(t.Content) != rr.Data {
				continue
			}
			done, err := p.api.Zones.DeleteRecord(ctx, p.AccountID, strings.TrimSuffix(zone, "."), t.ID)
			if err != nil && (done == nil || done.HTTPResponse == nil || done.HTTPResponse.StatusCode != http.StatusNotFound) {
				return gone, err
			}
		}
		gone = append(gone, r)
	}
	return gone, nil
}

// list is the TXT records of a zone, or of one name in it.
func (p *dnsimpleExact) list(ctx context.Context, zone string, name *string) (all []api.ZoneRecord, err error) {
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	for page := 1; ; page++ {
		o := &api.ZoneRecordListOptions{Name: name, Type: api.String("TXT")}
		o.Page, o.PerPage = api.Int(page), api.Int(100)
		r, err := p.api.Zones.ListRecords(ctx, p.AccountID, strings.TrimSuffix(zone, "."), o)
		if err != nil {
			return nil, err
		}
		all = append(all, r.Data...)
		if r.Pagination == nil || page >= r.Pagination.TotalPages {
			return all, nil
		}
	}
}

// unquoted is a TXT value that a host may have put in quotes.
func unquoted(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	rr, err := dns.NewRR(". TXT " + s)
	if err != nil {
		return s
	}
	return providers.Text(rr.(*dns.TXT))
}
