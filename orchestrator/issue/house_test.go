package issue_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/orchestrator/issue"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
	"github.com/certform/certform/orchestrator/world"
	"github.com/certform/certform/providers"
)

// seal binds its text to what it is about, and hides nothing.
type sealed struct{}

func (sealed) Public() string              { return "test" }
func (sealed) Check(context.Context) error { return nil }
func (sealed) Seal(_ context.Context, about string, plain []byte) ([]byte, error) {
	return append([]byte("sealed about "+about+"\n"), plain...), nil
}
func (sealed) Unseal(_ context.Context, about string, text []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(text, []byte("sealed about "+about+"\n"))
	if !ok {
		return nil, errors.New("sealed about something else")
	}
	return plain, nil
}

// hosted answers challenges straight in the test's DNS: no provider, no pace,
// no waiting. What providers do is tested with them.
type hosted struct {
	net *dnstest.Net

	mu       sync.Mutex
	present  int
	values   map[providers.Value]bool
	fail     error
	blind    bool // says that it has written, and has not
	provider []string
}

func (h *hosted) Find(_ context.Context, name cert.Name) (providers.Found, error) {
	host := name.Base()
	for z := host; z != ""; {
		if h.net.Zone(z+".") != nil {
			target := "_acme-challenge." + host + "."
			from := h.provider
			if from == nil {
				from = []string{"dns.test.main"}
			}
			return providers.Found{Name: name, Challenge: target, Target: target, Zone: z + ".", Providers: from}, nil
		}
		_, z, _ = strings.Cut(z, ".")
	}
	return providers.Found{}, fmt.Errorf("%s is in no zone", name)
}

func (h *hosted) Turns(_ context.Context, values []providers.Value) [][]providers.Value {
	if len(values) == 0 {
		return nil
	}
	return [][]providers.Value{values}
}

func (h *hosted) Clean(context.Context, []providers.Value) []providers.Left { return nil }

func (h *hosted) Present(_ context.Context, t *providers.Ticket, values []providers.Value) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.present++
	if h.fail != nil {
		return h.fail
	}
	if h.values == nil {
		h.values = map[providers.Value]bool{}
	}
	for _, v := range values {
		if !h.values[v] && !h.blind {
			h.values[v] = true
			h.net.Zone(v.Zone).Add(v.Name + ` 60 IN TXT "` + v.Text + `"`)
		}
	}
	t.Done()
	return nil
}

func (h *hosted) clean(values []state.Value) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		delete(h.values, providers.Value{Zone: v.Zone, Name: v.Name, Text: v.Value, Provider: v.Provider})
		h.net.Zone(v.Zone).Remove(v.Name + ` 60 IN TXT "` + v.Value + `"`)
	}
}

// house is what an issuer stands in.
type house struct {
	t     *testing.T
	dns   *dnstest.Net
	hosts *hosted
	store *memory.Store
	world *world.World
	roots *x509.CertPool
	dial  func(context.Context, string, string) (net.Conn, error)

	mu     sync.Mutex
	events []event.Event
}

func newHouse(t *testing.T, zones ...string) *house {
	n := dnstest.New()
	t.Cleanup(func() { n.Close() })
	for _, z := range zones {
		n.AddZone(z + ".")
	}
	h := &house{t: t, dns: n, hosts: &hosted{net: n}, store: memory.New()}
	return h
}

// issuer is one as a new process would make it: nothing is shared with an
// earlier one but the store and DNS.
func (h *house) issuer(cfg issue.ACME, secrets map[string]string) issue.Issuer {
	h.world = &world.World{Dial: h.dial, Roots: h.roots, Secret: func(_ context.Context, ref string) (string, error) {
		if v, ok := secrets[ref]; ok {
			return v, nil
		}
		return "", fmt.Errorf("secret %q: there is none", ref)
	}}
	h.t.Cleanup(h.world.CloseIdle)
	if cfg.Address == "" {
		cfg.Address = "issuer.acme.test"
	}
	return issue.NewACME(cfg, issue.Deps{World: h.world, Store: h.store, Seal: sealed{}, Zones: h.hosts, UserAgent: "certform/test"})
}

func (h *house) say(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *house) said(k event.Kind) []event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.events), func(e event.Event) bool { return e.Kind != k })
}

func names(t *testing.T, ss ...string) []cert.Name {
	t.Helper()
	var out []cert.Name
	for _, s := range ss {
		n, err := cert.ParseDNS(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

func (h *house) claim(a issue.Issuer, profile string, ns ...string) (*state.Work, issue.Job) {
	h.t.Helper()
	k, err := cert.GenerateKey(cert.ECDSAP256)
	if err != nil {
		h.t.Fatal(err)
	}
	w := &state.Work{ID: "w", Phase: state.Claimed, Issuer: "issuer.acme.test", Account: a.Account(), Names: ns,
		KeyType: cert.ECDSAP256, SPKI: k.SPKI(), Profile: profile, Begun: time.Now()}
	return w, issue.Job{Names: names(h.t, ns...), Key: k, Say: h.say}
}

// saved is w as it would come back from the state.
func saved(t *testing.T, w *state.Work) *state.Work {
	t.Helper()
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var out state.Work
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// run takes w to its end and returns the chain.
func (h *house) run(a issue.Issuer, w *state.Work, job issue.Job) cert.Chain {
	h.t.Helper()
	c, err := h.try(a, w, job)
	if err != nil {
		h.t.Fatalf("step: %v (advice: %v)", err, world.Advice(err))
	}
	return c
}

func (h *house) try(a issue.Issuer, w *state.Work, job issue.Job) (cert.Chain, error) {
	for w.Phase != state.Issued {
		before := w.Phase
		if err := a.Step(h.t.Context(), w, job); err != nil {
			return nil, err
		}
		if w.Phase == before {
			return nil, fmt.Errorf("the step from %s went nowhere", before)
		}
	}
	h.hosts.clean(w.Values)
	c, err := cert.ParseChain(w.Chain)
	if err != nil {
		return nil, err
	}
	if cert.SPKI(c.Leaf().PublicKey) != job.Key.SPKI() {
		return nil, errors.New("the chain is for another key")
	}
	return c, nil
}
