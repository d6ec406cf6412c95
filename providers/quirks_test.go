package providers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/internal/dnstest"
	"github.com/certform/certform/orchestrator/event"
	"github.com/certform/certform/providers"
	"github.com/certform/certform/providers/providertest"
	"github.com/libdns/libdns"
)

// odd is a libdns provider with the habits that some have. It holds its set in
// the host's zone.
type odd struct {
	h *dnstest.Host

	mu       sync.Mutex
	calls    []string
	habit    string
	failures int
}

func (o *odd) note(call string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, call)
}

func (o *odd) count(call string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (o *odd) fails() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failures--
	return o.failures >= 0
}

func (o *odd) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	o.note("get")
	recs, err := o.h.GetRecords(ctx, zone)
	switch o.habit {
	case "cannot read":
		return nil, errors.New("unsupported record type CAA")
	case "reads nothing more":
		recs = append(recs, nil)
	case "stops reading":
		if o.fails() {
			<-ctx.Done()
			return nil, nil
		}
	}
	for i, r := range recs {
		if t, ok := r.(libdns.TXT); ok && o.habit == "needs id" {
			t.ProviderData = "id of " + t.Text
			recs[i] = t
		}
	}
	return recs, err
}

func (o *odd) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	o.note(fmt.Sprint("append ", len(recs)))
	switch o.habit {
	case "replaces", "one value":
		return o.SetRecords(ctx, zone, recs)
	case "swallows errors":
		if o.fails() {
			return nil, nil
		}
	case "panics":
		if o.fails() {
			panic("canary")
		}
	case "hangs":
		if o.fails() {
			time.Sleep(10 * time.Minute) // it never looks at ctx
			return nil, ctx.Err()
		}
	case "exists":
		have, _ := o.h.GetRecords(ctx, zone)
		for _, r := range recs {
			if slices.ContainsFunc(have, func(h libdns.Record) bool { return h.RR().Data == r.RR().Data }) {
				return nil, errors.New("record already exists")
			}
		}
		if _, err := o.h.AppendRecords(ctx, zone, recs); err == nil && o.fails() {
			return nil, errors.New("connection reset")
		}
		return recs, nil
	}
	return o.h.AppendRecords(ctx, zone, recs)
}

func (o *odd) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	o.note(fmt.Sprint("set ", len(recs)))
	var old []libdns.RR
	for _, r := range recs {
		old = append(old, libdns.RR{Name: r.RR().Name, Type: "TXT"})
	}
	if err := o.h.Change(ctx, zone, nil, old); err != nil {
		return nil, err
	}
	return o.h.AppendRecords(ctx, zone, recs)
}

func (o *odd) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	o.note(fmt.Sprint("delete ", len(recs)))
	switch o.habit {
	case "deletes by name", "one value":
		for i, r := range recs {
			recs[i] = libdns.RR{Name: r.RR().Name, Type: "TXT"}
		}
	case "needs id":
		for _, r := range recs {
			if t, ok := r.(libdns.TXT); !ok || t.ProviderData != "id of "+t.Text {
				return nil, errors.New("no id")
			}
		}
	case "stops reading":
		if o.count("delete 1") == 1 {
			return nil, nil
		}
	case "missing is an error":
		have, _ := o.h.GetRecords(ctx, zone)
		for _, r := range recs {
			if !slices.ContainsFunc(have, func(h libdns.Record) bool { return h.RR().Data == r.RR().Data }) {
				return nil, errors.New("record not found")
			}
		}
	case "deletes nothing":
		return nil, nil
	case "deletes at the second try":
		if o.fails() {
			return nil, nil
		}
	}
	return o.h.DeleteRecords(ctx, zone, recs)
}

// blind is odd without reading.
type blind struct{ *odd }

func (blind) GetRecords() {}

