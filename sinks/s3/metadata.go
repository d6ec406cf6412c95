package s3

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
)

// The keys of an object's metadata. S3 takes 2 KB of it in all.
const (
	metaLeaf     = "certform-leaf-sha256"
	metaChain    = "certform-chain-sha256"
	metaSPKI     = "certform-spki-sha256"
	metaSHA1     = "certform-leaf-sha1"
	metaSerial   = "certform-serial"
	metaNotAfter = "certform-not-after"
	metaIssuer   = "certform-issuer"
	metaNames    = "certform-names"

	// namesLimit is how much of the 2 KB the names may take; more are left out,
	// since who knows the leaf knows them.
	namesLimit = 1200
)

// describe is the metadata for b.
func describe(b *cert.Bundle) map[string]string {
	leaf := b.Chain.Leaf()
	m := map[string]string{
		metaLeaf: string(b.Leaf()), metaChain: string(b.Chain.Fingerprint()), metaSPKI: string(b.Key().SPKI()),
		metaSHA1: sinks.SHA1(leaf), metaSerial: sinks.Serial(leaf.SerialNumber),
		metaNotAfter: leaf.NotAfter.UTC().Format(time.RFC3339),
	}
	// Headers are ASCII.
	if issuer := url.QueryEscape(sinks.Issuer(leaf)); len(issuer) < 200 {
		m[metaIssuer] = issuer
	}
	if names := strings.Join(b.Chain.Names(), ","); len(names) <= namesLimit {
		m[metaNames] = names
	}
	return m
}

// described is what metadata says, false if it is not ours.
func described(meta map[string]string) (sinks.Held, bool) {
	m := make(map[string]string, len(meta))
	for k, v := range meta {
		m[strings.ToLower(k)] = v // some servers keep the case of HTTP headers
	}
	h := sinks.Held{
		Leaf: cert.Fingerprint(m[metaLeaf]), Chain: cert.Fingerprint(m[metaChain]),
		SHA1: m[metaSHA1], Serial: m[metaSerial],
	}
	if t, err := time.Parse(time.RFC3339, m[metaNotAfter]); err == nil {
		h.NotAfter = t.UTC()
	}
	if issuer, err := url.QueryUnescape(m[metaIssuer]); err == nil {
		h.Issuer = issuer
	}
	if m[metaNames] != "" {
		h.Names = strings.Split(m[metaNames], ",")
	}
	return h, h.Leaf != "" && h.Chain != ""
}

// fits reports whether metadata describes b.
func fits(meta map[string]string, b *cert.Bundle) bool {
	h, ok := described(meta)
	if !ok || h.Leaf != b.Leaf() || h.Chain != b.Chain.Fingerprint() {
		return false
	}
	for k, v := range meta {
		if strings.EqualFold(k, metaSPKI) {
			return v == string(b.Key().SPKI())
		}
	}
	return false
}

// pointer is current.json. Its fields are for consumers, and stay.
type pointer struct {
	Format     int       `json:"format"` // 1
	Fullchain  string    `json:"fullchain"`
	PrivateKey string    `json:"private_key"`
	Leaf       string    `json:"leaf_sha256"`
	Chain      string    `json:"chain_sha256"`
	Serial     string    `json:"serial"`
	Names      []string  `json:"names"`
	NotAfter   time.Time `json:"not_after"`
	// Previous is the pair before, which is kept for readers on their way.
	Previous *pair `json:"previous,omitempty"`
}

// pair is where two objects are.
type pair struct {
	Fullchain  string `json:"fullchain"`
	PrivateKey string `json:"private_key"`
}

func (p *pointer) pair() pair { return pair{p.Fullchain, p.PrivateKey} }

// point is the pointer to b, whose predecessor is old (nil: none).
func (s *Spec) point(b *cert.Bundle, old *pointer) *pointer {
	folder := s.folder() + string(b.Leaf()) + "/"
	leaf := b.Chain.Leaf()
	p := &pointer{
		Format: 1, Fullchain: folder + "fullchain.pem", PrivateKey: folder + "privkey.pem",
		Leaf: string(b.Leaf()), Chain: string(b.Chain.Fingerprint()), Serial: sinks.Serial(leaf.SerialNumber),
		Names: b.Chain.Names(), NotAfter: leaf.NotAfter.UTC(),
	}
	if old != nil && old.pair() != p.pair() {
		before := old.pair()
		p.Previous = &before
	} else if old != nil {
		p.Previous = old.Previous
	}
	return p
}

// parsePointer reads current.json; nil if it is none of ours.
func (s *Spec) parsePointer(data []byte) *pointer {
	var p pointer
	if json.Unmarshal(data, &p) != nil || p.Format != 1 {
		return nil
	}
	for _, key := range []string{p.Fullchain, p.PrivateKey} {
		if !strings.HasPrefix(key, s.folder()) {
			return nil // what is elsewhere is not ours to tidy up
		}
	}
	return &p
}
