package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/porkbun"
)

var porkbunRow = row{
	name: "porkbun", title: "Porkbun", version: "v1.1.0",
	quirks: providers.Quirks{MinTTL: 600 * time.Second, PerSecond: 1},
	read: cites{
		Values: "several: provider.go:72@v1.1.0 creates one record a call; its SetRecords overwrites all values of a name with one (client.go:72@v1.1.0) and is not used",
		Append: "adds: provider.go:72@v1.1.0; a failure answered with status 200 is an error, provider.go:78@v1.1.0",
		Delete: "upstream deletes by name and type, all values, and ignores the answer's status: provider.go:152@v1.1.0; here the record is found by its exact value and deleted by its id",
		ID:     "needed by the API, and not kept by upstream (models.go:25@v1.1.0); it is asked for",
		TTL:    "600 s, raised in silence: provider.go:60@v1.1.0",
		Batch:  "one call a record: provider.go:58@v1.1.0",
		Pace:   "nothing said; 1/s is assumed",
		Zone:   "single records: provider.go:72@v1.1.0",
	},
	proof: scripted,
	special: "Each domain must have API access switched on in its settings. " +
		"Upstream would delete every TXT value of a name at once; here exactly one record is deleted, by its id. " +
		"Upstream takes no deadline: a call that hangs is given up after a minute.",
	docs: map[string]string{
		"api_key":        "The API key (pk1_...).",
		"api_secret_key": "The secret key that belongs to it (sk1_...).",
	},
	secrets:  []string{"api_key", "api_secret_key"},
	required: []string{"api_key", "api_secret_key"},
	open:     func() providers.Provider { return new(porkbunByID) },
}

// porkbunByID deletes single records, which the host can and upstream does not.
type porkbunByID struct{ porkbun.Provider }

// porkbunAnswer is https://porkbun.com/api/json/v3/documentation.
type porkbunAnswer struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Records []struct {
		ID      json.RawMessage `json:"id"` // a string or a number
		Name    string          `json:"name"`
		Type    string          `json:"type"`
		Content string          `json:"content"`
	} `json:"records"`
}

func (p *porkbunByID) call(endpoint string) (porkbunAnswer, error) {
	body, err := json.Marshal(porkbun.ApiCredentials{Apikey: p.APIKey, Secretapikey: p.APISecretKey})
	if err != nil {
		return porkbunAnswer{}, err
	}
	a, err := porkbun.MakeApiRequest(endpoint, bytes.NewReader(body), porkbunAnswer{})
	if err == nil && a.Status != "SUCCESS" {
		err = fmt.Errorf("%s: %s %s", endpoint, a.Status, a.Message)
	}
	return a, err
}

// DeleteRecords deletes by exact value. What is not there is no error.
func (p *porkbunByID) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	domain := strings.TrimSuffix(zone, ".")
	have, err := p.call("/dns/retrieve/" + domain)
	if err != nil {
		return nil, err
	}
	var gone []libdns.Record
	for _, r := range recs {
		rr := r.RR()
		for _, h := range have.Records {
			if h.Type != rr.Type || h.Content != rr.Data || providers.Absolute(h.Name+".", zone) != providers.Absolute(rr.Name, zone) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return gone, err
			}
			if _, err := p.call("/dns/delete/" + domain + "/" + strings.Trim(string(h.ID), `"`)); err != nil {
				return gone, err
			}
			gone = append(gone, r)
		}
	}
	return gone, nil
}
