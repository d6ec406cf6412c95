// Package azuretest is Azure DNS in a test: its management API over zones of a
// dnstest.Net, so that what is changed shows in DNS, and the identity service
// that gives tokens for it.
//
// Its answers are the types of armdns (API version 2018-05-01), and that client
// is tested against it. It refuses what Azure refuses: another API version, an
// etag that is not the last, a set that is there already, sets beyond 20
// records or 4,096 characters, strings beyond 255 octets, a TTL of 0, a CNAME
// beside other records, fields that it does not know, credentials without the
// action. Lists come in pages. Stricter than Azure, it refuses a write that
// states no condition, since such a write can lose what others wrote.
package azuretest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/dns/armdns"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/certform/certform/internal/dnstest"
)

// Config is what a Server is like.
type Config struct {
	Subscription string
	Token        string        // the access token that is good, and that the identity service gives; "" takes any
	ReadToken    string        // the access token of somebody who may look and change nothing; "" is none
	Lacks        []string      // actions that the credential may not take, as Microsoft.Network/dnsZones/TXT/write
	MostInPage   int           // most things in one answer; 0: 100
	Rate         float64       // requests a second; 0: no limit
	Burst        int           // how many it forgives at once
	Propagation  time.Duration // until DNS has a change
	// Before is called before a request is looked at, without any lock: what
	// somebody else does meanwhile.
	Before func(r *http.Request)
}

// Stats counts requests, those that were refused too.
type Stats struct {
	Calls    map[string]int // "GET zones", "GET TXT" (one set), "LIST TXT", "PUT TXT", "DELETE TXT"
	Total    int
	Paced    int // refused for the pace
	Conflict int // refused with 412
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
	etags  int
}

type zone struct {
	armdns.Zone
	group string
	sets  []*armdns.RecordSet
	host  *dnstest.Host
}

// New makes a subscription without zones.
func New(n *dnstest.Net, c Config) *Server {
	return &Server{net: n, config: c, stats: Stats{Calls: map[string]int{}}}
}

// AddZone adds a zone to a resource group; z is where its records show in DNS,
// nil for nowhere.
func (s *Server) AddZone(group, name string, kind armdns.ZoneType, z *dnstest.Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &zone{group: group, Zone: armdns.Zone{
		ID:   to.Ptr("/subscriptions/" + s.config.Subscription + "/resourceGroups/" + group + "/providers/Microsoft.Network/dnszones/" + name),
		Name: to.Ptr(name), Type: to.Ptr("Microsoft.Network/dnszones"), Location: to.Ptr("global"), Etag: to.Ptr(s.etag()),
		Properties: &armdns.ZoneProperties{ZoneType: to.Ptr(kind), MaxNumberOfRecordSets: to.Ptr(int64(10000)), MaxNumberOfRecordsPerRecordSet: to.Ptr(int64(mostRecords))},
	}}
	if z != nil {
		one.host = s.net.NewHost(dnstest.HostConfig{Propagation: s.config.Propagation}, z)
	}
	s.zones = append(s.zones, one)
}

// Put makes a TXT set of somebody else's, as its owner in the portal would.
// name is relative, "@" for the zone. No properties take it away.
func (s *Server) Put(group, zoneName, typ, name string, p *armdns.RecordSetProperties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(group, zoneName)
	before := slices.Clone(z.sets)
	z.remove(typ, name)
	if p != nil {
		z.sets = append(z.sets, z.set(s, typ, name, p))
	}
	z.publish(before)
}

// Values is a TXT set for Put.
func Values(ttl int64, values ...string) *armdns.RecordSetProperties {
	p := &armdns.RecordSetProperties{TTL: to.Ptr(ttl)}
	for _, v := range values {
		r := &armdns.TxtRecord{}
		for {
			n := min(255, len(v))
			r.Value = append(r.Value, to.Ptr(v[:n]))
			if v = v[n:]; v == "" {
				break
			}
		}
		p.TxtRecords = append(p.TxtRecords, r)
	}
	return p
}

// Remove removes a zone.
func (s *Server) Remove(group, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones = slices.DeleteFunc(s.zones, func(z *zone) bool { return z.group == group && *z.Name == name })
}

// Configure changes what the server is like.
func (s *Server) Configure(change func(*Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.config)
}

// TXT is the values at a name, sorted, in whichever public zone.
func (s *Server) TXT(name string) (out []string) {
	for _, r := range s.Sets(name) {
		for _, t := range r.Properties.TxtRecords {
			out = append(out, text(t))
		}
	}
	slices.Sort(out)
	return out
}

