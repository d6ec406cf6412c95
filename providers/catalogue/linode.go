package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/rest"
	"github.com/libdns/libdns"
	"github.com/libdns/linode"
	"github.com/miekg/dns"
)

var linodeRow = row{
	name: "linode", title: "Linode (Akamai)", version: "v0.5.0",
	quirks: providers.Quirks{MinTTL: 300 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several: linode.go creates one record a call, as client.go:154@v0.5.0 does",
		Append: "ours: linode.go; upstream logs an error of the host for debugging only, and leaves the record out of its answer: provider.go:113@v0.5.0",
		Delete: "ours, by exact value: linode.go; upstream too: client.go:210 and 213@v0.5.0; nothing to remove is no error",
		ID:     "found again by us; upstream: client.go:174@v0.5.0",
		TTL:    "300 s, raised in silence: techdocs.akamai.com/linode-api (the code has no bound, client.go:326@v0.5.0)",
		Batch:  "one call a record: provider.go:105@v0.5.0; each change begins with a search for the domain, client.go:28@v0.5.0",
		Pace:   "nothing said; 5/s is assumed",
		Zone:   "single records: client.go:154 and 218@v0.5.0",
	},
	proof: scripted,
	special: "The calls are certform's own: upstream makes the logger of the whole process write to standard output (provider.go:41@v0.5.0), " +
		"and gives the process's HTTP client another transport while others use it (github.com/go-resty/resty/v2 client.go:1451@v2.16.5).",
	docs: map[string]string{
		"api_token":   "A personal access token that may read and write domains.",
		"api_url":     "The host name or URL of the API.",
		"api_version": "The version of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	omit:     []string{"debug_logs_enabled"},
	open:     func() providers.Provider { return new(linodeExact) },
}

// linodeExact takes the arguments of upstream and makes its own calls; see the
// row.
type linodeExact struct {
	linode.Provider
	HTTPClient *http.Client `json:"-"`
}

type linodeRecord struct {
	ID     int    `json:"id,omitempty"`
	Type   string `json:"type"`
	Name   string `json:"name"` // "" at the top of the domain
	Target string `json:"target"`
	TTL    int    `json:"ttl_sec"`
}

func (p *linodeExact) client() *rest.Client {
	base := cmp.Or(p.APIURL, "api.linode.com")
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	return &rest.Client{
		HTTP: p.HTTPClient, Base: strings.TrimSuffix(base, "/") + "/" + cmp.Or(p.APIVersion, "v4"),
		Header: map[string]string{"Authorization": "Bearer " + p.APIToken},
	}
}

// linodeAll reads every page of a list. filter is an X-Filter; "" is all.
func linodeAll[T any](ctx context.Context, c *rest.Client, path, filter string) (out []T, err error) {
	conditions := map[string]string{}
	if filter != "" {
		conditions["X-Filter"] = filter
	}
	for page := 1; ; page++ {
		var in struct {
			Data  []T
			Pages int
		}
		query := url.Values{"page": {strconv.Itoa(page)}, "page_size": {"500"}}
		if err := c.DoIf(ctx, http.MethodGet, path+"?"+query.Encode(), conditions, nil, &in); err != nil {
			return nil, err
		}
		out = append(out, in.Data...)
		if page >= in.Pages {
			return out, nil
		}
	}
}

type linodeDomain struct {
	ID     int
	Domain string
}

// records is the path of the records of a zone.
func (p *linodeExact) records(ctx context.Context, c *rest.Client, zone string) (string, error) {
	bare := strings.TrimSuffix(dns.CanonicalName(zone), ".")
	found, err := linodeAll[linodeDomain](ctx, c, "/domains", fmt.Sprintf(`{"domain":%q}`, bare))
	if err != nil {
		return "", err
	}
	for _, d := range found {
		if strings.EqualFold(d.Domain, bare) {
			return fmt.Sprintf("/domains/%d/records", d.ID), nil
		}
	}
	return "", world.Never(fmt.Errorf("the account has no domain %s", bare))
}

func linodeName(rr libdns.RR, zone string) string {
	rel, _ := providers.Relative(providers.Absolute(rr.Name, zone), zone)
	return strings.TrimPrefix(rel, "@")
}

func (p *linodeExact) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	c := p.client()
	path, err := p.records(ctx, c, zone)
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		rr := r.RR()
		one := linodeRecord{Type: rr.Type, Name: linodeName(rr, zone), Target: rr.Data, TTL: int(rr.TTL / time.Second)}
		if err := c.Do(ctx, http.MethodPost, path, one, nil); err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (p *linodeExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) (out []libdns.Record, err error) {
	c := p.client()
	path, err := p.records(ctx, c, zone)
	if err != nil {
		return nil, err
	}
	have, err := linodeAll[linodeRecord](ctx, c, path, "")
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		rr := r.RR()
		for _, h := range have {
			if h.Type != rr.Type || h.Target != rr.Data || !strings.EqualFold(h.Name, linodeName(rr, zone)) {
				continue
			}
			err := c.Do(ctx, http.MethodDelete, fmt.Sprintf("%s/%d", path, h.ID), nil, nil)
			if s := new(rest.Status); err != nil && !(errors.As(err, &s) && s.Code == http.StatusNotFound) {
				return out, err
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// GetRecords reads the TXT records.
func (p *linodeExact) GetRecords(ctx context.Context, zone string) (out []libdns.Record, err error) {
	c := p.client()
	path, err := p.records(ctx, c, zone)
	if err != nil {
		return nil, err
	}
	have, err := linodeAll[linodeRecord](ctx, c, path, "")
	if err != nil {
		return nil, err
	}
	for _, h := range have {
		if h.Type == "TXT" {
			out = append(out, libdns.TXT{Name: cmp.Or(h.Name, "@"), Text: h.Target, TTL: time.Duration(h.TTL) * time.Second})
		}
	}
	return out, nil
}

// SetRecords is not offered: values are added and removed one by one.
func (p *linodeExact) SetRecords(context.Context, string, []libdns.Record) ([]libdns.Record, error) {
	return nil, errors.ErrUnsupported
}

func (p *linodeExact) ListZones(ctx context.Context) (out []libdns.Zone, err error) {
	all, err := linodeAll[linodeDomain](ctx, p.client(), "/domains", "")
	for _, d := range all {
		out = append(out, libdns.Zone{Name: dns.CanonicalName(d.Domain)})
	}
	return out, err
}
