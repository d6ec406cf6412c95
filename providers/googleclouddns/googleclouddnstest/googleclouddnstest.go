// Package googleclouddnstest is Google Cloud DNS in a test: its HTTP API over
// zones of a dnstest.Net, so that what is changed shows in DNS.
//
// Its answers are the types of google.golang.org/api/dns/v1, and that client is
// tested against it. It refuses what Google refuses: the addition of a set that
// is there, a deletion that is not exact in TTL and values, text without
// quotes, a CNAME beside other records, fields that it does not know, changes
// beyond the limits, credentials without the right. Lists come in pages.
package googleclouddnstest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"
	mdns "github.com/miekg/dns"
	"google.golang.org/api/dns/v1"

	"github.com/certform/certform/internal/dnstest"
)

// Config is what a Server is like.
type Config struct {
	Project     string
	Token       string        // the access token that is good; "" takes any
	ReadToken   string        // the access token of somebody who may look and change nothing; "" is none
	Lacks       []string      // rights that the credential has not, as dns.changes.create
	MostInPage  int           // most things in one answer; 0: 100
	Rate        float64       // requests a second; 0: no limit
	Burst       int           // how many it forgives at once
	Forbids     bool          // refuses for the pace with 403, as Google once did, and not with 429
	Propagation time.Duration // until DNS has a change
}

// Stats counts requests, those that were refused too.
type Stats struct {
	Calls    map[string]int // "GET managedZones", "GET rrsets", "POST changes"
	Total    int
	Paced    int // refused for the pace
	Conflict int // refused with 409, 412 or 404
	Largest  int // most sets in a change that was made
}

// Server is the API; it is an http.Handler. All methods may be called
// concurrently.
type Server struct {
	net *dnstest.Net

	mu     sync.Mutex
	config Config
	zones  []*zone
	stats  Stats
	full   time.Time
}

type zone struct {
	dns.ManagedZone
	sets    []*dns.ResourceRecordSet
	host    *dnstest.Host
	changes int
}

// New makes a project without zones.
func New(n *dnstest.Net, c Config) *Server {
	return &Server{net: n, config: c, stats: Stats{Calls: map[string]int{}}}
}

// AddZone adds a managed zone. visibility is "public", "private", or
// "forwarding" for one that holds nothing; z is where its records show in DNS,
// nil for nowhere.
func (s *Server) AddZone(name, dnsName, visibility string, z *dnstest.Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &zone{ManagedZone: dns.ManagedZone{Kind: "dns#managedZone", Id: uint64(len(s.zones) + 1), Name: name, DnsName: mdns.CanonicalName(dnsName), Visibility: visibility}}
	if visibility == "forwarding" {
		one.Visibility, one.ForwardingConfig = "private", &dns.ManagedZoneForwardingConfig{TargetNameServers: []*dns.ManagedZoneForwardingConfigNameServerTarget{{Ipv4Address: "192.0.2.53"}}}
	}
	one.sets = []*dns.ResourceRecordSet{
		{Kind: "dns#resourceRecordSet", Name: one.DnsName, Type: "NS", Ttl: 21600, Rrdatas: []string{"ns-cloud-a1.test."}},
		{Kind: "dns#resourceRecordSet", Name: one.DnsName, Type: "SOA", Ttl: 21600, Rrdatas: []string{"ns-cloud-a1.test. hostmaster.test. 1 21600 3600 259200 300"}},
	}
	if z != nil {
		one.host = s.net.NewHost(dnstest.HostConfig{Propagation: s.config.Propagation}, z)
	}
	s.zones = append(s.zones, one)
}

// Put makes a set of somebody else's: TXT values are given without quotes. No
// values take it away.
func (s *Server) Put(zoneName, name, typ string, ttl int64, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(zoneName)
	name = mdns.CanonicalName(name)
	if typ == "TXT" {
		for i, v := range values {
			values[i] = quote(v)
		}
	}
	before := slices.Clone(z.sets)
	z.sets = slices.DeleteFunc(z.sets, func(r *dns.ResourceRecordSet) bool { return r.Name == name && r.Type == typ })
	if len(values) > 0 {
		z.sets = append(z.sets, &dns.ResourceRecordSet{Kind: "dns#resourceRecordSet", Name: name, Type: typ, Ttl: ttl, Rrdatas: values})
	}
	z.publish(before)
}

