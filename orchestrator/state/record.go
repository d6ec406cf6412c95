package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/certform/certform/orchestrator/cert"
)

// Format is the format of records that this program writes. It reads older
// ones and refuses newer ones.
const Format = 1

// Record is what is remembered of one certificate, and the journal of what is
// being done to it. Its three parts move independently: Work (one issuance at
// most), Places (one line each), Owed (TXT values that may still be in DNS).
// It holds no secret. A record belongs to the goroutine that loaded it.
type Record struct {
	Format  int    `json:"format"`
	Address string `json:"address"`

	// Live is the newest good bundle, what places should hold; nil before the
	// first issuance. Past are its predecessors, newest first.
	Live *Bundle  `json:"live,omitempty"`
	Past []Bundle `json:"past,omitempty"`
	// Wanted is the leaf that places should hold when it is not Live's: after
	// a rollback.
	Wanted cert.Fingerprint `json:"wanted,omitempty"`

	Work   *Work             `json:"work,omitempty"`
	Places map[string]*Place `json:"places,omitempty"` // by Place.ID
	Owed   []Value           `json:"owed,omitempty"`

	// Renewal is the CA's last word on when to renew Live (RFC 9773).
	Renewal *Renewal `json:"renewal,omitempty"`
	// Issuing is the run of failures to issue, by issuer address.
	Issuing map[string]*Tries `json:"issuing,omitempty"`

	// Owner is the runner that works on the certificate, "" for nobody.
	Owner string `json:"owner,omitempty"`
	// Plan is the saved plan whose steps were done last.
	Plan string `json:"plan,omitempty"`
	// NotReplaces is the leaf for which the CA refused `replaces`.
	NotReplaces cert.Fingerprint `json:"not_replaces,omitempty"`
	// Gone is when the certificate was found missing from the configuration.
	Gone time.Time `json:"gone,omitzero"`
	// Updated is when the record was written last, by its writer's clock; for
	// people only, never compared.
	Updated time.Time `json:"updated,omitzero"`
}

// Bundle is the public half of one issued bundle, enough to decide without
// opening it. Seq grows with each issuance of this record: places move only
// forward along it.
type Bundle struct {
	Leaf      cert.Fingerprint `json:"leaf"`
	Chain     cert.Fingerprint `json:"chain"`
	SPKI      cert.Fingerprint `json:"spki"`
	Seq       int              `json:"seq"`
	Names     []string         `json:"names"` // sorted
	KeyType   cert.KeyType     `json:"key_type"`
	Issuer    string           `json:"issuer"`  // address of the issuer block
	Account   string           `json:"account"` // directory and EAB id: where `replaces` may be sent
	Profile   string           `json:"profile,omitempty"`
	NotBefore time.Time        `json:"not_before"`
	NotAfter  time.Time        `json:"not_after"`
	Serial    string           `json:"serial"`
	// KeyLost: its private key was needed and is no longer in the state.
	KeyLost bool `json:"key_lost,omitempty"`
}

// Phase of an issuance. Phases only go forward and each is safe to repeat.
type Phase string

// The phases. An issuance ends when its bundle is stored and Work is nil.
const (
	Claimed Phase = "claimed" // the key is made, sealed and stored
	Ordered Phase = "ordered" // the order's URL and the TXT intents are saved
	Issued  Phase = "issued"  // the chain was received (never seen at rest)
)

// Work is one issuance that is under way.
type Work struct {
	ID      string           `json:"id"` // tells two issuances apart
	Phase   Phase            `json:"phase"`
	Issuer  string           `json:"issuer"`
	Account string           `json:"account"`
	Names   []string         `json:"names"` // sorted
	KeyType cert.KeyType     `json:"key_type"`
	Profile string           `json:"profile,omitempty"`
	SPKI    cert.Fingerprint `json:"spki"`
	Why     string           `json:"why,omitempty"`
	Begun   time.Time        `json:"begun"`
	// Replaces is the leaf that this issuance renews, "" if none is named to
	// the CA.
	Replaces cert.Fingerprint `json:"replaces,omitempty"`
	// Data is what the issuer must remember between steps, opaque to others.
	Data json.RawMessage `json:"data,omitempty"`
	// Values are the TXT values that were or will be written: saved before
	// the first of them is.
	Values []Value `json:"values,omitempty"`
	// Chain is the PEM that came back, in memory between the last step and
	// the save of the bundle.
	Chain []byte `json:"-"`
}

// Value is one DNS record that is ours: exact, so that nothing else is ever
// touched. Zone and Name are fully qualified with a trailing dot.
type Value struct {
	Zone     string    `json:"zone"`
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Value    string    `json:"value"`
	Provider string    `json:"provider"` // address of the dns block it went through
	Since    time.Time `json:"since,omitzero"`
	Why      string    `json:"why,omitempty"` // why it could not be removed last time
}

// Key identifies v at its zone, whichever provider serves that.
func (v Value) Key() string { return v.Zone + "\x00" + v.Name + "\x00" + v.Type + "\x00" + v.Value }

// Place is what is remembered of one place.
type Place struct {
	Ref  string           `json:"ref,omitempty"`  // which object, the same for ever after the first Put
	Leaf cert.Fingerprint `json:"leaf,omitempty"` // what it held and used when we last finished there
	Seq  int              `json:"seq,omitempty"`
	Rev  string           `json:"rev,omitempty"`
	// Putting is the leaf that is being put: written before the Put, cleared
	// after it. Found at the start of a run it means that the activation may
	// not have happened.
	Putting cert.Fingerprint `json:"putting,omitempty"`
	Wave    int              `json:"wave,omitempty"`
	Tries   *Tries           `json:"tries,omitempty"`
	// Refused is a leaf that the place would not take.
	Refused cert.Fingerprint `json:"refused,omitempty"`
	// Proven is the leaf that its endpoints, and the sink's, were last seen to
	// serve at every address.
	Proven cert.Fingerprint `json:"proven,omitempty"`
}

