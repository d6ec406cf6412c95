package state_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/seal/age"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
)

// issued is a key and a chain for it.
func issued(t testing.TB) (cert.Key, cert.Chain) {
	t.Helper()
	k, err := cert.GenerateKey(cert.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"b.example.com", "*.example.com"}, NotAfter: root.NotAfter}
	var chain cert.Chain
	for _, c := range []struct {
		cert *x509.Certificate
		pub  any
	}{{leaf, k.Signer().Public()}, {root, ca.Public()}} {
		der, err := x509.CreateCertificate(rand.Reader, c.cert, root, c.pub, ca)
		if err != nil {
			t.Fatal(err)
		}
		x, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, x)
	}
	return k, chain
}

func ephemeral(t testing.TB) seal.Seal {
	t.Helper()
	s, err := age.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBundles(t *testing.T) {
	ctx, s := t.Context(), memory.New()
	_, chain := issued(t)
	leaf := chain.LeafPrint()
	if _, err := state.GetBundle(ctx, s, leaf); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is stored: %v", err)
	}
	if err := state.PutBundle(ctx, s, chain); err != nil {
		t.Fatal(err)
	}
	before, err := s.Get(ctx, state.Key(state.Bundles, string(leaf)))
	if err != nil {
		t.Fatal(err)
	}
	if err := state.PutBundle(ctx, s, chain); err != nil {
		t.Errorf("stored again: %v", err)
	}
	if after, err := s.Get(ctx, before.Key); err != nil || after.Rev != before.Rev {
		t.Errorf("stored again, it was written again: %v", err)
	}
	got, err := state.GetBundle(ctx, s, leaf)
	if err != nil || got.Fingerprint() != chain.Fingerprint() {
		t.Errorf("it came back as %v, %v", got, err)
	}
	if err := state.PutBundle(ctx, s, nil); err == nil {
		t.Error("an empty chain was stored")
	}

	// Swapped, damaged, newer: never taken for the bundle that was asked for.
	_, other := issued(t)
	for says, data := range map[string]string{
		"in its place": string(before.Data),
		"damaged":      `{"format":1,"chain":`,
		"format 9":     `{"format":9}`,
		"certificate":  `{"format":1,"chain":"nothing"}`,
	} {
		s := memory.New()
		if _, err := s.Put(ctx, state.Entry{Key: state.Key(state.Bundles, string(other.LeafPrint())), Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
		if _, err := state.GetBundle(ctx, s, other.LeafPrint()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error that says %q", data[:20], err, says)
		}
	}
}

func TestUnreferenced(t *testing.T) {
	keys := []state.Kept{{Key: "keys/live"}, {Key: "keys/bundled"}, {Key: "keys/alone"}, {Key: "keys/orphan"}}
	bundles := []state.Kept{{Key: "bundles/b1", SPKI: "bundled"}, {Key: "bundles/b2", SPKI: "orphan"}}
	named := map[cert.Fingerprint]bool{"b1": true, "live": true, "elsewhere": true, "": true}
	var got []string
	for _, k := range state.Unreferenced(named, keys, bundles) {
		got = append(got, k.Key)
	}
	if want := []string{"bundles/b2", "keys/alone", "keys/orphan"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := state.Unreferenced(nil, nil, nil); len(got) > 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// garden is a store with keys and bundles, each named by another part of a
// record, and some that nothing names.
type garden struct {
	t     *testing.T
	store *memory.Store
	seal  seal.Seal
	keep  []string // keys of the store
	weeds []string
}

func (g *garden) plant(named bool) (cert.Fingerprint, cert.Fingerprint) {
	g.t.Helper()
	k, chain := issued(g.t)
	if err := errors.Join(seal.PutKey(g.t.Context(), g.store, g.seal, k), state.PutBundle(g.t.Context(), g.store, chain)); err != nil {
		g.t.Fatal(err)
	}
	keys := []string{state.Key(state.Keys, string(k.SPKI())), state.Key(state.Bundles, string(chain.LeafPrint()))}
	if named {
		g.keep = append(g.keep, keys...)
	} else {
		g.weeds = append(g.weeds, keys...)
	}
	return chain.LeafPrint(), k.SPKI()
}

func (g *garden) record(r *state.Record) {
	g.t.Helper()
	r.Address = "certificate.c"
	data, err := r.Encode()
	if err != nil {
		g.t.Fatal(err)
	}
	g.write(state.RecordKey(fmt.Sprintf("certificate.c%d", len(g.keep))), string(data))
}

func (g *garden) write(key, data string) {
	g.t.Helper()
	if _, err := g.store.Put(g.t.Context(), state.Entry{Key: key, Data: []byte(data)}); err != nil {
		g.t.Fatal(err)
	}
}

func (g *garden) left() []string {
	g.t.Helper()
	var out []string
	for _, prefix := range []string{state.Keys, state.Bundles} {
		for e, err := range g.store.List(g.t.Context(), state.Query{Prefix: prefix}) {
			if err != nil {
				g.t.Fatal(err)
			}
			out = append(out, e.Key)
		}
	}
	return out
}

func (g *garden) want(when string, keys ...[]string) {
	g.t.Helper()
	got, want := g.left(), slices.Concat(keys...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		g.t.Errorf("%s there are %d entries, want %d:\n%s\nwant\n%s", when, len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func newGarden(t *testing.T) *garden {
	g := &garden{t: t, store: memory.New(), seal: ephemeral(t)}
	leaf, spki := g.plant(true)
	pastLeaf, pastSPKI := g.plant(true)
	held, _ := g.plant(true) // a place alone names it; its key goes with the bundle
	putting, _ := g.plant(true)
	working, err := cert.GenerateKey(cert.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	if err := seal.PutKey(t.Context(), g.store, g.seal, working); err != nil {
		t.Fatal(err)
	}
	g.keep = append(g.keep, state.Key(state.Keys, string(working.SPKI())))
	g.record(&state.Record{
		Live:   &state.Bundle{Leaf: leaf, SPKI: spki},
		Past:   []state.Bundle{{Leaf: pastLeaf, SPKI: pastSPKI}},
		Places: map[string]*state.Place{"a": {Leaf: held}, "b": {Putting: putting}},
		Work:   &state.Work{SPKI: working.SPKI()},
	})
	return g
}

// A daemon: what it watched for an hour goes, at the second look and not
// before, and only if nothing named it meanwhile.
func TestSweepWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGarden(t)
		g.plant(false)
		late, _ := g.plant(true) // another runner is about to name it
		var w state.Sweeper
		look := func(want int) {
			t.Helper()
			if n, err := w.Sweep(t.Context(), g.store); err != nil || n != want {
				t.Errorf("Sweep: %d, %v; want %d", n, err, want)
			}
		}
		look(0)
		time.Sleep(59 * time.Minute)
		look(0)
		g.want("before the hour", g.keep, g.weeds)
		g.record(&state.Record{Live: &state.Bundle{Leaf: late}})
		young := len(g.weeds)
		g.plant(false) // written in between
		time.Sleep(time.Minute)
		look(2)
		g.want("after the hour", g.keep, g.weeds[young:])
		time.Sleep(time.Hour)
		look(2)
		look(0)
		g.want("in the end", g.keep)
	})
}

// One-shot runs: nobody watches, so only what is a week old goes.
func TestSweepOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGarden(t)
		g.plant(false)
		g.write("keys/"+strings.Repeat("ab", 32), "{}") // of unknown age
		for day := range 7 {
			var w state.Sweeper
			if n, err := w.Sweep(t.Context(), g.store); err != nil || n != 0 {
				t.Errorf("day %d: %d, %v", day, n, err)
			}
			time.Sleep(24 * time.Hour)
		}
		g.plant(false)
		var w state.Sweeper
		if n, err := w.Sweep(t.Context(), g.store); err != nil || n != 2 {
			t.Errorf("after a week: %d, %v", n, err)
		}
		g.want("after a week", g.keep, g.weeds[2:], []string{"keys/" + strings.Repeat("ab", 32)})
	})
}

// What was watched, then named, then dropped again begins its hour anew.
func TestSweepForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &garden{t: t, store: memory.New(), seal: ephemeral(t)}
		leaf, spki := g.plant(false)
		var w state.Sweeper
		for range 3 {
			if n, err := w.Sweep(t.Context(), g.store); err != nil || n != 0 {
				t.Fatal(n, err)
			}
			time.Sleep(30 * time.Minute)
			g.write("certificates/c", `{"live":{"leaf":"`+string(leaf)+`","spki":"`+string(spki)+`"}}`)
			if n, err := w.Sweep(t.Context(), g.store); err != nil || n != 0 {
				t.Fatal(n, err)
			}
			time.Sleep(30 * time.Minute)
			if err := g.store.Delete(t.Context(), "certificates/c"); err != nil {
				t.Fatal(err)
			}
		}
		g.want("in the end", g.weeds)
	})
}

// Whatever names a fingerprint, known to this program or not, keeps it; and
// what cannot be read keeps everything.
func TestSweepIsCautious(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &garden{t: t, store: memory.New(), seal: ephemeral(t)}
		leaf, _ := g.plant(true)
		_, spki := g.plant(true)
		g.keep = g.keep[:2] // its bundle is not named, its key is
		g.keep = append(g.keep, state.Key(state.Keys, string(spki)))
		g.write("certificates/newer", `{"format":99,"somewhere":{"new":["`+string(leaf)+`"]}}`)
		g.write("unknown/kind", "not JSON "+string(spki))
		time.Sleep(30 * 24 * time.Hour)
		g.write("bundles/"+strings.Repeat("cd", 32), "damaged")
		var w state.Sweeper
		if n, err := w.Sweep(t.Context(), g.store); err == nil || n != 0 || len(g.left()) != 5 {
			t.Errorf("with a damaged bundle: %d, %v, %d left", n, err, len(g.left()))
		}
		if err := g.store.Delete(t.Context(), "bundles/"+strings.Repeat("cd", 32)); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Sweep(t.Context(), g.store); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		g.want("in the end", g.keep)
	})
}
