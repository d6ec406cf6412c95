package providers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certform/certform/orchestrator/world"
	"github.com/miekg/dns"
)

// asker asks DNS servers questions. An address is host:port, for a resolver
// also tcp://host:port (over TCP alone) or a URL (RFC 8484). A server that does
// not answer costs its wait once, not once a name.
type asker struct {
	w     *world.World
	room  chan struct{}
	alive flights[struct{}]
	roots map[string]string     // PEM file of the roots that vouch for a resolver over HTTPS, by its URL
	https flights[*http.Client] // for resolvers over HTTPS, by that file

	mu     sync.Mutex
	stream map[string]bool // servers that answered over TCP when they did not over UDP
}

func newAsker(w *world.World) *asker {
	return &asker{w: w, room: make(chan struct{}, 256), stream: map[string]bool{}, roots: map[string]string{}}
}

// client is for a resolver over HTTPS; those that the same roots vouch for share
// one.
func (a *asker) client(ctx context.Context, url string) (*http.Client, error) {
	file := a.roots[url]
	return a.https.of(file).do(ctx, func(context.Context) (*http.Client, error) {
		return a.w.Client(world.HTTP{CAFile: file, UserAgent: "certform"})
	})
}

func question(name string, typ uint16, recurse bool) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, typ)
	m.RecursionDesired = recurse
	m.SetEdns0(1232, false)
	return m
}

// exchange asks over UDP as often as waits has entries, then over TCP, and the
// next time over TCP at once if only that brought an answer. A server that does
// not know EDNS is asked without.
func (a *asker) exchange(ctx context.Context, addr string, m *dns.Msg, waits ...time.Duration) (*dns.Msg, error) {
	select {
	case a.room <- struct{}{}:
		defer func() { <-a.room }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if doh(addr) {
		return a.once(ctx, "https", addr, m, 4*time.Second)
	}
	var first error
	from := 0
	if a.streams(addr) || strings.HasPrefix(addr, "tcp://") {
		from = len(waits)
	}
	for i := from; i <= len(waits); i++ {
		network, wait := "tcp", 3*time.Second
		if i < len(waits) {
			network, wait = "udp", waits[i]
		}
		r, err := a.once(ctx, network, addr, m, wait)
		if err == nil && (r.Rcode == dns.RcodeFormatError || r.Rcode == dns.RcodeNotImplemented) && m.IsEdns0() != nil {
			plain := m.Copy()
			plain.Extra = nil
			r, err = a.once(ctx, network, addr, plain, wait)
		}
		if network == "tcp" {
			a.setStreams(addr, err == nil)
		}
		if err == nil {
			return r, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil || unroutable(err) {
			break
		}
	}
	return nil, first
}

func (a *asker) streams(addr string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stream[addr]
}

func (a *asker) setStreams(addr string, yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stream[addr] = yes
}

func (a *asker) once(ctx context.Context, network, addr string, m *dns.Msg, wait time.Duration) (*dns.Msg, error) {
	one, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m = m.Copy()
	m.Id = dns.Id()
	var r *dns.Msg
	var err error
	if network == "https" {
		var client *http.Client
		if client, err = a.client(one, addr); err == nil {
			r, err = world.ExchangeHTTPS(one, client, addr, m)
		}
	} else {
		world.Aside(func() { r, err = a.w.Exchange(one, network, strings.TrimPrefix(addr, "tcp://"), m) })
	}
	var late net.Error
	if err != nil && ctx.Err() == nil && errors.As(err, &late) && late.Timeout() {
		err = fmt.Errorf("%w over %s within %s", errSilent, network, wait)
	}
	return r, err
}

var errSilent = errors.New("no answer")

// recursive asks the resolvers one after the other until one has an opinion.
func (a *asker) recursive(ctx context.Context, resolvers []string, name string, typ uint16) (*dns.Msg, error) {
	if len(resolvers) == 0 {
		return nil, errNoResolver
	}
	var last error
	for _, addr := range resolvers {
		if err := a.lives(ctx, addr, name, typ); err != nil {
			last = err
			continue
		}
		r, err := a.exchange(ctx, addr, question(name, typ, true), 2*time.Second, 4*time.Second)
		switch {
		case err != nil:
			last = err
		case r.Rcode == dns.RcodeSuccess || r.Rcode == dns.RcodeNameError:
			return r, nil
		default:
			last = fmt.Errorf("resolver %s: %s %s: %s", addr, dns.TypeToString[typ], bare(name), dns.RcodeToString[r.Rcode])
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, last
}

var errNoResolver = errors.New("this machine has no DNS resolver")

// lives finds out once, and within a second, whether a resolver answers at
// all: ten thousand names must not each wait for one that does not. Any answer
// counts, and one of two questions suffices: the root's servers are known to
// every resolver that can reach the world, the name itself perhaps to one that
// cannot.
func (a *asker) lives(ctx context.Context, addr, name string, typ uint16) error {
	if doh(addr) {
		_, err := a.alive.of(addr).do(ctx, func(ctx context.Context) (struct{}, error) {
			_, err := a.once(ctx, "https", addr, question(name, typ, true), 3*time.Second)
			return struct{}{}, err
		})
		if err != nil {
			return fmt.Errorf("resolver %s does not answer: %w", addr, err)
		}
		return nil
	}
	_, err := a.alive.of(addr).do(ctx, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		questions := []*dns.Msg{question(".", dns.TypeNS, true), question(name, typ, true)}
		answers := make(chan error, 2*len(questions))
		for _, q := range questions {
			go func() {
				if strings.HasPrefix(addr, "tcp://") {
					answers <- context.DeadlineExceeded // not asked over UDP
					return
				}
				_, err := a.once(ctx, "udp", addr, q, 400*time.Millisecond)
				if err != nil {
					_, err = a.once(ctx, "udp", addr, q, time.Second)
				}
				answers <- err
			}()
			go func() {
				var err error
				if !strings.HasPrefix(addr, "tcp://") {
					err = sleep(ctx, 400*time.Millisecond)
				}
				if err == nil {
					_, err = a.once(ctx, "tcp", addr, q, time.Second)
				}
				answers <- err
			}()
		}
		var err error
		for range cap(answers) {
			if e := <-answers; e == nil {
				cancel()
				return struct{}{}, nil
			} else if err == nil || !errors.Is(e, context.DeadlineExceeded) {
				err = e
			}
		}
		var late net.Error
		if errors.Is(err, errSilent) || errors.As(err, &late) && late.Timeout() {
			return struct{}{}, fmt.Errorf("resolver %s does not answer", addr)
		}
		return struct{}{}, fmt.Errorf("resolver %s does not answer: %w", addr, err)
	})
	return err
}

// unroutable reports whether this machine has no way to an address of that
// family, as opposed to nobody answering there.
func unroutable(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && strings.HasPrefix(op.Net, "udp") && errors.Is(err, syscall.EHOSTUNREACH) {
		return true // no packet has left yet: it is our own route
	}
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EPROTONOSUPPORT)
}

// doh reports whether a resolver is asked over HTTPS.
func doh(addr string) bool { return strings.HasPrefix(addr, "https://") }

// withPort is a host or host:port as an address to dial.
func withPort(s string) string {
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s
	}
	return net.JoinHostPort(s, "53")
}
