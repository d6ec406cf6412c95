package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
)

// PowerDNSConfig says what a PowerDNS begins with.
type PowerDNSConfig struct {
	Zones []string // native zones, each with a SOA, an NS and that server's address
}

// PowerDNSServer is a running pdns_server with its HTTP API and an SQLite
// database, without caches. It transfers zones to whoever asks from loopback;
// changes go through the API only, so Add and Remove are refused.
type PowerDNSServer struct {
	*Process
	Nameserver
	URL string // of the API: http://127.0.0.1:8081, without /api/v1
	Key string // X-API-Key
}

// The Debian package's own schema; PowerDNS does not make its tables itself.
const powerdnsSchema = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"

// PowerDNS starts pdns_server (Debian: pdns-server, pdns-backend-sqlite3,
// sqlite3).
func PowerDNS(t testing.TB, c PowerDNSConfig) *PowerDNSServer {
	t.Helper()
	const install = "apt-get install pdns-server pdns-backend-sqlite3 sqlite3"
	program := Need(t, "pdns_server", install)
	sqlite := Need(t, "sqlite3", install)
	schema, err := os.Open(powerdnsSchema)
	if err != nil {
		lack(t, powerdnsSchema, install)
	}
	defer schema.Close()

	dir := home(t)
	api := Addr(t)
	s := &PowerDNSServer{Nameserver: Nameserver{Addr: Addr(t)}, URL: "http://" + api, Key: newTSIG(t).Secret}
	s.Process = &Process{Dir: dir, name: "pdns_server", ready: s.answers,
		argv: []string{program, "--config-dir=" + dir, "--daemon=no", "--guardian=no"}}
	database := filepath.Join(dir, "pdns.sqlite3")
	create := exec.Command(sqlite, "-bail", database)
	create.Stdin = schema
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("create the database of PowerDNS: %v\n%s", err, out)
	}
	// No caches: a test asks right after the change. No question to the
	// maker whether this version is secure.
	write(t, filepath.Join(dir, "pdns.conf"), fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
gsqlite3-pragma-synchronous=0
socket-dir=%s
local-address=127.0.0.1
local-port=%s
api=yes
api-key=%s
webserver=yes
webserver-address=127.0.0.1
webserver-port=%s
webserver-allow-from=127.0.0.1
security-poll-suffix=
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
receiver-threads=1
distributor-threads=1
`, database, dir, portOf(s.Addr), s.Key, portOf(api)))
	launch(t, s.Process)
	for _, zone := range c.Zones {
		s.AddZone(t, zone)
	}
	return s
}

// AddZone creates a zone by the API and returns when the server serves it.
func (s *PowerDNSServer) AddZone(t testing.TB, zone string) {
	t.Helper()
	zone = dns.Fqdn(zone)
	host, _, _ := net.SplitHostPort(s.Addr)
	s.Do(t, http.MethodPost, "/api/v1/servers/localhost/zones", map[string]any{
		"name": zone, "kind": "Native", "nameservers": []string{"ns1." + zone},
		"rrsets": []any{map[string]any{
			"name": "ns1." + zone, "type": "A", "ttl": 60,
			"records": []any{map[string]any{"content": host, "disabled": false}},
		}},
	})
	s.await(t, "serves "+zone, s.serves(zone))
}

// Do sends a request to the API and returns the answer's body; the test ends if
// it is refused. A nil body sends none.
func (s *PowerDNSServer) Do(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	answer, err := s.do(context.Background(), method, path, body)
	if err != nil {
		t.Fatalf("powerdns: %s %s: %v", method, path, err)
	}
	return answer
}

func (s *PowerDNSServer) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	return call(ctx, http.DefaultClient, method, s.URL+path, http.Header{"X-API-Key": {s.Key}}, body)
}

// answers: the API, and the name server behind it, which refuses what it does
// not serve.
func (s *PowerDNSServer) answers(ctx context.Context) error {
	if _, err := s.do(ctx, http.MethodGet, "/api/v1/servers/localhost", nil); err != nil {
		return err
	}
	_, err := s.ask(ctx, new(dns.Msg).SetQuestion("ready.rig.", dns.TypeSOA), false)
	return err
}
