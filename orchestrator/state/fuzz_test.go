package state_test

import (
	"bytes"
	"testing"

	"github.com/certform/certform/orchestrator/state"
)

// FuzzDecodeRecord: whatever lies in the store, it is a record or an error,
// and a record survives being written again.
func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"format":1,"address":"certificate.a","live":{"leaf":"aa","seq":2},"past":[{"leaf":"bb"}],` +
		`"places":{"p":{"leaf":"aa","tries":{"n":1}}},"owed":[{"zone":"z.","name":"n.z.","type":"TXT","value":"v"}],` +
		`"work":{"id":"1","phase":"ordered","data":{"x":[1]}}}`))
	f.Add([]byte(`{"format":1,"address":"a","places":{"p":null}}`))
	f.Add([]byte(`{"format":2,"address":"a"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := state.DecodeRecord(data)
		if err != nil {
			return
		}
		r.Target()
		r.Keeps()
		r.Owe(r.Owed...)
		once, err := r.Encode()
		if err != nil {
			t.Fatalf("a record that was read cannot be written: %v", err)
		}
		again, err := state.DecodeRecord(once)
		if err != nil {
			t.Fatalf("a record that was written cannot be read: %v", err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written twice it differs: %s and %s, %v", once, twice, err)
		}
		r.Advance(state.Bundle{Leaf: "new"})
		if r.Live.Leaf != "new" || r.Target() != r.Live {
			t.Fatalf("after Advance the live bundle is %v", r.Live)
		}
	})
}

// FuzzKey: different texts give different keys, and every one is a key.
func FuzzKey(f *testing.F) {
	f.Add("", "~")
	f.Add(".", "~2E")
	f.Add("a/b", "a~2Fb")
	f.Add("a b", "a%20b")
	f.Fuzz(func(t *testing.T, a, b string) {
		ka, kb := state.Key(state.Certificates, a), state.Key(state.Certificates, b)
		if err := state.CheckKey(ka); err != nil {
			t.Error(err)
		}
		if (a == b) != (ka == kb) {
			t.Errorf("%q and %q become %q and %q", a, b, ka, kb)
		}
	})
}
