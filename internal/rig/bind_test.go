package rig_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certform/certform/internal/rig"
)

func TestBIND(t *testing.T) {
	t.Parallel()
	s := rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test"}})
	s.AddZone(t, "b.test")
	for _, zone := range []string{"a.test", "b.test"} {
		name := "_acme-challenge." + zone
		s.Add(t, zone, name+". 60 IN TXT one", name+". 60 IN TXT two")
		if got := s.TXT(t, name); !slices.Equal(got, []string{"one", "two"}) {
			t.Errorf("TXT after both were added: %q", got)
		}
		s.Remove(t, zone, name+". 60 IN TXT one")
		if got := s.TXT(t, name); !slices.Equal(got, []string{"two"}) {
			t.Errorf("TXT after one was removed: %q", got)
		}
		want := []string{
			"SOA " + zone + ".", "NS " + zone + ".", "TXT " + name + ".", "A ns1." + zone + ".",
		}
		if got := short(s.Dump(t, zone)); !slices.Equal(got, want) {
			t.Errorf("the zone holds %q, want %q", got, want)
		}
	}

	// What was written outlives a restart: the journal is in the directory.
	s.Stop(t)
	s.Start(t)
	if got := s.TXT(t, "_acme-challenge.b.test"); !slices.Equal(got, []string{"two"}) {
		t.Errorf("TXT after a restart: %q", got)
	}
}

// Without the key nothing is changed and nothing is told.
func TestBINDRefuses(t *testing.T) {
	t.Parallel()
	s := rig.BIND(t, rig.BINDConfig{Zones: []string{"a.test"}})
	update := new(dns.Msg).SetUpdate("a.test.")
	rr, err := dns.NewRR("x.a.test. 60 IN TXT foreign")
	if err != nil {
		t.Fatal(err)
	}
	update.Insert([]dns.RR{rr})
	for what, m := range map[string]*dns.Msg{"update": update, "transfer": new(dns.Msg).SetAxfr("a.test.")} {
		c := &dns.Client{Net: "tcp", Timeout: 5 * time.Second}
		r, _, err := c.Exchange(m, s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if r.Rcode != dns.RcodeRefused {
			t.Errorf("%s without the key: %s", what, dns.RcodeToString[r.Rcode])
		}
	}
	if got := s.TXT(t, "x.a.test"); got != nil {
		t.Errorf("the refused value is there: %q", got)
	}
}

// short is type and owner of each record.
func short(rrs []dns.RR) []string {
	var all []string
	for _, rr := range rrs {
		h := rr.Header()
		all = append(all, fmt.Sprintf("%s %s", dns.TypeToString[h.Rrtype], strings.ToLower(h.Name)))
	}
	return all
}
