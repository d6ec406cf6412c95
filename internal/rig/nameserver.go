package rig

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TSIG is the key that a DNS server of the rig knows its users by.
type TSIG struct {
	Name      string // absolute: "certform."
	Algorithm string // as in RFC 8945, with a final dot: "hmac-sha256."
	Secret    string // base64
}

// Nameserver is a DNS server as its users see it. Its methods open a connection
// for each call and may be used by several goroutines.
type Nameserver struct {
	Addr string // host:port, UDP and TCP
	TSIG TSIG   // for updates and transfers; empty where the server wants none

	skewed bool // its clock is not this machine's: what is signed here is refused there
}

func newTSIG(t testing.TB) TSIG {
	t.Helper()
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	return TSIG{Name: "certform.", Algorithm: dns.HmacSHA256, Secret: base64.StdEncoding.EncodeToString(secret)}
}

// algorithm is its name in the servers' configurations.
func (k TSIG) algorithm() string { return strings.TrimSuffix(k.Algorithm, ".") }

// Add puts records, given as in a zone file, into a zone by one dynamic update
// (RFC 2136).
func (n *Nameserver) Add(t testing.TB, zone string, records ...string) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	m.Insert(parse(t, records))
	n.update(t, m)
}

// Remove takes exactly these records out of a zone by one dynamic update.
func (n *Nameserver) Remove(t testing.TB, zone string, records ...string) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	m.Remove(parse(t, records))
	n.update(t, m)
}

func (n *Nameserver) update(t testing.TB, m *dns.Msg) {
	t.Helper()
	r, err := n.ask(context.Background(), m, true)
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("answer %s", dns.RcodeToString[r.Rcode])
	}
	if err != nil {
		t.Fatalf("update zone %s at %s: %v", m.Question[0].Name, n.Addr, err)
	}
}

// Dump is the whole zone by AXFR (RFC 5936), each record once, sorted by name,
// the SOA first.
func (n *Nameserver) Dump(t testing.TB, zone string) []dns.RR {
	t.Helper()
	m := new(dns.Msg).SetAxfr(dns.Fqdn(zone))
	tr := &dns.Transfer{}
	if n.TSIG.Name != "" {
		m.SetTsig(n.TSIG.Name, n.TSIG.Algorithm, 300, time.Now().Unix())
		tr.TsigSecret = map[string]string{n.TSIG.Name: n.TSIG.Secret}
	}
	envelopes, err := tr.In(m, n.Addr)
	if err != nil {
		t.Fatalf("transfer zone %s from %s: %v", zone, n.Addr, err)
	}
	var all []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			t.Fatalf("transfer zone %s from %s: %v", zone, n.Addr, e.Error)
		}
		all = append(all, e.RR...)
	}
	if len(all) < 2 {
		t.Fatalf("transfer zone %s from %s: %d records", zone, n.Addr, len(all))
	}
	all = all[:len(all)-1] // the SOA ends the transfer as well
	slices.SortStableFunc(all[1:], func(a, b dns.RR) int { return strings.Compare(order(a), order(b)) })
	return all
}

// order sorts by labels from the root, so that a name stands with its parents.
func order(rr dns.RR) string {
	labels := dns.SplitDomainName(dns.CanonicalName(rr.Header().Name))
	slices.Reverse(labels)
	return strings.Join(labels, "\x01") + "\x00" + rr.String()
}

// TXT is the sorted values of the TXT records at a name, as this server shows
// them; nil if it has none.
func (n *Nameserver) TXT(t testing.TB, name string) []string {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT)
	m.RecursionDesired = false
	r, err := n.ask(context.Background(), m, false)
	if err == nil && r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		err = fmt.Errorf("answer %s", dns.RcodeToString[r.Rcode])
	}
	if err != nil {
		t.Fatalf("ask %s for TXT %s: %v", n.Addr, name, err)
	}
	var values []string
	for _, rr := range r.Answer {
		if txt, ok := rr.(*dns.TXT); ok {
			values = append(values, strings.Join(txt.Txt, ""))
		}
	}
	slices.Sort(values)
	return values
}

// serves asks whether the server answers with authority for a zone.
func (n *Nameserver) serves(zone string) func(context.Context) error {
	return func(ctx context.Context) error {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA)
		m.RecursionDesired = false
		r, err := n.ask(ctx, m, !n.skewed)
		switch {
		case err != nil:
			return err
		case r.Rcode != dns.RcodeSuccess || !r.Authoritative || len(r.Answer) == 0:
			return fmt.Errorf("zone %s: answer %s, %d records", zone, dns.RcodeToString[r.Rcode], len(r.Answer))
		}
		return nil
	}
}

// ask goes over TCP: nothing is lost and nothing is cut. A signed question also
// proves that it is this test's server that answers, and not a neighbour's.
func (n *Nameserver) ask(ctx context.Context, m *dns.Msg, signed bool) (*dns.Msg, error) {
	c := &dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	if signed && n.TSIG.Name != "" {
		m.SetTsig(n.TSIG.Name, n.TSIG.Algorithm, 300, time.Now().Unix())
		c.TsigSecret = map[string]string{n.TSIG.Name: n.TSIG.Secret}
	}
	r, _, err := c.ExchangeContext(ctx, m, n.Addr)
	for try := 0; try < 3 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)); try++ {
		// NSD ends the process that it was connected to when it takes a transfer
		// over. What is asked or changed twice is the same twice.
		time.Sleep(100 * time.Millisecond)
		r, _, err = c.ExchangeContext(ctx, m, n.Addr)
	}
	return r, err
}

func parse(t testing.TB, records []string) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			t.Fatalf("record %q: %v", text, err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// zoneFile is a new zone with nothing in it but what a zone must have.
func zoneFile(zone, addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	zone = dns.Fqdn(zone)
	return fmt.Sprintf(`$TTL 60
%[1]s IN SOA ns1.%[1]s hostmaster.%[1]s 1 3600 600 86400 5
%[1]s IN NS ns1.%[1]s
ns1.%[1]s IN A %[2]s
`, zone, host)
}
