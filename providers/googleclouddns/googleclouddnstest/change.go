package googleclouddnstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	mdns "github.com/miekg/dns"
	"google.golang.org/api/dns/v1"
)

// The limits of one change and of one set (cloud.google.com/dns/quotas).
const (
	mostSets  = 1000
	mostBytes = 100_000
	mostInSet = 100
)

// change makes deletions, then additions, as a whole or not at all.
func (s *Server) change(zoneName string, r *http.Request) (any, *fault) {
	z := s.zone(zoneName)
	if z == nil {
		return nil, noZone(zoneName)
	}
	var in dns.Change
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, &fault{400, "badRequest", "Invalid JSON payload received. " + err.Error()}
	}
	if len(in.Additions)+len(in.Deletions) == 0 {
		return nil, &fault{400, "required", "The 'entity.change' parameter is required but was missing."}
	}
	bytes := 0
	for _, set := range slices.Concat(in.Additions, in.Deletions) {
		for _, v := range set.Rrdatas {
			bytes += len(v)
		}
	}
	if len(in.Additions) > mostSets || len(in.Deletions) > mostSets || bytes > mostBytes {
		return nil, &fault{403, "quotaExceeded", "The change request would exceed a quota for additions, deletions or the data of a change."}
	}
	sets := slices.Clone(z.sets)
	at := func(name, typ string) int {
		return slices.IndexFunc(sets, func(r *dns.ResourceRecordSet) bool { return r.Name == name && r.Type == typ })
	}
	for i, set := range in.Deletions {
		field := fmt.Sprintf("entity.change.deletions[%d]", i)
		at := at(mdns.CanonicalName(set.Name), set.Type)
		if at < 0 {
			s.stats.Conflict++
			return nil, &fault{404, "notFound", fmt.Sprintf("The '%s' resource named '%s (%s)' does not exist.", field, set.Name, set.Type)}
		}
		if old := sets[at]; old.Ttl != set.Ttl || !slices.Equal(sorted(old.Rrdatas), sorted(set.Rrdatas)) {
			s.stats.Conflict++
			return nil, &fault{412, "conditionNotMet", "Precondition not met for '" + field + "'"}
		}
		sets = slices.Delete(sets, at, at+1)
	}
	for i, set := range in.Additions {
		field := fmt.Sprintf("entity.change.additions[%d]", i)
		if f := z.check(field, set); f != nil {
			return nil, f
		}
		if at(set.Name, set.Type) >= 0 {
			s.stats.Conflict++
			return nil, &fault{409, "alreadyExists", fmt.Sprintf("The resource '%s' named '%s (%s)' already exists", field, set.Name, set.Type)}
		}
		for _, other := range sets {
			if other.Name == set.Name && (other.Type == "CNAME" || set.Type == "CNAME") {
				return nil, &fault{400, "cnameResourceRecordSetConflict", fmt.Sprintf("The resource record set '%s' is invalid because the DNS name '%s' may have either one CNAME resource record set or resource record sets of other types, but not both.", field, set.Name)}
			}
		}
		sets = append(sets, &dns.ResourceRecordSet{Kind: "dns#resourceRecordSet", Name: set.Name, Type: set.Type, Ttl: set.Ttl, Rrdatas: slices.Clone(set.Rrdatas)})
	}
	before := z.sets
	z.sets = sets
	z.publish(before)
	s.stats.Largest = max(s.stats.Largest, len(in.Additions)+len(in.Deletions))
	z.changes++
	in.Kind, in.Id, in.Status = "dns#change", strconv.Itoa(z.changes), "pending"
	in.StartTime = time.Now().UTC().Format(time.RFC3339)
	return &in, nil
}

// check is what Google says against a set by itself.
func (z *zone) check(field string, set *dns.ResourceRecordSet) *fault {
	invalid := func(part, value string) *fault {
		return &fault{400, "invalid", fmt.Sprintf("Invalid value for '%s.%s': '%s'", field, part, value)}
	}
	switch {
	case set.Name != mdns.CanonicalName(set.Name) || !mdns.IsSubDomain(z.DnsName, set.Name):
		return invalid("name", set.Name)
	case set.Ttl < 0 || set.Ttl > 1<<31-1:
		return invalid("ttl", fmt.Sprint(set.Ttl))
	case len(set.Rrdatas) == 0 || len(set.Rrdatas) > mostInSet:
		return invalid("rrdata", fmt.Sprint(len(set.Rrdatas), " records"))
	}
	for i, v := range set.Rrdatas {
		if _, ok := parse(v); set.Type == "TXT" && !ok || slices.Contains(set.Rrdatas[:i], v) {
			return invalid(fmt.Sprintf("rrdata[%d]", i), v)
		}
	}
	return nil
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
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

// parse reads quoted strings of at most 255 octets; a text with a blank and
// without quotes would be two strings, and is refused here.
func parse(v string) (text string, ok bool) {
	if !strings.HasPrefix(v, `"`) {
		return "", false
	}
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
			c, size := v[0], 1
			if c == '"' {
				v = strings.TrimLeft(v[1:], " ")
				break
			}
			if c == '\\' {
				switch {
				case len(v) > 3 && strings.Trim(v[1:4], "0123456789") == "":
					number, err := strconv.ParseUint(v[1:4], 10, 8)
					if err != nil {
						return "", false
					}
					c, size = byte(number), 4
				case len(v) > 1:
					c, size = v[1], 2
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
