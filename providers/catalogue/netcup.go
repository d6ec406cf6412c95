package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/libdns"
	"github.com/libdns/netcup"
)

var netcupRow = row{
	name: "netcup", title: "netcup", version: "v1.0.0",
	quirks: providers.Quirks{Batch: 50, PerSecond: 1, Wait: 30 * time.Minute},
	read: cites{
		Values: "several: util.go:159@v1.0.0 leaves out only what is there already",
		Append: "adds: provider.go:94@v1.0.0; what is the first record of its name already is left out, util.go:162@v1.0.0",
		Delete: "ours, by exact value: netcup.go; upstream removes the first record of the name and type, whatever its value: util.go:189@v1.0.0, and its SetRecords overwrites it, util.go:174@v1.0.0",
		ID:     "found again by us; upstream loses it: util.go:76@v1.0.0",
		TTL:    "the zone has one TTL: provider.go:57@v1.0.0",
		Batch:  "all changes in one call: provider.go:91@v1.0.0; 50 is ours",
		Pace:   "nothing said; 1/s is assumed, five requests each: provider.go:68 to 94@v1.0.0",
		Zone:   "single records: client.go:148@v1.0.0",
	},
	proof: scripted,
	special: "Removals are made by certform itself: libdns would remove the first value of the name, whoever's it is. " +
		"netcup takes up to a quarter of an hour until its servers show a change; propagation is waited for up to half an hour.",
	docs: map[string]string{
		"customer_number": "The number of the customer.",
		"api_key":         "The key of the API.",
		"api_password":    "The password of the API.",
	},
	secrets:  []string{"api_key", "api_password"},
	required: []string{"customer_number", "api_key", "api_password"},
	open:     func() providers.Provider { return new(netcupExact) },
}

// netcupExact removes records by their value; see the row.
type netcupExact struct{ netcup.Provider }

// netcupRecord is a record of the API (www.netcup.com, DNS API); a change with
// deleterecord takes the one of that id.
type netcupRecord struct {
	ID          string `json:"id"`
	Hostname    string `json:"hostname"`
	Type        string `json:"type"`
	Priority    string `json:"priority"`
	Destination string `json:"destination"`
	Delete      bool   `json:"deleterecord"`
}

func (p *netcupExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	var session struct {
		ID string `json:"apisessionid"`
	}
	if err := p.ask(ctx, "login", map[string]any{"apipassword": p.APIPassword}, &session); err != nil {
		return nil, err
	}
	param := func(more map[string]any) map[string]any {
		out := map[string]any{"apisessionid": session.ID, "domainname": strings.TrimSuffix(zone, ".")}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	defer p.ask(ctx, "logout", param(nil), nil) // or it ends by itself
	var have struct {
		Records []netcupRecord `json:"dnsrecords"`
	}
	if err := p.ask(ctx, "infoDnsRecords", param(nil), &have); err != nil {
		return nil, err
	}
	var gone []netcupRecord
	var out []libdns.Record
	for _, h := range have.Records {
		for _, r := range recs {
			if rr := r.RR(); h.Hostname == rr.Name && h.Type == rr.Type && h.Destination == rr.Data {
				h.Delete = true
				gone, out = append(gone, h), append(out, r)
				break
			}
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	return out, p.ask(ctx, "updateDnsRecords", param(map[string]any{"dnsrecordset": map[string]any{"dnsrecords": gone}}), nil)
}

// ask makes one call; every answer has HTTP status 200.
func (p *netcupExact) ask(ctx context.Context, action string, param map[string]any, out any) error {
	param["customernumber"], param["apikey"] = p.CustomerNumber, p.APIKey
	var answer struct {
		Status  string          `json:"status"`
		Short   string          `json:"shortmessage"`
		Long    string          `json:"longmessage"`
		Content json.RawMessage `json:"responsedata"`
	}
	c := rest.Client{HTTP: http.DefaultClient, Base: "https://ccp.netcup.net"}
	err := c.Do(ctx, "POST", "/run/webservice/servers/endpoint.php?JSON", map[string]any{"action": action, "param": param}, &answer)
	if err == nil && answer.Status != "success" {
		err = fmt.Errorf("%s: %s", answer.Short, answer.Long)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(answer.Content, out)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}