// Tries is a run of failures and the pause before the next try.
type Tries struct {
	N     int       `json:"n"`
	First time.Time `json:"first"`
	Next  time.Time `json:"next"`
	Why   string    `json:"why"` // the last error, shortened, without secrets
	// Asked is until when the CA, or a DNS host on the way, asked to be left alone
	// (Retry-After), zero if nobody did: nobody may ask before, whoever calls.
	Asked time.Time `json:"asked,omitzero"`
	// Names is what could not be issued, sorted: other names are another matter.
	Names []string `json:"names,omitempty"`
}

// Failed counts one more failure at now. The pauses are 1 m, 10 m, 100 m and
// then a day; notBefore (a Retry-After, or zero) can only make them longer.
func Failed(t *Tries, now, notBefore time.Time, why string) *Tries {
	next := Tries{N: 1, First: now}
	if t != nil {
		next = *t
		next.N++
	}
	pause := 24 * time.Hour
	if pauses := []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute}; next.N <= len(pauses) {
		pause = pauses[next.N-1]
	}
	next.Next = now.Add(pause)
	if notBefore.After(next.Next) {
		next.Next = notBefore
	}
	if r := []rune(why); len(r) > 500 {
		why = string(r[:500]) + "…"
	}
	next.Why = why
	return &next
}

// Renewal is a cached answer of RFC 9773, section 4.2.
type Renewal struct {
	Leaf  cert.Fingerprint `json:"leaf"`
	Start time.Time        `json:"start,omitzero"`
	End   time.Time        `json:"end,omitzero"`
	URL   string           `json:"explanation_url,omitempty"`
	Next  time.Time        `json:"next"` // when to ask again
}

// Bundle finds a bundle of this record by its leaf, nil if it is not ours.
func (r *Record) Bundle(leaf cert.Fingerprint) *Bundle {
	if leaf == "" {
		return nil
	}
	if r.Live != nil && r.Live.Leaf == leaf {
		return r.Live
	}
	for i := range r.Past {
		if r.Past[i].Leaf == leaf {
			return &r.Past[i]
		}
	}
	return nil
}

// Target is the bundle that every place should hold: Live, unless a rollback
// asked for another.
func (r *Record) Target() *Bundle {
	if b := r.Bundle(r.Wanted); b != nil {
		return b
	}
	return r.Live
}

// Owe moves values to what is owed, each once.
func (r *Record) Owe(values ...Value) {
	for _, v := range values {
		if !slices.ContainsFunc(r.Owed, func(o Value) bool { return o.Key() == v.Key() }) {
			r.Owed = append(r.Owed, v)
		}
	}
}

// Strike removes a value that was seen to be gone.
func (r *Record) Strike(v Value) {
	r.Owed = slices.DeleteFunc(r.Owed, func(o Value) bool { return o.Key() == v.Key() })
}

// Keeps lists the leaves whose bundle and key must be kept: live, past (the
// last three) and whatever a place holds or is being given.
func (r *Record) Keeps() map[cert.Fingerprint]bool {
	keep := map[cert.Fingerprint]bool{}
	if r.Live != nil {
		keep[r.Live.Leaf] = true
	}
	for _, b := range r.Past {
		keep[b.Leaf] = true
	}
	for _, p := range r.Places {
		keep[p.Leaf], keep[p.Putting] = true, true
	}
	delete(keep, "")
	return keep
}

// Advance makes b the live bundle and its predecessor the newest of the past.
// The past keeps the last three and any older one that a place still names.
func (r *Record) Advance(b Bundle) {
	if r.Live != nil {
		b.Seq = r.Live.Seq + 1
		r.Past = slices.Insert(r.Past, 0, *r.Live)
	} else {
		b.Seq = 1
	}
	r.Live, r.Wanted, r.Renewal = &b, "", nil
	held := map[cert.Fingerprint]bool{}
	for _, p := range r.Places {
		held[p.Leaf], held[p.Putting] = true, true
	}
	kept := r.Past[:0]
	for i, p := range r.Past {
		if i < 3 || held[p.Leaf] {
			kept = append(kept, p)
		}
	}
	r.Past = kept
}

// Encode writes r as the data of its entry.
func (r *Record) Encode() ([]byte, error) {
	r.Format = Format
	return json.Marshal(r)
}

// DecodeRecord reads the data of an entry. A newer format wraps ErrNewer.
func DecodeRecord(data []byte) (*Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("the record is damaged: %w", err)
	}
	if r.Format > Format {
		return nil, fmt.Errorf("record of %s has format %d, this program knows %d: %w", r.Address, r.Format, Format, ErrNewer)
	}
	if r.Format < 1 || r.Address == "" {
		return nil, fmt.Errorf("the record is damaged: no format or no address")
	}
	for id, p := range r.Places {
		if p == nil {
			return nil, fmt.Errorf("the record of %s is damaged: place %s is empty", r.Address, id)
		}
	}
	return &r, nil
}

// RecordKey is the store key of a certificate's record.
func RecordKey(address string) string { return Key(Certificates, address) }
