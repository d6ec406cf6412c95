package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/orchestrator/seal"
	"github.com/certform/certform/orchestrator/seal/age"
	"github.com/certform/certform/orchestrator/state"
	"github.com/certform/certform/orchestrator/state/memory"
)

func ephemeral(t testing.TB) seal.Seal {
	t.Helper()
	s, err := age.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func generate(t testing.TB, kind cert.KeyType) cert.Key {
	t.Helper()
	k, err := cert.GenerateKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys(t *testing.T) {
	for _, kind := range []cert.KeyType{cert.ECDSAP256, cert.ECDSAP384, cert.RSA2048} {
		t.Run(string(kind), func(t *testing.T) {
			ctx, store, s := t.Context(), memory.New(), ephemeral(t)
			k := generate(t, kind)
			if _, err := seal.GetKey(ctx, store, s, k.SPKI()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("before it is stored: %v", err)
			}
			if err := seal.PutKey(ctx, store, s, k); err != nil {
				t.Fatal(err)
			}
			at := state.Key(state.Keys, string(k.SPKI()))
			before, err := store.Get(ctx, at)
			if err != nil {
				t.Fatal(err)
			}
			if err := seal.PutKey(ctx, store, s, k); err != nil {
				t.Errorf("stored again: %v", err)
			}
			if after, err := store.Get(ctx, at); err != nil || after.Rev != before.Rev {
				t.Errorf("stored again, it was written again: %v", err)
			}
			got, err := seal.GetKey(ctx, store, s, k.SPKI())
			if err != nil || got.SPKI() != k.SPKI() {
				t.Errorf("it came back as %v, %v", got, err)
			}
			pem, err := k.PEM()
			if err != nil {
				t.Fatal(err)
			}
			var entry struct{ Sealed []byte }
			if err := json.Unmarshal(before.Data, &entry); err != nil {
				t.Fatal(err)
			}
			for _, stored := range [][]byte{before.Data, entry.Sealed} {
				if len(stored) == 0 || bytes.Contains(stored, pem[40:60]) || bytes.Contains(stored, []byte("PRIVATE KEY")) {
					t.Error("the key is in the store as it is")
				}
			}
			if _, err := seal.GetKey(ctx, store, ephemeral(t), k.SPKI()); !errors.Is(err, seal.ErrNoIdentity) {
				t.Errorf("with another identity: %v, want ErrNoIdentity", err)
			}
		})
	}
	if err := seal.PutKey(t.Context(), memory.New(), ephemeral(t), cert.Key{}); err == nil {
		t.Error("no key was stored as one")
	}
}

// An entry that was put in another's place, or damaged, is never taken for
// the key that was asked for.
func TestKeysAreBound(t *testing.T) {
	ctx, s := t.Context(), ephemeral(t)
	mine, other := generate(t, cert.ECDSAP256), generate(t, cert.ECDSAP256)
	store := memory.New()
	for _, k := range []cert.Key{mine, other} {
		if err := seal.PutKey(ctx, store, s, k); err != nil {
			t.Fatal(err)
		}
	}
	at, atOther := state.Key(state.Keys, string(mine.SPKI())), state.Key(state.Keys, string(other.SPKI()))
	e, err := store.Get(ctx, at)
	if err != nil {
		t.Fatal(err)
	}
	o, err := store.Get(ctx, atOther)
	if err != nil {
		t.Fatal(err)
	}
	// The right place for the text, and the wrong key in it.
	pem, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal(ctx, at, pem)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := json.Marshal(map[string]any{"format": 1, "sealed": sealed})
	if err != nil {
		t.Fatal(err)
	}
	for says, data := range map[string][]byte{
		"belongs to " + atOther: o.Data,
		"in its place":          forged,
		"damaged":               e.Data[:len(e.Data)/2],
		"format 7":              []byte(`{"format":7}`),
		"unseal":                []byte(`{"format":1,"sealed":"AAAA"}`),
	} {
		e.Data = data
		if e.Rev, err = store.Put(ctx, e); err != nil {
			t.Fatal(err)
		}
		if k, err := seal.GetKey(ctx, store, s, mine.SPKI()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, %v; want an error that says %q", k, err, says)
		}
	}
}
