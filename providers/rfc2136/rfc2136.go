// Package rfc2136 changes zones by dynamic updates (RFC 2136), signed with TSIG
// (RFC 8945) where a key is given: BIND, Knot, PowerDNS, Windows and others.
//
// All changes of a batch travel in one UPDATE, which the server makes as a
// whole or not at all. The server is asked directly for what it holds, so no
// right to transfer the zone is needed. Where several servers take updates, the
// next one is asked when one does not answer.
package rfc2136

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

const example = `dns "rfc2136" "main" {
  server   = "ns1.example.com"
  key_name = "certform"
  key_alg  = "hmac-sha256"
  key      = secret("env:TSIG_KEY")
  zones    = ["example.com"]
}
`

// Kind is the line of this provider in the table of all.
func Kind() providers.Kind {
	return providers.Kind{
		Name:    "rfc2136",
		Doc:     "DNS servers that take dynamic updates (RFC 2136): BIND, Knot, PowerDNS, Windows.",
		Example: example,
		New:     func() providers.Spec { return &Spec{} },
		Quirks:  providers.Quirks{Batch: 500, Source: "RFC 2136, sections 2.5 and 3.4: values are added and deleted one by one, an update is atomic"},
		Special: "Values are added and removed one by one, exactly, all of a zone in one UPDATE. A zone transfer is not needed. Servers cannot be asked for their zones, " +
			"so that is declared or found by DNS.",
		Proven: []providers.Proof{{Level: providers.Scripted}, {Level: providers.Real, By: []string{"BIND", "Knot"}}},
	}
}

// Spec is a block dns "rfc2136".
type Spec struct {
	Server    string       `arg:"server,required" doc:"The primary server, as host or host:port."`
	Fallbacks []string     `arg:"fallback_servers" doc:"Other servers that take updates of the same zones: further primaries, or secondaries that forward updates. The next one is asked when one does not answer, and goes on being asked while it does."`
	KeyName   string       `arg:"key_name" doc:"Name of the TSIG key; without a key updates are not signed."`
	KeyAlg    string       `arg:"key_alg" default:"hmac-sha256" doc:"Algorithm of the TSIG key: hmac-sha256, hmac-sha512, hmac-sha384, hmac-sha224 or hmac-sha1."`
	Key       block.Secret `arg:"key" doc:"The TSIG key, in base64."`
}

var algorithms = map[string]string{
	"hmac-sha1": dns.HmacSHA1, "hmac-sha224": dns.HmacSHA224, "hmac-sha256": dns.HmacSHA256,
	"hmac-sha384": dns.HmacSHA384, "hmac-sha512": dns.HmacSHA512,
}

func (s *Spec) algorithm() string {
	return algorithms[strings.TrimSuffix(strings.ToLower(s.KeyAlg), ".")]
}

func address(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), "53")
}

// addresses is all servers, in the order in which they are asked.
func (s *Spec) addresses() []string {
	out := []string{address(s.Server)}
	for _, f := range s.Fallbacks {
		out = append(out, address(f))
	}
	return out
}

// Check says what is wrong beyond the types of the arguments.
func (s *Spec) Check() (out []block.Problem) {
	if (s.KeyName == "") != s.Key.Zero() {
		have, lack := "key_name", "key"
		if s.KeyName == "" {
			have, lack = lack, have
		}
		out = append(out, block.Problem{Argument: have, Summary: "Half a key",
			Detail: fmt.Sprintf("A TSIG key has a name and a secret: %s is given and %s is not.", have, lack)})
	}
	if s.KeyAlg != "" && s.algorithm() == "" {
		known := slices.Sorted(maps.Keys(algorithms))
		out = append(out, block.Problem{Argument: "key_alg", Summary: "Unknown algorithm",
			Detail: fmt.Sprintf("There is no %q here; known: %s.", s.KeyAlg, strings.Join(known, ", "))})
	}
	if i := slices.Index(s.Fallbacks, ""); i >= 0 {
		out = append(out, block.Problem{Argument: "fallback_servers", Summary: "No server",
			Detail: fmt.Sprintf("Element %d is empty; each is a host or host:port.", i+1)})
	}
	return out
}

