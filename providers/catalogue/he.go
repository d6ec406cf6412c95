package catalogue

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/he"
	"github.com/libdns/libdns"
)

var heRow = row{
	name: "he", title: "Hurricane Electric", version: "v1.2.2",
	quirks: providers.Quirks{OneValue: true, PerSecond: 0.125, Burst: 1, Wait: 5 * time.Minute},
	read: cites{
		Values: "one: client.go:132@v1.2.2 updates the TXT record of a name",
		Append: "replaces: provider.go:42@v1.2.2, as SetRecords does, :64",
		Delete: "whatever value is there, by an empty one in quotes: client.go:144@v1.2.2",
		ID:     "not needed: client.go:187@v1.2.2 names the record",
		TTL:    "not sent; it is that of the record made at the host",
		Batch:  "one call a value: provider.go:42@v1.2.2",
		Pace:   "one call in 8 s, by the provider's own measure: client.go:32@v1.2.2",
		Zone:   "single records: client.go:26@v1.2.2",
	},
	proof: scripted,
	special: "The record is made once at dns.he.net: a dynamic TXT record of the name _acme-challenge..., with a DDNS key of its own, which goes in api_key; with one dns block all names need the same key. It holds one value, so a wildcard and its base name are proven one after the other, and what somebody else put there is replaced. After use it stays, empty. " +
		"The call is made by certform itself: the provider pauses without a look at the deadline, and asks the system's resolver for what is there.",
	docs: map[string]string{
		"api_key": "The DDNS key of the TXT record.",
	},
	secrets:  []string{"api_key"},
	required: []string{"api_key"},
	open:     func() providers.Provider { return new(heUnread) },
}

// heUnread makes the provider's one call at the broker's pace and does not read;
// see the row.
type heUnread struct{ he.Provider }

// GetRecords always fails.
func (*heUnread) GetRecords(context.Context, string) ([]libdns.Record, error) { return nil, errUnread }

func (p *heUnread) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return recs, p.update(ctx, zone, recs, func(r libdns.Record) string { return r.RR().Data })
}

func (p *heUnread) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return recs, p.update(ctx, zone, recs, func(libdns.Record) string { return `""` })
}

func (p *heUnread) update(ctx context.Context, zone string, recs []libdns.Record, text func(libdns.Record) string) error {
	for _, r := range recs {
		if err := p.post(ctx, strings.TrimSuffix(providers.Absolute(r.RR().Name, zone), "."), text(r)); err != nil {
			return err
		}
	}
	return nil
}

// post updates one record. The answer is a word, or one with more behind it
// (client.go:36@v1.2.2).
func (p *heUnread) post(ctx context.Context, name, text string) error {
	form := url.Values{"hostname": {name}, "password": {p.APIKey}, "txt": {text}}
	req, err := http.NewRequestWithContext(ctx, "POST", "https://dyn.dns.he.net/nic/update", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "certform")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return err
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	switch word {
	case "good", "nochg":
		return nil
	case "interval", "911", "dnserr":
		return fmt.Errorf("update %s: the host answers %q", name, word)
	case "badauth":
		return world.Never(world.Hint(fmt.Errorf("update %s: the host answers %q", name, word), "api_key is the DDNS key of the TXT record, not the password of the account"))
	case "nohost", "notxt", "notfqdn", "abuse", "badagent":
		return world.Never(world.Hint(fmt.Errorf("update %s: the host answers %q", name, word), "make a dynamic TXT record of this name at dns.he.net first"))
	}
	return fmt.Errorf("update %s: HTTP %d", name, res.StatusCode)
}
