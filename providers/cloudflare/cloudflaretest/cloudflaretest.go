// Package cloudflaretest is Cloudflare's DNS API in a test, over zones of a
// dnstest.Net, so that what is changed shows in DNS.
//
// Its answers are the types of the official Go module, and the official client
// is tested against it. It is as strict as the API: paged lists with small
// pages, a batch as one transaction, 81057 and 81058 for what is there, 81044
// for what is not, a limit on the size of a batch, 429 with Retry-After.
package cloudflaretest

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v6/dns"
	"github.com/cloudflare/cloudflare-go/v6/zones"
	"github.com/libdns/libdns"
	mdns "github.com/miekg/dns"

	"github.com/certform/certform/internal/dnstest"
)

// Config is what a Server is like.
type Config struct {
	Token       string        // may edit records, and read zones unless ZoneToken is set; "" lets everybody
	ZoneToken   string        // may only read zones
	ReadToken   string        // may read zones and records, and change nothing
	MaxBatch    int           // most records in one batch; 0: what the zone's plan allows
	MostPerPage int           // of any list; 0: what is asked for
	Rate        float64       // requests a second; 0: no limit
	Burst       int           // how many it forgives at once
	RetryAfter  time.Duration // in a 429
	Propagation time.Duration // until DNS has a change
}

// Stats counts requests, those that were refused too.
type Stats struct {
	Calls   map[string]int // "GET zones", "GET dns_records", "POST batch"
	Total   int
	Paced   int // refused with 429
	Refused int // batches that were refused
	Largest int // most records in a batch that was made
}

// Server is the API, below /client/v4 or at the root; it is an http.Handler.
// All methods may be called concurrently.
type Server struct {
	net *dnstest.Net

	mu     sync.Mutex
	config Config
	zones  []*zone
	serial int
	stats  Stats
	full   time.Time
}

type zone struct {
	id, name, status string
	plan             string
	records          []*dns.RecordResponse
	host             *dnstest.Host
}

// New makes a user without zones.
func New(n *dnstest.Net, c Config) *Server {
	return &Server{net: n, config: c, stats: Stats{Calls: map[string]int{}}}
}

// AddZone adds a zone and returns its id. status is "active" or "pending"; z
// is where its records show, nil for nowhere.
func (s *Server) AddZone(name, status string, z *dnstest.Zone) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &zone{id: s.newID(), name: name, status: status}
	if z != nil {
		one.host = s.net.NewHost(dnstest.HostConfig{Propagation: s.config.Propagation}, z)
	}
	s.zones = append(s.zones, one)
	return one.id
}

// SetPlan puts a zone on a plan: "free", "pro", "business" or "enterprise".
func (s *Server) SetPlan(zoneID, plan string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone(zoneID).plan = plan
}

// Renew gives a zone another id, as who removes it and adds it anew does, and
// returns that.
func (s *Server) Renew(zoneID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(zoneID)
	z.id = s.newID()
	return z.id
}

// Put makes a record of somebody else's. content of a TXT record is kept as it
// is given, quoted or not.
func (s *Server) Put(zoneID, name, typ, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(zoneID)
	r := s.record(input{Name: name, Type: typ, Content: content, TTL: 300})
	z.records = append(z.records, r)
	z.publish([]*dns.RecordResponse{r}, nil)
}

// Remove removes all records at a name, as somebody at the dashboard may.
func (s *Server) Remove(zoneID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(zoneID)
	var gone []*dns.RecordResponse
	z.records = slices.DeleteFunc(z.records, func(r *dns.RecordResponse) bool {
		if r.Name == name {
			gone = append(gone, r)
		}
		return r.Name == name
	})
	z.publish(nil, gone)
}

// TXT is the values at a name, unquoted and sorted.
func (s *Server) TXT(name string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		for _, r := range z.records {
			if r.Name == name && r.Type == "TXT" {
				out = append(out, text(r.Content))
			}
		}
	}
	slices.Sort(out)
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

func (s *Server) newID() string {
	s.serial++
	sum := md5.Sum([]byte(strconv.Itoa(s.serial)))
	return hex.EncodeToString(sum[:])
}

func (s *Server) zone(id string) *zone {
	for _, z := range s.zones {
		if z.id == id {
			return z
		}
	}
	return nil
}

func (s *Server) record(in input) *dns.RecordResponse {
	now := time.Now().UTC()
	return &dns.RecordResponse{ID: s.newID(), Name: strings.ToLower(in.Name), Type: dns.RecordResponseType(in.Type),
		Content: in.Content, TTL: dns.TTL(in.TTL), CreatedOn: now, ModifiedOn: now,
		Meta: map[string]any{}, Settings: map[string]any{}, Tags: []string{}}
}

