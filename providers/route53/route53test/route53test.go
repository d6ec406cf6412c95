// Package route53test is Route 53 in a test: its HTTP API over zones of a
// dnstest.Net, so that what is changed shows in DNS.
//
// It refuses what Amazon refuses, where other imitations are kinder: the
// creation of a set that is there, the removal of a set with other values or
// another TTL, values twice in a set, TXT without quotes, too large a batch, a
// second change while one is being taken, more requests than the account may
// make, requests without a signature. Changes are PENDING for a while.
package route53test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/certform/certform/internal/dnstest"
)

// Config is what a Server is like.
type Config struct {
	KeyID       string        // the access key that requests must be signed with; "" takes any
	ReadKeyID   string        // a key of somebody who may look and change nothing
	Lacks       []string      // actions that nobody may take, as route53:GetChange
	Rate        float64       // requests a second and account; 0: no limit
	Burst       int           // how many it forgives at once
	Busy        time.Duration // how long a change is being taken: another one in that zone is refused meanwhile
	Propagation time.Duration // how long a change is PENDING and not in DNS
	PageSize    int           // most zones or sets in one answer; 0: 300
}

// Stats counts requests by operation, those that were refused too.
type Stats struct {
	Calls     map[string]int
	Total     int
	Throttled int
	Prior     int // refused with PriorRequestNotComplete
	Invalid   int // refused with InvalidChangeBatch
	Largest   int // most changes in one batch that was made
}

// Server is the API; it is an http.Handler. All methods may be called
// concurrently.
type Server struct {
	net *dnstest.Net

	mu      sync.Mutex
	config  Config
	zones   []*zone
	changes map[string]time.Time // id: when it is INSYNC
	stats   Stats
	full    time.Time // when the pace has forgotten everything
}

type zone struct {
	id, name string
	private  bool
	sets     map[setKey]*set
	host     *dnstest.Host // nil: not in DNS
	busy     time.Time
}

type setKey struct{ name, typ string }

type set struct {
	ttl    int
	values []string
}

// New makes an account without zones.
func New(n *dnstest.Net, c Config) *Server {
	return &Server{net: n, config: c, changes: map[string]time.Time{}, stats: Stats{Calls: map[string]int{}}}
}

// AddZone adds a hosted zone. z is where its records show in DNS; nil for a
// private twin that nobody sees.
func (s *Server) AddZone(id, name string, private bool, z *dnstest.Zone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &zone{id: id, name: dns.CanonicalName(name), private: private, sets: map[setKey]*set{}}
	one.sets[setKey{one.name, "SOA"}] = &set{900, []string{"ns-1.awsdns.test. hostmaster.awsdns.test. 1 7200 900 1209600 86400"}}
	one.sets[setKey{one.name, "NS"}] = &set{172800, []string{"ns-1.awsdns.test."}}
	if z != nil {
		one.host = s.net.NewHost(dnstest.HostConfig{Propagation: s.config.Propagation}, z)
	}
	s.zones = append(s.zones, one)
}

// Put makes a set of somebody else's: TXT values are given without quotes.
func (s *Server) Put(id, name, typ string, ttl int, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zone(id)
	if z == nil {
		panic("route53test: no zone " + id)
	}
	k := setKey{dns.CanonicalName(name), typ}
	if typ == "TXT" {
		for i := range values {
			values[i] = quote(values[i])
		}
	}
	old := z.sets[k]
	z.sets[k] = &set{ttl, values}
	z.publish(k, old)
}

