package catalogue

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
)

// complete is what every libdns provider can do.
type complete interface {
	providers.Provider
	libdns.RecordGetter
	libdns.RecordSetter
}

// masked is a provider whose errors do not tell its secrets: some hosts take
// them in the query of a URL, and an HTTP client's errors quote the URL.
type masked struct {
	p    complete
	mask *strings.Replacer
}

// lister is a masked provider that lists its zones.
type lister struct {
	masked
	l libdns.ZoneLister
}

// discreet hides secrets; beside are the other arguments, of which one may be the
// user of HTTP's basic authentication.
func discreet(p providers.Provider, secrets, beside []string) providers.Provider {
	m := masked{p: p.(complete), mask: world.Mask(secrets, beside)}
	if l, ok := p.(libdns.ZoneLister); ok {
		return &lister{m, l}
	}
	return &m
}

// quiet is err without secrets. What it wraps can be asked for by errors.Is
// only: an error underneath would tell them.
type quiet struct {
	text string
	err  error
}

func (q *quiet) Error() string        { return q.text }
func (q *quiet) Is(target error) bool { return errors.Is(q.err, target) }

func (m *masked) quiet(err error) error {
	if err == nil {
		return nil
	}
	var out error = &quiet{m.mask.Replace(err.Error()), err}
	if at, _ := world.RetryAt(err); !at.IsZero() {
		out = world.At(out, at)
	}
	for _, advice := range world.Advice(err) {
		out = world.Hint(out, m.mask.Replace(advice))
	}
	return out
}

func (m *masked) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := m.p.AppendRecords(ctx, zone, recs)
	return out, m.quiet(err)
}

func (m *masked) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := m.p.DeleteRecords(ctx, zone, recs)
	return out, m.quiet(err)
}

func (m *masked) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	out, err := m.p.SetRecords(ctx, zone, recs)
	return out, m.quiet(err)
}

func (m *masked) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	out, err := m.p.GetRecords(ctx, zone)
	return out, m.quiet(err)
}

func (l *lister) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	out, err := l.l.ListZones(ctx)
	return out, l.quiet(err)
}

// Close ends what the provider holds, if it can.
func (m *masked) Close() error {
	if c, ok := m.p.(io.Closer); ok {
		return m.quiet(c.Close())
	}
	return nil
}