func TestQuirks(t *testing.T) {
	for _, c := range []struct {
		habit    string
		quirks   providers.Quirks
		failures int
		blind    bool
		left     string // error of Clean
		err      string // error of Present
	}{
		{habit: "none"},
		{habit: "none", quirks: providers.Quirks{Batch: 10}},
		{habit: "replaces", quirks: providers.Quirks{Replaces: true}},
		{habit: "deletes by name", quirks: providers.Quirks{DeletesByName: true}},
		{habit: "needs id", quirks: providers.Quirks{NeedsID: true}},
		{habit: "swallows errors", failures: 2},
		{habit: "exists", failures: 1, quirks: providers.Quirks{Batch: 10}},
		{habit: "hangs", failures: 1},
		{habit: "panics", failures: 1, err: "the provider panicked: string (github.com/certform/certform/providers_test.(*odd).AppendRecords)"},
		{habit: "deletes nothing", left: "accepted the removal, but the value is still there"},
		{habit: "deletes at the second try", failures: 1},
		{habit: "cannot read"},
		{habit: "missing is an error"},
		{habit: "missing is an error", quirks: providers.Quirks{Batch: 10}},
		{habit: "reads nothing more"},
		{habit: "reads nothing more", quirks: providers.Quirks{NeedsID: true}},
		{habit: "stops reading", failures: 1},
		{habit: "none", quirks: providers.Quirks{WholeZone: true}},
		{habit: "none", blind: true},
		{habit: "deletes nothing", blind: true, left: "still shows it"},
		{habit: "replaces", quirks: providers.Quirks{Replaces: true}, blind: true, err: "can neither read nor set"},
		{habit: "one value", quirks: providers.Quirks{OneValue: true}, err: "holds one TXT value a name"},
	} {
		t.Run(fmt.Sprintf("%s %+v %v", c.habit, c.quirks, c.blind), func(t *testing.T) {
			play(t, setup{}, func(s *scene) {
				o := &odd{h: s.host, habit: c.habit, failures: c.failures}
				var p providers.Provider = o
				if c.blind {
					p = blind{o}
				}
				z := s.open(providertest.World(s.net, resolver), setup{}, providers.DNS{
					Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", p), Quirks: c.quirks,
				})
				defer z.Close()
				if c.habit == "hangs" {
					defer time.Sleep(10 * time.Minute) // until the abandoned call is over
				}
				const name = "_acme-challenge.example.com" // holds a foreign value
				v := []providers.Value{value(name, "one"), value(name, "two")}
				err := z.Present(s.t.Context(), nil, v)
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("error %v, want %q", err, c.err)
					}
					return
				}
				if err != nil {
					t.Fatalf("%v (calls %q)", err, o.calls)
				}
				if got := s.net.TXT(name); !slices.Equal(got, []string{"foreign", "one", "two"}) {
					t.Errorf("after Present: %q (calls %q)", got, o.calls)
				}
				left := z.Clean(s.t.Context(), v[:1])
				if c.left != "" {
					if len(left) != 1 || !strings.Contains(left[0].Err.Error(), c.left) {
						t.Errorf("left %v, want %q", left, c.left)
					}
					return
				}
				if got := s.net.TXT(name); len(left) > 0 || !slices.Equal(got, []string{"foreign", "two"}) {
					t.Errorf("left %v, the host has %q (calls %q)", left, got, o.calls)
				}
				if left := z.Clean(s.t.Context(), v); len(left) > 0 {
					t.Errorf("left %v (calls %q)", left, o.calls)
				}
				if c.habit == "missing is an error" && len(s.said(event.Retrying)) > c.quirks.Batch/10 {
					t.Errorf("what was not there was removed again and again (calls %q)", o.calls)
				}
			})
		})
	}
}

