package catalogue

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/linode"
)

var linodeRow = row{
	name: "linode", title: "Linode (Akamai)", version: "v0.5.0",
	quirks: providers.Quirks{MinTTL: 300 * time.Second, PerSecond: 5},
	read: cites{
		Values: "several: client.go:154@v0.5.0 creates one record a call",
		Append: "adds; an error of the host is logged for debugging only, and the record left out of the answer: provider.go:113@v0.5.0",
		Delete: "by exact value; the TTL counts if one is given: client.go:210 and 213@v0.5.0; nothing to remove is no error",
		ID:     "not needed: client.go:174@v0.5.0 finds it again",
		TTL:    "300 s, raised in silence: techdocs.akamai.com/linode-api (the code has no bound, client.go:326@v0.5.0)",
		Batch:  "one call a record: provider.go:105@v0.5.0; each begins with a search for the domain, client.go:28@v0.5.0",
		Pace:   "nothing said; 5/s is assumed; upstream itself waits for a Retry-After, github.com/linode/linodego retries.go:32@v1.56.0",
		Zone:   "single records: client.go:154 and 218@v0.5.0",
	},
	proof: scripted,
	special: "A zone with a PTR record cannot be read through the API; that a value is gone is then asked of DNS. " +
		"Upstream makes the logger of the whole process write to standard output; that is undone. LINODE_URL, LINODE_API_VERSION and LINODE_CA in the environment are read by the vendor's module.",
	docs: map[string]string{
		"api_token":   "A personal access token that may read and write domains.",
		"api_url":     "The host name or URL of the API.",
		"api_version": "The version of the API.",
	},
	secrets:  []string{"api_token"},
	required: []string{"api_token"},
	omit:     []string{"debug_logs_enabled"},
	open:     func() providers.Provider { return new(unheard) },
}

// through is http.DefaultTransport, but answers a call that begins a client
// with an empty list by itself.
type through struct{}

type beginning struct{}

func (through) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Value(beginning{}) == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(`{"data":[],"page":1,"pages":1,"results":0}`)),
	}, nil
}

// Upstream hands http.DefaultClient, which many providers use, to a module that
// gives a client without a transport one of its own, while others use it
// (github.com/go-resty/resty/v2 client.go:1451@v2.16.5). So it has one before
// anybody does.
func init() {
	if http.DefaultClient.Transport == nil {
		http.DefaultClient.Transport = through{}
	}
}

// unheard gives the process its logger back, which upstream replaces at the
// first call by one that writes to standard output (provider.go:41@v0.5.0).
type unheard struct {
	linode.Provider
	first sync.Once
}

// begin has upstream make its client by a call that goes nowhere.
func (p *unheard) begin(ctx context.Context) *linode.Provider {
	p.first.Do(func() {
		logger, out, flags := slog.Default(), log.Writer(), log.Flags()
		p.Provider.ListZones(context.WithValue(ctx, beginning{}, true))
		slog.SetDefault(logger)
		log.SetOutput(out)
		log.SetFlags(flags)
	})
	return &p.Provider
}

func (p *unheard) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.begin(ctx).AppendRecords(ctx, zone, recs)
}

func (p *unheard) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.begin(ctx).DeleteRecords(ctx, zone, recs)
}

func (p *unheard) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.begin(ctx).SetRecords(ctx, zone, recs)
}

func (p *unheard) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	return p.begin(ctx).GetRecords(ctx, zone)
}

func (p *unheard) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	return p.begin(ctx).ListZones(ctx)
}