// Account is the primary server.
func (s *Spec) Account() string { return address(s.Server) }

// View is the key: a server may show who has it another zone of the same name.
func (s *Spec) View() string { return dns.CanonicalName(s.KeyName) }

// Open resolves the key; nothing is asked yet.
func (s *Spec) Open(ctx context.Context, w *world.World) (providers.Provider, error) {
	p := &provider{w: w, servers: s.addresses()}
	if s.Key.Zero() {
		return p, nil
	}
	secret, err := w.Resolve(ctx, s.Key.Ref())
	if err != nil {
		return nil, err
	}
	secret = strings.TrimSpace(secret)
	if _, err := base64.StdEncoding.DecodeString(secret); err != nil {
		return nil, world.Never(fmt.Errorf("secret %q: a TSIG key is base64", s.Key.Ref()))
	}
	p.keyName, p.keyAlg = dns.CanonicalName(s.KeyName), s.algorithm()
	p.secrets = map[string]string{p.keyName: secret}
	return p, nil
}

type provider struct {
	w               *world.World
	servers         []string
	first           atomic.Int32 // which of them answered last
	keyName, keyAlg string
	secrets         map[string]string
}

const (
	mostUDP = 512      // every server takes so much over UDP (RFC 1035, section 4.2.1)
	mostTCP = 60 << 10 // below the 65,535 octets of a message, with room for the signature
)

// errThere says that a name holds TXT values already.
var errThere = errors.New("there are values at a name already")

// Change makes additions and removals by one UPDATE. More than fit in a
// message go in several.
//
// All records of a set have one TTL (RFC 2181, section 5.2), so a value that
// joins others takes over theirs: with our own TTL the server would change
// theirs too. Most names are empty, and the update itself asks for that (RFC
// 2136, section 2.4.3); only if one is not are the names read first.
func (p *provider) Change(ctx context.Context, zone string, add, del []libdns.RR) error {
	err := p.change(ctx, zone, add, del, true)
	if !errors.Is(err, errThere) {
		return err
	}
	have, err := p.ReadTXT(ctx, zone, names(add))
	if err != nil {
		return fmt.Errorf("read what is beside the new values: %w", err)
	}
	ttls := map[string]time.Duration{}
	for _, r := range have {
		ttls[r.Name] = r.TTL
	}
	add = slices.Clone(add)
	for i, r := range add {
		if ttl, ok := ttls[r.Name]; ok {
			add[i].TTL = ttl
		}
	}
	return p.change(ctx, zone, add, del, false)
}

