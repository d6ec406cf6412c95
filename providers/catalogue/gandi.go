package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/gandi"
	"github.com/libdns/libdns"
)

var gandiRow = row{
	name: "gandi", title: "Gandi LiveDNS", version: "v1.1.0",
	quirks: providers.Quirks{Replaces: true, DeletesByName: true, Batch: 50, MinTTL: 300 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several, as one set: client.go:46@v1.1.0",
		Append: "upstream reads the set and writes it back with the value, client.go:24 and 59@v1.1.0; here the set is written as a whole, once for all values",
		Delete: "here the whole set, or what stays is written. Upstream compares the value with one in quotes and leaves it without an error where there are several: client.go:94@v1.1.0",
		ID:     "not needed: a set is named by name and type, client.go:59@v1.1.0",
		TTL:    "nothing in the code; 300 s is assumed to be the least",
		Batch:  "one call a name: client.go:59@v1.1.0; 50 is ours",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "sets are rewritten, not the zone: client.go:59@v1.1.0",
	},
	proof: scripted,
	special: "The host handles whole sets of records, so the zone is locked between the machines that use one state while a set is changed, and what somebody else changes at that moment is lost. " +
		"Sets are read and written by certform itself: libdns would leave values behind where a name has several.",
	docs: map[string]string{
		"bearer_token": "A personal access token that may manage the domain's technical configuration.",
	},
	secrets:  []string{"bearer_token"},
	required: []string{"bearer_token"},
	open:     func() providers.Provider { return new(gandiSets) },
}

// gandiSets reads, writes and removes whole sets of TXT values; see the row.
type gandiSets struct{ gandi.Provider }

type gandiSet struct {
	Name   string   `json:"rrset_name,omitempty"`
	Type   string   `json:"rrset_type,omitempty"`
	TTL    int      `json:"rrset_ttl,omitempty"`
	Values []string `json:"rrset_values"`
}

const gandiAPI = "https://api.gandi.net"

func gandiPath(zone string) string {
	return "/v5/livedns/domains/" + url.PathEscape(strings.TrimSuffix(zone, ".")) + "/records"
}

func (p *gandiSets) client() *rest.Client {
	return &rest.Client{HTTP: http.DefaultClient, Base: gandiAPI, Header: map[string]string{"Authorization": "Bearer " + p.BearerToken}}
}

// GetRecords reads the TXT records of a zone. The host may give them page by
// page, and then names the next one in a header.
func (p *gandiSets) GetRecords(ctx context.Context, zone string) (out []libdns.Record, err error) {
	for next := gandiAPI + gandiPath(zone); next != ""; {
		var sets []gandiSet
		if sets, next, err = p.page(ctx, next); err != nil {
			return nil, err
		}
		for _, s := range sets {
			for _, v := range s.Values {
				if s.Type == "TXT" {
					out = append(out, libdns.TXT{Name: s.Name, TTL: time.Duration(s.TTL) * time.Second, Text: unquoted(v)})
				}
			}
		}
	}
	return out, nil
}

func (p *gandiSets) page(ctx context.Context, at string) (sets []gandiSet, next string, err error) {
	if err := providers.Pace(ctx); err != nil {
		return nil, "", err
	}
	req, err := http.NewRequestWithContext(ctx, "GET", at, nil)
	if err != nil {
		return nil, "", err
	}
	if req.URL.Scheme+"://"+req.URL.Host != gandiAPI {
		return nil, "", fmt.Errorf("the host sends us to %s for the rest of the zone", req.URL.Host)
	}
	req.Header.Set("Authorization", "Bearer "+p.BearerToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("read the records: HTTP %d", res.StatusCode)
	}
	for _, link := range strings.Split(res.Header.Get("Link"), ",") {
		if target, rel, ok := strings.Cut(link, ";"); ok && strings.Contains(rel, `rel="next"`) {
			if u, err := req.URL.Parse(strings.Trim(target, " <>")); err == nil {
				next = u.String()
			}
		}
	}
	return sets, next, json.Unmarshal(body, &sets)
}

// SetRecords writes the set of each name.
func (p *gandiSets) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, s := range setsOf(recs) {
		in := gandiSet{TTL: int(s.ttl.Seconds())}
		for _, v := range s.values {
			in.Values = append(in.Values, quoted(v))
		}
		if err := p.client().Do(ctx, "PUT", gandiPath(zone)+"/"+url.PathEscape(s.name)+"/TXT", in, nil); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// DeleteRecords removes the set of each name, whatever its values.
func (p *gandiSets) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, s := range setsOf(recs) {
		if err := p.client().Do(ctx, "DELETE", gandiPath(zone)+"/"+url.PathEscape(s.name)+"/TXT", nil, nil); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
