package route53test

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// The limits of one request and of one set (DNSLimitations in the Developer
// Guide).
const (
	mostElements = 1000
	mostChars    = 32000
	mostInSet    = 100
)

type request struct {
	XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
	Changes []struct {
		Action string
		Set    xmlSet `xml:"ResourceRecordSet"`
	} `xml:"ChangeBatch>Changes>Change"`
}

func (s *Server) change(id string, r *http.Request) (any, error) {
	z := s.zone(id)
	if z == nil {
		return nil, noZone(id)
	}
	if time.Now().Before(z.busy) {
		s.stats.Prior++
		return nil, &fault{400, "PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request."}
	}
	var req request
	if err := xml.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Changes) == 0 {
		return nil, &fault{400, "InvalidInput", "Invalid XML"}
	}
	next := map[setKey]*set{}
	for k, v := range z.sets {
		next[k] = v
	}
	var wrong invalid
	elements, chars := 0, 0
	for _, c := range req.Changes {
		k := setKey{dns.CanonicalName(c.Set.Name), c.Set.Type}
		one := &set{}
		if c.Set.TTL != nil {
			one.ttl = *c.Set.TTL
		}
		for _, rec := range c.Set.Records {
			one.values = append(one.values, rec.Value)
		}
		weight := 1
		if c.Action == "UPSERT" {
			weight = 2
		}
		elements += weight * len(one.values)
		chars += weight * len(strings.Join(one.values, ""))
		wrong = append(wrong, z.check(next, c.Action, k, one)...)
		if c.Action == "DELETE" {
			delete(next, k)
		} else {
			next[k] = one
		}
	}
	switch {
	case elements > mostElements:
		wrong = append(wrong, fmt.Sprintf("Number of records limit of %d exceeded.", mostElements))
	case chars > mostChars:
		wrong = append(wrong, fmt.Sprintf("Number of characters limit of %d exceeded.", mostChars))
	}
	if len(wrong) > 0 {
		s.stats.Invalid++
		return nil, wrong
	}
	before := z.sets
	z.sets = next
	for k := range next {
		if before[k] != next[k] {
			z.publish(k, before[k])
		}
	}
	for k, old := range before {
		if next[k] == nil {
			z.publish(k, old)
		}
	}
	z.busy = time.Now().Add(s.config.Busy)
	s.stats.Largest = max(s.stats.Largest, len(req.Changes))
	change := fmt.Sprintf("C%d", len(s.changes)+1)
	s.changes[change] = time.Now().Add(s.config.Propagation)
	return s.info("ChangeResourceRecordSetsResponse", change), nil
}

// check is what Route 53 says against one change, on what the batch has made
// of the zone so far.
func (z *zone) check(now map[setKey]*set, action string, k setKey, s *set) (wrong []string) {
	what := fmt.Sprintf("[name='%s', type='%s']", k.name, k.typ)
	if !dns.IsSubDomain(z.name, k.name) {
		return []string{fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", k.name, z.name)}
	}
	for i, v := range s.values {
		if slices.Contains(s.values[:i], v) {
			wrong = append(wrong, fmt.Sprintf("Duplicate Resource Record: '%s' in resource record set %s", v, what))
		}
		if _, ok := parse(v); k.typ == "TXT" && !ok {
			wrong = append(wrong, fmt.Sprintf("Invalid Resource Record: FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '%s'", v))
		}
	}
	if len(s.values) == 0 || len(s.values) > mostInSet {
		wrong = append(wrong, fmt.Sprintf("%d records in resource record set %s", len(s.values), what))
	}
	old := now[k]
	switch action {
	case "CREATE":
		if old != nil {
			wrong = append(wrong, fmt.Sprintf("Tried to create resource record set %s but it already exists", what))
		}
	case "DELETE":
		switch {
		case old == nil:
			wrong = append(wrong, fmt.Sprintf("Tried to delete resource record set %s but it was not found", what))
		case old.ttl != s.ttl || !slices.Equal(sorted(old.values), sorted(s.values)):
			wrong = append(wrong, fmt.Sprintf("Tried to delete resource record set %s but the values provided do not match the current values", what))
		}
		return wrong
	case "UPSERT":
	default:
		return []string{"unknown action " + action}
	}
	for other := range now {
		if other.name == k.name && other.typ != k.typ && (other.typ == "CNAME" || k.typ == "CNAME") {
			wrong = append(wrong, fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type %s with the same DNS name already exists in zone %s",
				k.typ, k.name, other.typ, z.name))
		}
	}
	return wrong
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// publish brings a set into DNS.
func (z *zone) publish(k setKey, old *set) {
	if z.host == nil || k.typ == "SOA" || k.typ == "NS" && k.name == z.name {
		return
	}
	records := func(s *set) (out []libdns.RR) {
		if s == nil {
			return nil
		}
		for _, v := range s.values {
			if k.typ == "TXT" {
				v, _ = parse(v)
			}
			out = append(out, libdns.RR{Name: k.name, Type: k.typ, Data: v, TTL: time.Duration(s.ttl) * time.Second})
		}
		return out
	}
	gone := records(old)
	for i := range gone {
		gone[i].TTL = 0
	}
	next := records(z.sets[k])
	gone = slices.DeleteFunc(gone, func(g libdns.RR) bool {
		return slices.ContainsFunc(next, func(n libdns.RR) bool { return n.Data == g.Data })
	})
	if err := z.host.Change(context.Background(), z.name, next, gone); err != nil {
		panic(fmt.Sprintf("route53test: publish %s %s: %v", k.name, k.typ, err))
	}
}

// quote is a TXT value as it must be given.
func quote(text string) string {
	var parts []string
	for {
		n := min(255, len(text))
		parts = append(parts, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text[:n])+`"`)
		if text = text[n:]; text == "" {
			return strings.Join(parts, " ")
		}
	}
}

// parse reads quoted strings of at most 255 octets, escaped as Route 53 says:
// \" and \\, and others in octal.
func parse(v string) (text string, ok bool) {
	for v != "" {
		if v[0] != '"' {
			return "", false
		}
		v = v[1:]
		n := 0
		for {
			if v == "" {
				return "", false
			}
			c := v[0]
			if c == '"' {
				v = strings.TrimLeft(v[1:], " ")
				break
			}
			size := 1
			if c == '\\' {
				switch {
				case len(v) > 3 && strings.Trim(v[1:4], "01234567") == "":
					c, size = (v[1]-'0')<<6|(v[2]-'0')<<3|v[3]-'0', 4
				case len(v) > 1 && (v[1] == '"' || v[1] == '\\'):
					c, size = v[1], 2
				default:
					return "", false
				}
			}
			text += string([]byte{c})
			v = v[size:]
			if n++; n > 255 {
				return "", false
			}
		}
	}
	return text, true
}