// Remove removes a managed zone.
func (s *Server) Remove(zoneName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones = slices.DeleteFunc(s.zones, func(z *zone) bool { return z.Name == zoneName })
}

// Configure changes what the server is like.
func (s *Server) Configure(change func(*Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.config)
}

// TXT is the values at a name, unquoted and sorted, in whichever public zone.
func (s *Server) TXT(name string) (out []string) {
	for _, r := range s.Sets(name) {
		for _, v := range r.Rrdatas {
			text, _ := parse(v)
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

// Sets is the TXT sets at a name in public zones.
func (s *Server) Sets(name string) (out []dns.ResourceRecordSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		for _, r := range z.sets {
			if r.Name == mdns.CanonicalName(name) && r.Type == "TXT" && z.Visibility == "public" {
				out = append(out, *r)
			}
		}
	}
	return out
}

// Stats returns what has been counted so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Calls = map[string]int{}
	for k, v := range s.stats.Calls {
		out.Calls[k] = v
	}
	return out
}

// zone finds a managed zone by its name or its number.
func (s *Server) zone(name string) *zone {
	for _, z := range s.zones {
		if z.Name == name || strconv.FormatUint(z.Id, 10) == name {
			return z
		}
	}
	return nil
}

// fault is an answer that is no success.
type fault struct {
	code            int
	reason, message string
}

func (f *fault) Error() string { return f.message }

// rights that requests need.
var rights = map[string][]string{
	"GET managedZones": {"dns.managedZones.list"},
	"GET rrsets":       {"dns.resourceRecordSets.list"},
	"POST changes":     {"dns.changes.create", "dns.resourceRecordSets.create", "dns.resourceRecordSets.update", "dns.resourceRecordSets.delete"},
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/dns/v1/projects/"+s.config.Project+"/")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	op := r.Method + " " + parts[len(parts)-1]
	s.stats.Calls[op]++
	s.stats.Total++
	var answer any
	f := s.admit(r, op)
	if f == nil && !ok {
		f = &fault{404, "notFound", "The 'parameters.project' resource named '" + r.URL.Path + "' does not exist."}
	}
	if f == nil {
		switch {
		case op == "GET managedZones" && len(parts) == 1:
			answer, f = s.list(r)
		case op == "GET rrsets" && len(parts) == 3:
			answer, f = s.records(parts[1], r)
		case op == "POST changes" && len(parts) == 3:
			answer, f = s.change(parts[1], r)
		default:
			f = &fault{404, "notFound", "Not Found"}
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if f != nil {
		w.WriteHeader(f.code)
		one := map[string]string{"message": f.message, "domain": "global", "reason": f.reason}
		answer = map[string]any{"error": map[string]any{"code": f.code, "message": f.message, "errors": []any{one}}}
	}
	json.NewEncoder(w).Encode(answer)
}

// admit checks token, rights and pace.
func (s *Server) admit(r *http.Request, op string) *fault {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	reader := s.config.ReadToken != "" && token == s.config.ReadToken
	if reader && r.Method != http.MethodGet {
		return &fault{403, "forbidden", "Forbidden"}
	}
	if !ok || s.config.Token != "" && token != s.config.Token && !reader {
		return &fault{401, "authError", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."}
	}
	for _, right := range rights[op] {
		if slices.Contains(s.config.Lacks, right) {
			return &fault{403, "forbidden", "Forbidden"}
		}
	}
	if s.config.Rate <= 0 {
		return nil
	}
	each := time.Duration(float64(time.Second) / s.config.Rate)
	now := time.Now()
	if s.full.Before(now) {
		s.full = now
	}
	if s.full.Add(each).Sub(now) > each*time.Duration(max(1, s.config.Burst)) {
		s.stats.Paced++
		if s.config.Forbids {
			return &fault{403, "rateLimitExceeded", "Rate Limit Exceeded"}
		}
		return &fault{429, "rateLimitExceeded", "Quota exceeded for quota metric 'Write requests' and limit 'Write limit for a minute for a region' of service 'dns.googleapis.com'."}
	}
	s.full = s.full.Add(each)
	return nil
}

// page cuts a list as the query asks.
func page[T any](s *Server, r *http.Request, list []T) (out []T, next string, f *fault) {
	q := r.URL.Query()
	size := s.config.MostInPage
	if size == 0 {
		size = 100
	}
	if v := q.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return nil, "", &fault{400, "invalidParameter", "Invalid value '" + v + "'. Values must be within the range: [1, 1000]"}
		}
		size = min(size, n)
	}
	from := 0
	if v := q.Get("pageToken"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "page-"))
		if err != nil || n > len(list) {
			return nil, "", &fault{400, "invalid", "Invalid value for 'parameters.pageToken'"}
		}
		from = n
	}
	to := min(len(list), from+size)
	if to < len(list) {
		next = fmt.Sprint("page-", to)
	}
	return list[from:to], next, nil
}