// Sets is the TXT sets at a name in public zones.
func (s *Server) Sets(name string) (out []armdns.RecordSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		for _, r := range z.sets {
			if *r.Properties.Fqdn == dns.CanonicalName(name) && kind(r) == "TXT" && *z.Properties.ZoneType == armdns.ZoneTypePublic {
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

func (s *Server) zone(group, name string) *zone {
	for _, z := range s.zones {
		if strings.EqualFold(z.group, group) && strings.EqualFold(*z.Name, name) {
			return z
		}
	}
	return nil
}

// etag is a new one. It is no version, and not quoted.
func (s *Server) etag() string {
	s.etags++
	return fmt.Sprintf("%08x-c6e5-4a0b-9a3e-6f2d5b7e1c44", s.etags*2654435761%(1<<32))
}

// fault is an answer that is no success.
type fault struct {
	status        int
	code, message string
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	before := s.config.Before
	s.mu.Unlock()
	if before != nil {
		before(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	status, answer, f := s.answer(w, r)
	if f != nil {
		if f.status == http.StatusPreconditionFailed {
			s.stats.Conflict++
		}
		status = f.status
		answer = map[string]any{"error": map[string]any{"code": f.code, "message": f.message}}
	}
	w.WriteHeader(status)
	if answer != nil {
		json.NewEncoder(w).Encode(answer)
	}
}

// answer finds what is asked:
// /subscriptions/S[/resourceGroups/G]/providers/Microsoft.Network/dnsZones[/ZONE[/TXT[/NAME]]].
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (int, any, *fault) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, p := range parts {
		parts[i], _ = url.PathUnescape(p)
	}
	take := func(words ...string) bool {
		if len(parts) < len(words) {
			return false
		}
		for i, word := range words {
			if !strings.EqualFold(parts[i], word) {
				return false
			}
		}
		parts = parts[len(words):]
		return true
	}
	wrong := &fault{http.StatusNotFound, "InvalidResourceType", "The resource type could not be found in the namespace 'Microsoft.Network' for api version '" + r.URL.Query().Get("api-version") + "'."}
	subscribed := take("subscriptions", s.config.Subscription)
	group := ""
	if len(parts) > 1 && take("resourceGroups") {
		group = parts[0]
		parts = parts[1:]
	}
	found := take("providers", "Microsoft.Network", "dnsZones")
	op := r.Method + " zones"
	if len(parts) > 1 {
		op = r.Method + " " + parts[1]
		if len(parts) == 2 && r.Method == http.MethodGet {
			op = "LIST " + parts[1]
		}
	}
	s.stats.Calls[op]++
	s.stats.Total++
	if f := s.admit(w, r, op); f != nil {
		return 0, nil, f
	}
	switch {
	case !subscribed:
		return 0, nil, &fault{http.StatusNotFound, "SubscriptionNotFound", "The subscription could not be found."}
	case !found:
		return 0, nil, wrong
	case group != "" && !slices.ContainsFunc(s.zones, func(z *zone) bool { return strings.EqualFold(z.group, group) }):
		return 0, nil, &fault{http.StatusNotFound, "ResourceGroupNotFound", "Resource group '" + group + "' could not be found."}
	}
	switch version := r.URL.Query().Get("api-version"); version {
	case "2018-05-01":
	case "":
		return 0, nil, &fault{http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests."}
	default:
		return 0, nil, &fault{http.StatusBadRequest, "NoRegisteredProviderFound", "No registered resource provider found for location 'global' and API version '" + version + "' for type 'dnszones'."}
	}
	if len(parts) == 0 && r.Method == http.MethodGet {
		return s.list(r, group)
	}
	if group == "" || len(parts) < 2 || len(parts) > 3 || parts[1] != "TXT" {
		return 0, nil, wrong
	}
	z := s.zone(group, parts[0])
	switch {
	case z == nil:
		return 0, nil, &fault{http.StatusNotFound, "ParentResourceNotFound", "Can not perform requested operation on nested resource. Parent resource '" + parts[0] + "' not found."}
	case op == "LIST TXT":
		return s.records(r, z)
	case len(parts) < 3:
		return 0, nil, wrong
	case op == "GET TXT":
		if set := z.find("TXT", parts[2]); set != nil {
			return http.StatusOK, set, nil
		}
		return 0, nil, &fault{http.StatusNotFound, "NotFound", fmt.Sprintf("The resource record '%s' does not exist in resource group '%s' of subscription '%s'.", parts[2], group, s.config.Subscription)}
	case op == "PUT TXT":
		return s.put(r, z, parts[2])
	case op == "DELETE TXT":
		return s.delete(r, z, parts[2])
	}
	return 0, nil, &fault{http.StatusMethodNotAllowed, "MethodNotAllowed", "The requested resource does not support http method '" + r.Method + "'."}
}

// actions that requests need.
var actions = map[string]string{
	"GET zones":  "Microsoft.Network/dnsZones/read",
	"GET TXT":    "Microsoft.Network/dnsZones/TXT/read",
	"LIST TXT":   "Microsoft.Network/dnsZones/TXT/read",
	"PUT TXT":    "Microsoft.Network/dnsZones/TXT/write",
	"DELETE TXT": "Microsoft.Network/dnsZones/TXT/delete",
}

// admit checks token, action and pace.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, op string) *fault {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return &fault{http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."}
	}
	reader := s.config.ReadToken != "" && token == s.config.ReadToken
	if s.config.Token != "" && token != s.config.Token && !reader {
		return &fault{http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is invalid: " + token}
	}
	if slices.Contains(s.config.Lacks, actions[op]) || reader && r.Method != http.MethodGet {
		return &fault{http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf("The client '3f5c' with object id '3f5c' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.", actions[op], r.URL.Path)}
	}
	if s.config.Rate <= 0 {
		return nil
	}
	each := time.Duration(float64(time.Second) / s.config.Rate)
	now := time.Now()
	if s.full.Before(now) {
		s.full = now
	}
	if wait := s.full.Add(each).Sub(now) - each*time.Duration(max(1, s.config.Burst)); wait > 0 {
		s.stats.Paced++
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
		return &fault{http.StatusTooManyRequests, "TooManyRequests", "The request is being throttled as the limit has been reached for operation type - Write_ObservationWindow_00:05:00."}
	}
	s.full = s.full.Add(each)
	return nil
}

// page cuts a list as the query asks.
func page[T any](s *Server, r *http.Request, list []T) (out []T, next *string, f *fault) {
	q := r.URL.Query()
	size := s.config.MostInPage
	if size == 0 {
		size = 100
	}
	from := 0
	if v := q.Get("$skipToken"); v != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "from "))
		if err != nil || n > len(list) {
			return nil, nil, &fault{http.StatusBadRequest, "InvalidSkipToken", "The skip token '" + v + "' is invalid."}
		}
		from = n
	}
	end := min(len(list), from+size)
	if end < len(list) {
		q.Set("$skipToken", fmt.Sprint("from ", end))
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		next = to.Ptr(scheme + "://" + r.Host + r.URL.EscapedPath() + "?" + q.Encode())
	}
	return list[from:end], next, nil
}

func (s *Server) list(r *http.Request, group string) (int, any, *fault) {
	var found []*armdns.Zone
	for _, z := range s.zones {
		if group == "" || strings.EqualFold(z.group, group) {
			found = append(found, &z.Zone)
		}
	}
	part, next, f := page(s, r, found)
	return http.StatusOK, armdns.ZoneListResult{Value: part, NextLink: next}, f
}

func (s *Server) records(r *http.Request, z *zone) (int, any, *fault) {
	var found []*armdns.RecordSet
	for _, set := range z.sets {
		if kind(set) == "TXT" {
			found = append(found, set)
		}
	}
	slices.SortFunc(found, func(a, b *armdns.RecordSet) int { return strings.Compare(*a.Name, *b.Name) })
	part, next, f := page(s, r, found)
	return http.StatusOK, armdns.RecordSetListResult{Value: part, NextLink: next}, f
}

// publish brings what differs from before into DNS and out of it.
func (z *zone) publish(before []*armdns.RecordSet) {
	if z.host == nil {
		return
	}
	rrs := func(sets []*armdns.RecordSet, ttl bool) (out []libdns.RR) {
		for _, set := range sets {
			for _, t := range set.Properties.TxtRecords {
				rr := libdns.RR{Name: *set.Properties.Fqdn, Type: "TXT", Data: text(t)}
				if ttl {
					rr.TTL = time.Duration(*set.Properties.TTL) * time.Second
				}
				out = append(out, rr)
			}
		}
		return out
	}
	same := func(a, b libdns.RR) bool { return a.Name == b.Name && a.Data == b.Data }
	old, now := rrs(before, false), rrs(z.sets, true)
	gone := slices.DeleteFunc(slices.Clone(old), func(o libdns.RR) bool {
		return slices.ContainsFunc(now, func(n libdns.RR) bool { return same(o, n) })
	})
	made := slices.DeleteFunc(now, func(n libdns.RR) bool {
		return slices.ContainsFunc(old, func(o libdns.RR) bool { return same(o, n) })
	})
	if err := z.host.Change(context.Background(), dns.CanonicalName(*z.Name), made, gone); err != nil {
		panic(fmt.Sprintf("azuretest: publish in %s: %v", *z.Name, err))
	}
}