// publish brings records into DNS and out of it.
func (z *zone) publish(add, del []*dns.RecordResponse) {
	if z.host == nil {
		return
	}
	rrs := func(records []*dns.RecordResponse) (out []libdns.RR) {
		for _, r := range records {
			rr := libdns.RR{Name: r.Name + ".", Type: string(r.Type), Data: r.Content}
			if r.Type == "TXT" {
				rr.Data = text(r.Content)
			}
			out = append(out, rr)
		}
		return out
	}
	adds := rrs(add)
	for i := range adds {
		adds[i].TTL = time.Minute
	}
	if err := z.host.Change(context.Background(), z.name+".", adds, rrs(del)); err != nil {
		panic(fmt.Sprintf("cloudflaretest: publish in %s: %v", z.name, err))
	}
}

// text is the value of a TXT content, quoted or not.
func text(content string) string {
	if !strings.HasPrefix(content, `"`) {
		return content
	}
	rr, err := mdns.NewRR(". IN TXT " + content)
	if err != nil {
		return content
	}
	var out strings.Builder
	for _, s := range rr.(*mdns.TXT).Txt {
		out.WriteString(strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s))
	}
	return out.String()
}

// fault is an answer that is no success.
type fault struct {
	status, code int
	message      string
}

func (f *fault) Error() string { return f.message }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/client/v4"), "/")
	parts := strings.Split(path, "/")
	op := r.Method + " " + parts[len(parts)-1]
	s.stats.Calls[op]++
	s.stats.Total++
	reading := path == "zones"
	var result any
	var info any
	err := s.admit(w, r, reading)
	if err == nil {
		switch {
		case reading && r.Method == http.MethodGet:
			result, info, err = s.listZones(r)
		case r.Method == http.MethodGet && len(parts) == 3 && parts[2] == "dns_records":
			result, info, err = s.list(parts[1], r)
		case r.Method == http.MethodPost && len(parts) == 4 && parts[2] == "dns_records" && parts[3] == "batch":
			result, err = s.batch(parts[1], r)
		default:
			err = &fault{404, 7003, "Could not route to " + r.URL.Path}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	envelope := map[string]any{"success": err == nil, "errors": []any{}, "messages": []any{}, "result": result}
	if info != nil {
		envelope["result_info"] = info
	}
	if f, ok := err.(*fault); ok {
		envelope["errors"] = []any{map[string]any{"code": f.code, "message": f.message}}
		envelope["result"] = nil
		w.WriteHeader(f.status)
	}
	json.NewEncoder(w).Encode(envelope)
}

// admit checks token and pace.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, reading bool) error {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.config.Token == "":
	case !ok || token == "":
		return &fault{400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers"}
	case token == s.config.ZoneToken:
		if !reading {
			return &fault{403, 10000, "Authentication error"}
		}
	case token == s.config.ReadToken:
		if r.Method != http.MethodGet {
			return &fault{403, 10000, "Authentication error"}
		}
	case token != s.config.Token:
		return &fault{403, 9109, "Invalid access token"}
	case s.config.ZoneToken != "" && reading:
		return &fault{403, 10000, "Authentication error"}
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
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(s.config.RetryAfter/time.Second))))
		return &fault{429, 971, "Please wait and consider throttling your request speed"}
	}
	s.full = s.full.Add(each)
	return nil
}

// page cuts a list as the query asks.
func page[T any](s *Server, r *http.Request, list []T, size int) ([]T, any, error) {
	q := r.URL.Query()
	number := 1
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		number = n
	}
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = n
	}
	if most := s.config.MostPerPage; most > 0 {
		size = min(size, most)
	}
	from := min(len(list), (number-1)*size)
	to := min(len(list), from+size)
	return list[from:to], map[string]int{"page": number, "per_page": size, "count": to - from,
		"total_count": len(list), "total_pages": (len(list) + size - 1) / size}, nil
}

func (s *Server) listZones(r *http.Request) (any, any, error) {
	list := []zones.Zone{}
	for _, z := range s.zones {
		if name := r.URL.Query().Get("name"); name == "" || name == z.name {
			//lint:ignore SA1019 what is deprecated is to change a plan there; it is still what a zone's answer says
			list = append(list, zones.Zone{ID: z.id, Name: z.name, Status: zones.ZoneStatus(z.status), Plan: zones.ZonePlan{LegacyID: z.plan}})
		}
	}
	if n, _ := strconv.Atoi(r.URL.Query().Get("per_page")); n > 50 {
		return nil, nil, &fault{400, 1068, "per_page is at most 50"}
	}
	return page(s, r, list, 20)
}

func (s *Server) list(zoneID string, r *http.Request) (any, any, error) {
	z := s.zone(zoneID)
	if z == nil {
		return nil, nil, &fault{404, 7003, "Could not route to the zone, perhaps your object identifier is invalid?"}
	}
	q := r.URL.Query()
	list := []dns.RecordResponse{}
	for _, r := range z.records {
		if typ := q.Get("type"); typ != "" && typ != string(r.Type) {
			continue
		}
		if name := q.Get("name.exact"); name != "" && !strings.EqualFold(name, r.Name) {
			continue
		}
		if content := q.Get("content.exact"); content != "" && text(content) != text(r.Content) {
			continue
		}
		list = append(list, *r)
	}
	return page(s, r, list, 100)
}