func (s *Server) list(r *http.Request) (any, *fault) {
	name := r.URL.Query().Get("dnsName")
	if name != "" && !strings.HasSuffix(name, ".") {
		return nil, &fault{400, "invalid", "Invalid value for 'parameters.dnsName': '" + name + "'"}
	}
	var found []*dns.ManagedZone
	for _, z := range s.zones {
		if name == "" || z.DnsName == name {
			found = append(found, &z.ManagedZone)
		}
	}
	part, next, f := page(s, r, found)
	return &dns.ManagedZonesListResponse{Kind: "dns#managedZonesListResponse", ManagedZones: part, NextPageToken: next}, f
}

func noZone(name string) *fault {
	return &fault{404, "notFound", "The 'parameters.managedZone' resource named '" + name + "' does not exist."}
}

func (s *Server) records(zoneName string, r *http.Request) (any, *fault) {
	z := s.zone(zoneName)
	if z == nil {
		return nil, noZone(zoneName)
	}
	q := r.URL.Query()
	name, typ := q.Get("name"), q.Get("type")
	if typ != "" && name == "" {
		return nil, &fault{400, "invalid", "The 'parameters.type' parameter needs 'parameters.name'"}
	}
	if name != "" && !strings.HasSuffix(name, ".") {
		return nil, &fault{400, "invalid", "Invalid value for 'parameters.name': '" + name + "'"}
	}
	var found []*dns.ResourceRecordSet
	for _, set := range z.sets {
		if (name == "" || set.Name == name) && (typ == "" || set.Type == typ) {
			found = append(found, set)
		}
	}
	slices.SortStableFunc(found, func(a, b *dns.ResourceRecordSet) int { return strings.Compare(a.Name+a.Type, b.Name+b.Type) })
	part, next, f := page(s, r, found)
	return &dns.ResourceRecordSetsListResponse{Kind: "dns#resourceRecordSetsListResponse", Rrsets: part, NextPageToken: next}, f
}

// publish brings what differs from before into DNS and out of it.
func (z *zone) publish(before []*dns.ResourceRecordSet) {
	if z.host == nil {
		return
	}
	rrs := func(sets []*dns.ResourceRecordSet, ttl bool) (out []libdns.RR) {
		for _, set := range sets {
			if set.Name == z.DnsName && (set.Type == "SOA" || set.Type == "NS") {
				continue
			}
			for _, v := range set.Rrdatas {
				rr := libdns.RR{Name: set.Name, Type: set.Type, Data: v}
				if set.Type == "TXT" {
					rr.Data, _ = parse(v)
				}
				if ttl {
					rr.TTL = time.Duration(set.Ttl) * time.Second
				}
				out = append(out, rr)
			}
		}
		return out
	}
	same := func(a, b libdns.RR) bool { return a.Name == b.Name && a.Type == b.Type && a.Data == b.Data }
	old, now := rrs(before, false), rrs(z.sets, true)
	gone := slices.DeleteFunc(slices.Clone(old), func(o libdns.RR) bool {
		return slices.ContainsFunc(now, func(n libdns.RR) bool { return same(o, n) })
	})
	made := slices.DeleteFunc(now, func(n libdns.RR) bool {
		return slices.ContainsFunc(old, func(o libdns.RR) bool { return same(o, n) })
	})
	if err := z.host.Change(context.Background(), z.DnsName, made, gone); err != nil {
		panic(fmt.Sprintf("googleclouddnstest: publish in %s: %v", z.Name, err))
	}
}
