package dnstest

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Fault is how a server misbehaves.
type Fault int

const (
	None     Fault = iota
	Dead           // takes the question and never answers; dialling tcp hangs
	ServFail       // answers SERVFAIL
	Refused        // answers REFUSED
	Lame           // answers without authority and without data, as if it had never heard of the zone
	Truncate       // sets TC on every answer over udp, so that the client must come back over tcp
	Garbage        // answers with bytes that are no DNS message
)

// Query is one message that reached a server.
type Query struct {
	Server  *Server
	Network string // "udp" or "tcp"
	Msg     *dns.Msg
}

// ServerStats counts the messages that reached a server, whatever it did with them.
type ServerStats struct{ Queries, UDP, TCP, Updates, Transfers int }

// Server is one name server or resolver of the world. All methods may be called concurrently.
type Server struct {
	net       *Net
	name      string
	addrs     []netip.AddrPort
	recursive bool
	zones     map[string]*Zone // guarded by net.mu

	lags    atomic.Pointer[[]time.Duration]
	turn    atomic.Uint32 // whose turn it is among the lags
	latency atomic.Int64
	broken  atomic.Int64
	eager   atomic.Bool // a resolver that recurses unasked

	mu    sync.Mutex
	hook  func(Query) Fault
	stats ServerStats
	asked map[dns.Question]int
}

// Name returns the server's name with a dot at the end.
func (s *Server) Name() string { return s.name }

// Addrs returns the server's addresses with ports.
func (s *Server) Addrs() []netip.AddrPort { return slices.Clone(s.addrs) }

// SetLag makes the server show each change that much later than it was published. It counts for the past too: a server
// whose lag grows goes back in time, as far as removed records are still remembered.
func (s *Server) SetLag(d time.Duration) { s.SetLags(d) }

// SetLags makes the server answer as several machines behind one address do: in turn, each with a lag of its own.
func (s *Server) SetLags(lags ...time.Duration) { s.lags.Store(&lags) }

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(d time.Duration) { s.latency.Store(int64(d)) }

// SetFault makes the server misbehave until it is set to None.
func (s *Server) SetFault(f Fault) { s.broken.Store(int64(f)) }

// SetHook has f decide, for each message, how the server misbehaves; None leaves it to SetFault. It may be called
// concurrently.
func (s *Server) SetHook(f func(Query) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Stats returns what has been counted so far.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Asked returns how often the server was asked for that name and type.
func (s *Server) Asked(name string, typ uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[dns.Question{Name: dns.CanonicalName(name), Qtype: typ, Qclass: dns.ClassINET}]
}

func (s *Server) fault() Fault { return Fault(s.broken.Load()) }

// verdict counts a message and says how to misbehave on it.
func (s *Server) verdict(network string, m *dns.Msg) Fault {
	s.mu.Lock()
	hook := s.hook
	s.stats.Queries++
	if network == "udp" {
		s.stats.UDP++
	} else {
		s.stats.TCP++
	}
	if m.Opcode == dns.OpcodeUpdate {
		s.stats.Updates++
	} else if len(m.Question) == 1 {
		q := m.Question[0]
		if q.Qtype == dns.TypeAXFR {
			s.stats.Transfers++
		}
		q.Name = dns.CanonicalName(q.Name)
		if s.asked == nil {
			s.asked = map[dns.Question]int{}
		}
		s.asked[q]++
	}
	s.mu.Unlock()
	if hook != nil {
		if f := hook(Query{s, network, m}); f != None {
			return f
		}
	}
	return s.fault()
}

// longestLag is that of the slowest machine behind the server's addresses.
func (s *Server) longestLag() time.Duration {
	if lags := s.lags.Load(); lags != nil && len(*lags) > 0 {
		return slices.Max(*lags)
	}
	return 0
}

// view is what a server knows at one moment; net.mu is held for reading while it is used.
type view struct {
	zone *Zone
	at   time.Time
}

func (s *Server) view(z *Zone) view {
	lag := time.Duration(0)
	if lags := s.lags.Load(); lags != nil && len(*lags) > 0 {
		lag = (*lags)[int(s.turn.Add(1))%len(*lags)]
	}
	return view{z, time.Now().Add(-lag)}
}
