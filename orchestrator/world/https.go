package world

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/miekg/dns"
)

// ExchangeHTTPS asks one resolver one question over HTTPS (RFC 8484). url is
// the resolver's without a template, as https://dns.example.com/dns-query.
// client comes from Client and is kept by the caller, so that many questions
// share a connection. What Exchange says of answers and errors holds here too.
func ExchangeHTTPS(ctx context.Context, client *http.Client, url string, m *dns.Msg) (*dns.Msg, error) {
	m = m.Copy()
	m.Id = 0 // RFC 8484, section 4.1: the same question is the same request
	r, err := exchangeHTTPS(ctx, client, url, m)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", url, err)
	}
	return r, nil
}

func exchangeHTTPS(ctx context.Context, client *http.Client, url string, m *dns.Msg) (*dns.Msg, error) {
	const media = "application/dns-message"
	packed, err := m.Pack()
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", media)
	q.Header.Set("Accept", media)
	a, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, dns.MaxMsgSize))
	switch {
	case err != nil:
		return nil, err
	case a.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("HTTP status %s", a.Status)
	case a.Header.Get("Content-Type") != media:
		return nil, fmt.Errorf("it answers %q, which is no DNS message", a.Header.Get("Content-Type"))
	}
	r := new(dns.Msg)
	if err := r.Unpack(body); err != nil {
		return nil, fmt.Errorf("its answer is no DNS message: %w", err)
	}
	if !r.Response || len(r.Question) != 1 || len(m.Question) != 1 || dns.CanonicalName(r.Question[0].Name) != dns.CanonicalName(m.Question[0].Name) || r.Question[0].Qtype != m.Question[0].Qtype {
		return nil, fmt.Errorf("it answers another question")
	}
	return r, nil
}
