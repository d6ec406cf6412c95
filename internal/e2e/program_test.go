package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certform/certform/internal/rig"
)

// startProgram is BIND behind dns "exec": this binary, as a program of the
// user's, speaks to it.
func startProgram(t *testing.T, d *desk) *dnsHost {
	s := rig.BIND(t, rig.BINDConfig{Zones: []string{hostZone}})
	// Its TTL is ours: a program need not know that a set has one TTL.
	s.Add(t, hostZone, "_acme-challenge."+hostZone+". 60 IN TXT "+foreignTXT)
	w := townAt(t, s.Nameserver, hostZone)
	d.env = append(d.env, "PROGRAM_KEY="+s.TSIG.Secret)
	return &dnsHost{w: w, read: func() []string { return w.zone(hostZone) }, block: fmt.Sprintf(`dns "exec" "h" {
  command = %s
  env     = { PROGRAM_KEY = secret("env:PROGRAM_KEY") }
}
`, argv(self, servicesName, "dns", s.Addr, s.TSIG.Name, s.TSIG.Algorithm))}
}

// program answers one question of dns "exec" for the zone host.test.
func program(addr, key, algorithm string) error {
	secrets := map[string]string{key: os.Getenv("PROGRAM_KEY")}
	var q struct {
		Op      string
		Zone    string
		Changes []struct {
			Op, Name, Type, Value string
			TTL                   uint32
		}
	}
	dec := json.NewDecoder(os.Stdin)
	if err := dec.Decode(&q); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one question")
	}
	if q.Op != "zones" && dns.CanonicalName(q.Zone) != dns.Fqdn(hostZone) {
		return fmt.Errorf("%q is no zone of this program", q.Zone)
	}
	switch q.Op {
	case "zones":
		return json.NewEncoder(os.Stdout).Encode([]string{hostZone})
	case "records":
		m := new(dns.Msg).SetAxfr(dns.Fqdn(hostZone))
		m.SetTsig(key, algorithm, 300, time.Now().Unix())
		answers, err := (&dns.Transfer{TsigSecret: secrets}).In(m, addr)
		if err != nil {
			return err
		}
		out := []map[string]any{}
		for a := range answers {
			if a.Error != nil {
				return a.Error
			}
			for _, rr := range a.RR {
				if txt, ok := rr.(*dns.TXT); ok {
					h := rr.Header()
					out = append(out, map[string]any{"name": h.Name, "type": "TXT", "value": strings.Join(txt.Txt, ""), "ttl": h.Ttl})
				}
			}
		}
		return json.NewEncoder(os.Stdout).Encode(out)
	case "changes":
		m := new(dns.Msg).SetUpdate(dns.Fqdn(hostZone))
		for _, c := range q.Changes {
			rr := []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(c.Name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: c.TTL}, Txt: []string{c.Value}}}
			switch {
			case c.Op == "add" && c.Type == "TXT":
				m.Insert(rr)
			case c.Op == "delete" && c.Type == "TXT":
				m.Remove(rr)
			default:
				return fmt.Errorf("no change is called %q of %q", c.Op, c.Type)
			}
		}
		m.SetTsig(key, algorithm, 300, time.Now().Unix())
		r, _, err := (&dns.Client{Net: "tcp", TsigSecret: secrets}).Exchange(m, addr)
		if err == nil && r.Rcode != dns.RcodeSuccess {
			err = errors.New("the server answers " + dns.RcodeToString[r.Rcode])
		}
		return err
	}
	return fmt.Errorf("no question is called %q", q.Op)
}