func names(rrs []libdns.RR) []string {
	var out []string
	for _, r := range rrs {
		out = append(out, r.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// change sends the updates; with alone only where no name of add holds TXT
// values, else errThere.
func (p *provider) change(ctx context.Context, zone string, add, del []libdns.RR, alone bool) error {
	m := newUpdate(zone)
	size := m.Len()
	asked := map[string]bool{}
	send := func() error {
		if len(m.Ns) == 0 {
			return nil
		}
		err := p.update(ctx, zone, m)
		m, size = newUpdate(zone), 0
		clear(asked)
		return err
	}
	room := func(n int) error {
		if size += n; size <= mostTCP {
			return nil
		}
		err := send()
		size = n
		return err
	}
	for _, r := range del {
		rr := providers.TXT(providers.Absolute(r.Name, zone), 0, r.Data)
		if err := room(dns.Len(rr)); err != nil {
			return err
		}
		m.Remove([]dns.RR{rr})
	}
	for _, r := range add {
		rr := providers.TXT(providers.Absolute(r.Name, zone), r.TTL, r.Data)
		n := dns.Len(rr)
		if alone && !asked[r.Name] {
			n += len(rr.Header().Name) + 12
		}
		if err := room(n); err != nil {
			return err
		}
		if alone && !asked[r.Name] {
			asked[r.Name] = true
			m.RRsetNotUsed([]dns.RR{rr})
		}
		m.Insert([]dns.RR{rr})
	}
	return send()
}

func newUpdate(zone string) *dns.Msg {
	m := new(dns.Msg).SetUpdate(dns.CanonicalName(zone))
	m.Compress = true
	return m
}

func (p *provider) update(ctx context.Context, zone string, m *dns.Msg) error {
	if err := providers.Pace(ctx); err != nil {
		return err
	}
	r, server, err := p.exchange(ctx, m)
	if err != nil {
		return fmt.Errorf("update at %w", err)
	}
	if r.Rcode == dns.RcodeYXRrset && len(m.Answer) > 0 {
		return errThere
	}
	if err := p.verdict(zone, r); err != nil {
		return fmt.Errorf("update at %s: %w", server, err)
	}
	return nil
}

// ReadTXT asks the server for names, one question each.
func (p *provider) ReadTXT(ctx context.Context, zone string, names []string) ([]libdns.RR, error) {
	found := make([][]libdns.RR, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i, name := range names {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			found[i], errs[i] = p.read(ctx, zone, name)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(found...), nil
}

func (p *provider) read(ctx context.Context, zone, rel string) ([]libdns.RR, error) {
	name := providers.Absolute(rel, zone)
	m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
	m.RecursionDesired = false
	r, server, err := p.exchange(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("ask %s for %s: %w", server, name, p.verdict(zone, r))
	}
	var out []libdns.RR
	for _, rr := range r.Answer {
		if t, ok := rr.(*dns.TXT); ok && dns.CanonicalName(t.Hdr.Name) == name {
			out = append(out, libdns.RR{Name: rel, Type: "TXT", Data: providers.Text(t), TTL: time.Duration(t.Hdr.Ttl) * time.Second})
		}
	}
	return out, nil
}

// AppendRecords is libdns's own way; the broker uses Change.
func (p *provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.AppendBy(ctx, p, zone, recs)
}

// DeleteRecords is libdns's own way; the broker uses Change.
func (p *provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return providers.DeleteBy(ctx, p, zone, recs)
}

// exchange sends a message to the server that answered last, or to the next one
// that answers, and says which. A server of which no answer came may have made
// an update all the same: where it then shows at the next one too the update
// finds its values there, and where it does not it is made there.
func (p *provider) exchange(ctx context.Context, m *dns.Msg) (r *dns.Msg, server string, err error) {
	first := int(p.first.Load())
	var silent error
	for i := range p.servers {
		n := (first + i) % len(p.servers)
		server = p.servers[n]
		wait := mostWait
		if i+1 < len(p.servers) {
			wait = nextWait
		}
		if r, err = p.ask(ctx, server, m, wait); err == nil {
			p.first.Store(int32(n))
			return r, server, nil
		}
		err = fmt.Errorf("%s: %w", server, err)
		if silent != nil {
			err = fmt.Errorf("%w; at %w", silent, err)
		}
		silent = err
		if ctx.Err() != nil {
			break
		}
	}
	return nil, "", silent
}

// How long a server is waited for over TCP: the last one, and those after which
// there is another.
const (
	mostWait = 30 * time.Second
	nextWait = 8 * time.Second
)

// ask sends a message, signed if there is a key: a small one over UDP first, and
// over TCP what is large, was cut, or got no answer. An update that arrives
// twice does the same twice.
func (p *provider) ask(ctx context.Context, server string, m *dns.Msg, wait time.Duration) (*dns.Msg, error) {
	if m.Len() <= mostUDP-100 {
		r, err := p.once(ctx, "udp", server, m, 3*time.Second)
		if err == nil && !r.Truncated || ctx.Err() != nil {
			return r, err
		}
	}
	return p.once(ctx, "tcp", server, m, wait)
}

func (p *provider) once(ctx context.Context, network, server string, m *dns.Msg, wait time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m = m.Copy()
	m.Id = dns.Id()
	m.Compress = true
	if p.keyName != "" {
		m.SetTsig(p.keyName, p.keyAlg, 300, time.Now().Unix())
	}
	c, err := p.w.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	conn := &dns.Conn{Conn: c, TsigSecret: p.secrets, UDPSize: 4096}
	asked := time.Now()
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		r, err := conn.ReadMsg()
		p.dated(server, r, err, asked)
		switch {
		case r == nil || err != nil && r.IsTsig() == nil:
			if ctx.Err() != nil {
				return nil, fmt.Errorf("no answer over %s within %s", network, wait)
			}
			return nil, err
		case r.Id != m.Id:
			continue // an answer to somebody else's question
		case err != nil && r.IsTsig().Error == dns.RcodeSuccess && r.Rcode != dns.RcodeNotAuth:
			return nil, fmt.Errorf("the answer's signature: %w", err)
		case p.keyName != "" && r.IsTsig() == nil && r.Rcode == dns.RcodeSuccess:
			return nil, errors.New("the question was signed and the answer is not")
		}
		return r, nil
	}
}

// dated tells what a signed answer says of the server's clock: the time of its
// signature, or, where it refused ours for its time, the other data (RFC 8945,
// sections 5.2.3 and 5.3).
func (p *provider) dated(server string, r *dns.Msg, err error, asked time.Time) {
	if p.w.Dated == nil || r == nil || r.IsTsig() == nil {
		return
	}
	t := r.IsTsig()
	if err != nil && t.Error != dns.RcodeBadTime {
		return // perhaps it is somebody else's answer
	}
	seconds := int64(t.TimeSigned)
	if t.Error == dns.RcodeBadTime {
		other, err := strconv.ParseInt(t.OtherData, 16, 64)
		if err != nil {
			return
		}
		seconds = other
	} else if t.Error != dns.RcodeSuccess {
		return // not signed
	}
	p.w.Dated(server, time.Unix(seconds, 0).Add(time.Second/2).Sub(asked.Add(time.Since(asked)/2)))
}

// verdict is the server's answer as an error, with advice.
func (p *provider) verdict(zone string, r *dns.Msg) error {
	if r.Rcode == dns.RcodeSuccess {
		return nil
	}
	word := dns.RcodeToString[r.Rcode]
	signed := uint16(0)
	if t := r.IsTsig(); t != nil {
		signed = t.Error
	}
	never := func(advice string) error {
		return &world.Fault{Err: fmt.Errorf("the server answers %s", word), Never: true, Advice: advice}
	}
	switch {
	case signed == dns.RcodeBadKey:
		word += "/BADKEY"
		return never(fmt.Sprintf("the server knows no TSIG key named %s with the algorithm %s", p.keyName, strings.TrimSuffix(p.keyAlg, ".")))
	case signed == dns.RcodeBadSig:
		word += "/BADSIG"
		return never("the server has another secret for the TSIG key " + p.keyName)
	case signed == dns.RcodeBadTime:
		word += "/BADTIME"
		return never("this machine's clock and the server's differ by more than five minutes")
	}
	switch r.Rcode {
	case dns.RcodeNotAuth:
		if p.keyName == "" {
			return never("the server is not primary for zone " + zone + ", or wants a TSIG key")
		}
		return never("the server is not primary for zone " + zone + ", or does not know the TSIG key " + p.keyName)
	case dns.RcodeRefused:
		advice := "the server lets nobody without a key change the zone: give key_name and key, or allow this address there"
		if p.keyName != "" {
			advice = "the server does not let the key " + p.keyName + " change this: see allow-update or update-policy (BIND), acl (Knot)"
		}
		// A policy may refuse one name of many.
		return errors.Join(never(advice), providers.ErrRefused)
	case dns.RcodeNotZone, dns.RcodeFormatError, dns.RcodeYXRrset, dns.RcodeNXRrset:
		return errors.Join(fmt.Errorf("the server answers %s", word), providers.ErrRefused)
	case dns.RcodeNotImplemented:
		return never("the server does not take dynamic updates")
	case dns.RcodeServerFailure:
		return world.Hint(fmt.Errorf("the server answers %s", word),
			"the zone may be frozen, or the server may not be able to write its file or journal; its log says which")
	}
	return fmt.Errorf("the server answers %s", word)
}
