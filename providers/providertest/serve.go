package providertest

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/providers"
	"github.com/miekg/dns"
)

// Serve answers TXT questions with authority over loopback, from txt: DNS for
// a host that has an API and no servers.
func Serve(t testing.TB, txt func(name string) []string) string {
	t.Helper()
	var packets net.PacketConn
	var stream net.Listener
	// A port that is free for UDP may be taken for TCP.
	for try := 1; stream == nil; try++ {
		var err error
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if stream, err = net.Listen("tcp", packets.LocalAddr().String()); err != nil {
			packets.Close()
			if try == 20 {
				t.Fatal(err)
			}
		}
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		r.Authoritative = true
		if q.Question[0].Qtype == dns.TypeTXT {
			for _, v := range txt(strings.TrimSuffix(q.Question[0].Name, ".")) {
				r.Answer = append(r.Answer, providers.TXT(q.Question[0].Name, time.Minute, v))
			}
		}
		if w.LocalAddr().Network() == "udp" {
			r.Truncate(1232)
		}
		w.WriteMsg(r)
	})
	servers := []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}}
	var up, down sync.WaitGroup
	for _, s := range servers {
		up.Add(1)
		s.NotifyStartedFunc = up.Done
		down.Go(func() { s.ActivateAndServe() })
	}
	up.Wait()
	t.Cleanup(func() {
		for _, s := range servers {
			s.Shutdown()
		}
		down.Wait()
	})
	return packets.LocalAddr().String()
}

// Faulty is an HTTP handler that fails when told to.
type Faulty struct {
	Handler http.Handler
	// Only says which requests can fail; nil: all.
	Only func(r *http.Request) bool

	mu   sync.Mutex
	next []Fault
}

// Next has the next request fail.
func (f *Faulty) Next(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, fault)
}

func (f *Faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if len(f.next) == 0 || f.Only != nil && !f.Only(r) {
		f.mu.Unlock()
		f.Handler.ServeHTTP(w, r)
		return
	}
	fault := f.next[0]
	f.next = f.next[1:]
	f.mu.Unlock()
	switch fault {
	case None:
		f.Handler.ServeHTTP(w, r)
	case TooMany:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case Broken:
		w.WriteHeader(http.StatusBadGateway)
	case BrokenLate:
		f.Handler.ServeHTTP(lost{}, r)
		w.WriteHeader(http.StatusBadGateway)
	case LostReply:
		f.Handler.ServeHTTP(lost{}, r)
		panic(http.ErrAbortHandler)
	}
}

// lost is an answer that nobody sees.
type lost struct{}

func (lost) Header() http.Header         { return http.Header{} }
func (lost) Write(b []byte) (int, error) { return len(b), nil }
func (lost) WriteHeader(int)             {}