// TXT is the values at a name, unquoted and sorted, in whichever public zone.
func (s *Server) TXT(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, z := range s.zones {
		if one := z.sets[setKey{dns.CanonicalName(name), "TXT"}]; one != nil && !z.private {
			for _, v := range one.values {
				text, _ := parse(v)
				out = append(out, text)
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

func (s *Server) zone(id string) *zone {
	id = strings.TrimPrefix(id, "/hostedzone/")
	for _, z := range s.zones {
		if z.id == id {
			return z
		}
	}
	return nil
}

// fault is an answer that is no success.
type fault struct {
	status        int
	code, message string
}

func (f *fault) Error() string { return f.code + ": " + f.message }

const (
	api   = "/2013-04-01/"
	xmlns = "https://route53.amazonaws.com/doc/2013-04-01/"
)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, api)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var answer any
	err := s.admit(r)
	if !ok {
		err = &fault{404, "UnknownOperationException", r.URL.Path}
	}
	if err == nil {
		switch {
		case r.Method == "GET" && path == "hostedzone":
			answer, err = s.list(r)
		case r.Method == "GET" && path == "hostedzonesbyname":
			answer, err = s.byName(r)
		case r.Method == "GET" && len(parts) == 2 && parts[0] == "hostedzone":
			answer, err = s.get(parts[1])
		case r.Method == "GET" && len(parts) == 3 && parts[2] == "rrset":
			answer, err = s.records(parts[1], r)
		case r.Method == "POST" && len(parts) == 3 && parts[2] == "rrset":
			answer, err = s.change(parts[1], r)
		case r.Method == "GET" && len(parts) == 2 && parts[0] == "change":
			answer, err = s.changed(parts[1])
		default:
			err = &fault{404, "UnknownOperationException", r.Method + " " + r.URL.Path}
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		refuse(w, err)
		return
	}
	w.Write([]byte(xml.Header))
	xml.NewEncoder(w).Encode(answer)
}

func refuse(w http.ResponseWriter, err error) {
	type message struct {
		Message []string
	}
	switch e := err.(type) {
	case invalid:
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(xml.Header))
		xml.NewEncoder(w).Encode(struct {
			XMLName   xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ InvalidChangeBatch"`
			Messages  message
			RequestID string `xml:"RequestId"`
		}{Messages: message{e}, RequestID: "test"})
	case *fault:
		w.WriteHeader(e.status)
		fmt.Fprintf(w, `%s<ErrorResponse xmlns=%q><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>test</RequestId></ErrorResponse>`,
			xml.Header, xmlns, e.code, e.message)
	}
}

// invalid is the messages of an InvalidChangeBatch.
type invalid []string

func (i invalid) Error() string { return strings.Join(i, "; ") }

// admit checks signature and pace.
func (s *Server) admit(r *http.Request) error {
	auth := r.Header.Get("Authorization")
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=") || !strings.Contains(auth, "/route53/aws4_request") {
		return &fault{403, "MissingAuthenticationToken", "Missing Authentication Token"}
	}
	if s.config.ReadKeyID != "" && strings.Contains(auth, "Credential="+s.config.ReadKeyID+"/") {
		if r.Method == http.MethodPost {
			return &fault{403, "AccessDenied", "User is not authorized to access this resource"}
		}
	} else if s.config.KeyID != "" && !strings.Contains(auth, "Credential="+s.config.KeyID+"/") {
		return &fault{403, "InvalidClientTokenId", "The security token included in the request is invalid."}
	}
	op := r.Method + " " + strings.Split(strings.TrimPrefix(r.URL.Path, api), "/")[0]
	if strings.Contains(r.URL.Path, "/rrset") {
		op = r.Method + " rrset"
	}
	if op == "GET change" && slices.Contains(s.config.Lacks, "route53:GetChange") {
		return &fault{403, "AccessDenied", "User is not authorized to access this resource"}
	}
	s.stats.Calls[op]++
	s.stats.Total++
	if s.config.Rate <= 0 {
		return nil
	}
	each := time.Duration(float64(time.Second) / s.config.Rate)
	now := time.Now()
	if s.full.Before(now) {
		s.full = now
	}
	if s.full.Add(each).Sub(now) > each*time.Duration(max(1, s.config.Burst)) {
		s.stats.Throttled++
		return &fault{400, "Throttling", "Rate exceeded"}
	}
	s.full = s.full.Add(each)
	return nil
}

// page is how many things one answer holds.
func (s *Server) page(r *http.Request) int {
	most := s.config.PageSize
	if most == 0 {
		most = 300
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("maxitems")); err == nil && n > 0 {
		most = min(most, n)
	}
	return most
}
