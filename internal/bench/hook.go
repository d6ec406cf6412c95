package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// The floor's side of DNS: the webhook, and the wait for what it changed.

type hookChange struct {
	Op    string `json:"op"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
	TTL   int    `json:"ttl"`
}

// jitter is how much less a call may take to the host than the one before it.
const jitter = 3 * time.Millisecond

// add brings all values to the host, zone by zone, in as few calls as it allows
// and no faster than it accepts them.
func (f *floor) add(ctx context.Context) error {
	var zones []string
	changes := map[string][]hookChange{}
	last := map[string]*pending{}
	for _, p := range f.pending {
		if changes[p.zone] == nil {
			zones = append(zones, p.zone)
		}
		for _, v := range p.values {
			changes[p.zone] = append(changes[p.zone], hookChange{"add", p.challenge(), "TXT", v, 60})
		}
		last[p.zone] = p
	}
	var due time.Time
	for _, zone := range zones {
		f.last = last[zone]
		for part := range slices.Chunk(changes[zone], f.Case.batch()) {
			if err := sleep(ctx, time.Until(due)); err != nil {
				return err
			}
			due = time.Now().Add(f.Case.each() + jitter)
			wait, err := f.call(ctx, zone, part)
			for err == nil && wait > 0 {
				if err = sleep(ctx, wait); err == nil {
					wait, err = f.call(ctx, zone, part)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// call is one call. A host that has enough says how long to wait.
func (f *floor) call(ctx context.Context, zone string, changes []hookChange) (wait time.Duration, err error) {
	body, err := json.Marshal(map[string]any{"changes": changes})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.World.Hook+"/zones/"+url.PathEscape(zone)+"/changes", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+hookToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return 0, err
	case resp.StatusCode == http.StatusTooManyRequests:
		return dnsEach / 10, nil // it came a little early after all
	case resp.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("the DNS host answers %s: %s", resp.Status, text)
	}
	return 0, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll is how often the floor looks for the value that was added last.
const poll = 5 * time.Millisecond

// propagate waits until the authoritative server shows everything: first the
// value that was added last, then, once, all.
func (f *floor) propagate(ctx context.Context) error {
	ask := &asker{addr: f.World.Nameserver}
	defer ask.close()
	if err := f.all(ctx, 0, f.prepare); err != nil {
		return err
	}
	for {
		ok, err := ask.shows(ctx, f.last)
		if err != nil {
			return err
		}
		if ok {
			break
		}
		if err := sleep(ctx, poll); err != nil {
			return err
		}
	}
	return f.all(ctx, 0, func(ctx context.Context, p *pending) error {
		ok, err := ask.shows(ctx, p)
		if err == nil && !ok {
			err = fmt.Errorf("%s is not shown though a later value is", p.challenge())
		}
		return err
	})
}

// asker asks one server over UDP and keeps its sockets.
type asker struct {
	addr string
	mu   sync.Mutex
	idle []*dns.Conn
}

func (a *asker) shows(ctx context.Context, p *pending) (bool, error) {
	a.mu.Lock()
	var conn *dns.Conn
	if n := len(a.idle); n > 0 {
		conn, a.idle = a.idle[n-1], a.idle[:n-1]
	}
	a.mu.Unlock()
	client := &dns.Client{Timeout: 2 * time.Second}
	if conn == nil {
		var err error
		if conn, err = client.DialContext(ctx, a.addr); err != nil {
			return false, err
		}
	}
	r, _, err := client.ExchangeWithConnContext(ctx, new(dns.Msg).SetQuestion(p.challenge()+".", dns.TypeTXT), conn)
	if err != nil {
		conn.Close()
		return false, fmt.Errorf("ask for %s: %w", p.challenge(), err)
	}
	a.mu.Lock()
	a.idle = append(a.idle, conn)
	a.mu.Unlock()
	var have []string
	for _, rr := range r.Answer {
		if t, ok := rr.(*dns.TXT); ok {
			have = append(have, strings.Join(t.Txt, ""))
		}
	}
	for _, v := range p.values {
		if !slices.Contains(have, v) {
			return false, nil
		}
	}
	return true, nil
}

func (a *asker) close() {
	for _, c := range a.idle {
		c.Close()
	}
}