// Around every change of a host that can only replace sets or the zone, the
// zone is locked across machines; at others it is not.
func TestLock(t *testing.T) {
	for _, c := range []struct {
		quirks providers.Quirks
		locked bool
	}{{providers.Quirks{}, false}, {providers.Quirks{Replaces: true}, true}, {providers.Quirks{DeletesByName: true}, true}, {providers.Quirks{WholeZone: true}, true}} {
		synctest.Test(t, func(t *testing.T) {
			n := dnstest.New()
			defer n.Close()
			n.AddResolver("192.0.2.53")
			o := &odd{h: n.NewHost(dnstest.HostConfig{}, n.AddZone("example.com"))}
			z := providers.NewZones(providertest.World(n, resolver), providers.Options{
				DNS: []providers.DNS{{Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", o), Quirks: c.quirks}},
				Exclusive: func(_ context.Context, key string) (func(), error) {
					o.note("lock " + key)
					return func() { o.note("release") }, nil
				},
			})
			defer z.Close()
			v := []providers.Value{value("_acme-challenge.example.com", "one")}
			if err := z.Present(t.Context(), nil, v); err != nil {
				t.Fatal(err)
			}
			if c.locked != (o.calls[0] == "lock dns/example.com" && o.calls[len(o.calls)-1] == "release") {
				t.Errorf("%+v: calls %q", c.quirks, o.calls)
			}
		})
	}
}

// At a host with one value a name, the second certificate waits until the first
// one is cleaned; other names do not.
func TestOneValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		o := &odd{h: n.NewHost(dnstest.HostConfig{}, n.AddZone("example.com")), habit: "one value"}
		z := providers.NewZones(providertest.World(n, resolver), providers.Options{DNS: []providers.DNS{{
			Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", o), Quirks: providers.Quirks{OneValue: true},
		}}})
		defer z.Close()
		const name = "_acme-challenge.example.com"
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 3 {
			v := []providers.Value{value(name, fmt.Sprint("v", i))}
			wg.Go(func() {
				if err := z.Present(t.Context(), nil, v); err != nil {
					t.Error(err)
				}
				if got := n.TXT(name); !slices.Equal(got, []string{v[0].Text}) {
					t.Errorf("while %s is presented the host has %q", v[0].Text, got)
				}
				time.Sleep(10 * time.Second)
				if left := z.Clean(t.Context(), v); len(left) > 0 {
					t.Error(left)
				}
			})
		}
		if err := z.Present(t.Context(), nil, []providers.Value{value("_acme-challenge.x.example.com", "x")}); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("another name took %s", took)
		}
		wg.Wait()
		if took := time.Since(began); took < 30*time.Second || took > time.Minute {
			t.Errorf("three took %s", took)
		}
	})
}

// Two blocks of one account share its pace and its Retry-After; another account
// is not held up.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.New()
		defer n.Close()
		n.AddResolver("192.0.2.53")
		w := providertest.World(n, resolver)
		var all []providers.DNS
		for i, account := range []string{"a", "a", "b"} {
			zone := fmt.Sprintf("z%d.test", i)
			d := providertest.Memory("dns.m."+fmt.Sprint(i), account, n.NewHost(dnstest.HostConfig{}, n.AddZone(zone)), zone)
			d.Quirks = providers.Quirks{PerSecond: 0.5, Batch: 1}
			all = append(all, d)
		}
		var mu sync.Mutex
		last := map[string]time.Duration{}
		began := time.Now()
		z := providers.NewZones(w, providers.Options{DNS: all, Say: func(e event.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == event.Presented {
				last[e.Provider] = time.Since(began)
			}
		}})
		defer z.Close()
		var wg sync.WaitGroup
		for i := range 3 {
			for k := range 3 {
				wg.Go(func() {
					v := providers.Value{Zone: fmt.Sprintf("z%d.test.", i), Name: fmt.Sprintf("_acme-challenge.h%d.z%d.test.", k, i), Text: "v"}
					if err := z.Present(t.Context(), nil, []providers.Value{v}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if a, b := max(last["dns.m.0"], last["dns.m.1"]), last["dns.m.2"]; a != 10*time.Second || b != 4*time.Second {
			t.Errorf("six calls of one account took %s, three of the other %s", a, b)
		}
	})
}

// At a host with one value a name, what an earlier run left there is not removed
// in the person of the value that replaced it.
func TestOverwritten(t *testing.T) {
	play(t, setup{}, func(s *scene) {
		o := &odd{h: s.host, habit: "one value"}
		z := s.open(providertest.World(s.net, resolver), setup{}, providers.DNS{
			Address: "dns.odd.a", Kind: "odd", Zones: []string{"example.com"}, Spec: providertest.Spec("a", o), Quirks: providers.Quirks{OneValue: true},
		})
		defer z.Close()
		const name = "_acme-challenge.free.example.com"
		old, now := value(name, "of an earlier run"), value(name, "of this one")
		if err := z.Present(s.t.Context(), nil, []providers.Value{now}); err != nil {
			t.Fatal(err)
		}
		if left := z.Clean(s.t.Context(), []providers.Value{old}); len(left) > 0 {
			t.Errorf("left %v", left)
		}
		if got := s.net.TXT(name); !slices.Equal(got, []string{now.Text}) {
			t.Errorf("the host has %q (calls %q)", got, o.calls)
		}
		if left := z.Clean(s.t.Context(), []providers.Value{now}); len(left) > 0 {
			t.Errorf("left %v", left)
		}
		if got := s.net.TXT(name); len(got) > 0 {
			t.Errorf("the host has %q (calls %q)", got, o.calls)
		}
	})
}
