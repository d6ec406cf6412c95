package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/certform/certform/internal/acmetest"
	"github.com/certform/certform/internal/dnstest"
)

// hookToken is the webhook's bearer token.
const hookToken = "bench-token"

// addresses is where a world's parts listen.
type addresses struct {
	Directory  string `json:"directory"`
	CAFile     string `json:"ca_file"`
	Hook       string `json:"hook"`
	Nameserver string `json:"nameserver"`
	Slow       string `json:"slow_nameserver"` // of the slow zone
	Resolver   string `json:"resolver"`
	Control    string `json:"control"`
}

// counts is what a world has seen so far.
type counts struct {
	Calls        map[string]int `json:"calls"` // at the DNS host, by kind
	CallsTotal   int            `json:"calls_total"`
	CallsRefused int            `json:"calls_refused"` // with 429
	LargestCall  int            `json:"largest_call"`
	CA           map[string]int `json:"ca"`
	Issued       int            `json:"issued"`
	Questions    int            `json:"dns_questions"` // at the authoritative server
	Left         []string       `json:"left"`          // names with TXT values
}

// serveWorld is the world's process. It writes its addresses to out and ends
// when in does.
func serveWorld(o worldOrder, in io.Reader, out io.Writer) error {
	c := o.Case
	n := dnstest.New()
	defer n.Close()
	server := n.AddServer("ns1.dns.test", "127.0.0.1")
	late := n.AddServer("ns2.dns.test", "127.0.0.2")
	late.SetLag(c.Slow - c.Propagation)
	var zones []*dnstest.Zone
	for i := range c.Zones {
		by := server
		if i == 0 && c.Slow > 0 {
			by = late
		}
		zones = append(zones, n.AddZone(c.zone(i), by))
	}
	nameserver, err := n.ServeLoopback(server, "127.0.0.1:0")
	if err != nil {
		return err
	}
	slow, err := n.ServeLoopback(late, "127.0.0.1:0")
	if err != nil {
		return err
	}
	resolver, err := n.ServeLoopback(n.AddResolver("198.18.0.53"), "127.0.0.1:0")
	if err != nil {
		return err
	}
	host := n.NewHost(dnstest.HostConfig{
		Token: hookToken, Latency: dnsLatency, Rate: float64(time.Second) / float64(c.each()),
		MaxChanges: c.batch(), Propagation: c.Propagation,
	}, zones...)

	ca := acmetest.New(acmetest.Config{Lookup: n.LookupTXT, Latency: caLatency, MaxInFlight: caInFlight})
	defer ca.Close()
	directory, err := ca.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	root := filepath.Join(o.Dir, "ca.pem")
	if err := os.WriteFile(root, ca.RootPEM(), 0o644); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/dns/", http.StripPrefix("/dns", host.Handler()))
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, r *http.Request) {
		stats := host.Stats()
		json.NewEncoder(w).Encode(counts{
			Calls: stats.Calls, CallsTotal: stats.Total, CallsRefused: stats.Paced, LargestCall: stats.Largest,
			CA: ca.Counts(), Issued: len(ca.Issued()), Questions: server.Stats().Queries, Left: n.AllTXT(),
		})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	base := "http://" + l.Addr().String()
	err = json.NewEncoder(out).Encode(addresses{
		Directory: directory, CAFile: root, Hook: base + "/dns", Control: base + "/counts",
		Nameserver: nameserver.String(), Slow: slow.String(), Resolver: resolver.String(),
	})
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	srv.Close()
	<-ended
	return err
}

// worldOrder is what a world's process is told.
type worldOrder struct {
	Case Case   `json:"case"`
	Dir  string `json:"dir"` // for its files
}

// world is the hold that the bench has on a world's process.
type world struct {
	addresses
	*server
}

func startWorld(ctx context.Context, c Case, dir string) (*world, error) {
	s, err := serve(ctx, "world", worldOrder{c, dir})
	if err != nil {
		return nil, err
	}
	w := &world{server: s}
	if err := json.NewDecoder(s.out).Decode(&w.addresses); err != nil {
		return nil, errors.Join(fmt.Errorf("the world did not begin: %w", err), s.end())
	}
	return w, nil
}

func (w *world) counts(ctx context.Context) (c counts, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Control, nil)
	if err != nil {
		return c, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, fmt.Errorf("ask the world for its counts: %w", err)
	}
	defer resp.Body.Close()
	return c, json.NewDecoder(resp.Body).Decode(&c)
}
