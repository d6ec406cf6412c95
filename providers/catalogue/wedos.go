package catalogue

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/libdns/wedos"
)

var wedosRow = row{
	name: "wedos", title: "WEDOS", version: "v1.0.4",
	// A change is served within five minutes of the last one of the zone:
	// kb.wedos.com, "WAPI - command dns-domain-commit".
	quirks: providers.Quirks{MinTTL: 300 * time.Second, PerSecond: 1, Wait: 15 * time.Minute},
	read: cites{
		Values: "several: provider.go:79@v1.0.4 creates one record a call; its SetRecords overwrites one value of a name (provider.go:147) and is not used",
		Append: "adds; a refusal is left out of the answer and its reason dropped: provider.go:95@v1.0.4; the TTL is sent in nanoseconds, convert.go:211, and is given in them here",
		Delete: "by exact value: provider.go:242@v1.0.4; a refusal of the list or of the removal is not looked at (provider.go:219 and 270), so that the zone is read again, or DNS asked where the list is empty",
		ID:     "not needed: provider.go:208@v1.0.4 finds it again",
		TTL:    "300 s is assumed: nothing said",
		Batch:  "one call a record: provider.go:73@v1.0.4",
		Pace:   "nothing said; 1/s is assumed",
		Zone:   "single records: provider.go:79 and 259@v1.0.4",
	},
	proof: scripted,
	special: "Upstream does not ask for its changes to be published; the host does so by itself within five minutes of the last one, and that is waited for. " +
		"WAPI must be switched on in the account, and this machine's address allowed there. " +
		"Why the host refused a change is not told by upstream.",
	docs: map[string]string{
		"username": "The login name of the account (an e-mail address).",
		"password": "The password of WAPI, not that of the account.",
	},
	secrets:  []string{"password"},
	required: []string{"username", "password"},
	open:     func() providers.Provider { return new(wedosExact) },
}

// wedosExact gives upstream what it takes to be right: a zone without the dot
// at the end, which it removes only where it adds, and a TTL in nanoseconds.
type wedosExact struct{ wedos.Provider }

// GetRecords does not believe in an empty zone, for which upstream takes every
// refusal (provider.go:51@v1.0.4).
func (p *wedosExact) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	recs, err := p.Provider.GetRecords(ctx, strings.TrimSuffix(zone, "."))
	if err == nil && len(recs) == 0 {
		err = world.Never(errors.New("the host lists no record of the zone, or refuses to"))
	}
	return recs, err
}

func (p *wedosExact) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	in := make([]libdns.Record, len(recs))
	for i, r := range recs {
		rr := r.RR()
		rr.TTL /= time.Second
		in[i] = rr
	}
	return p.Provider.AppendRecords(ctx, zone, in)
}

func (p *wedosExact) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.Provider.DeleteRecords(ctx, strings.TrimSuffix(zone, "."), recs)
}
