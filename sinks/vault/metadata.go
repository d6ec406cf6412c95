package vault

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/certform/certform/orchestrator/cert"
	"github.com/certform/certform/sinks"
)

// valueLimit is the longest value that Vault takes in custom metadata.
const valueLimit = 512

// The keys of custom metadata that are ours. names goes on in names_2 and so
// on, 512 bytes each.
const (
	keyVersion  = "version"
	keySerial   = "serial"
	keyNames    = "names"
	keyNotAfter = "not_after"
	keyLeaf     = "leaf_sha256"
	keyChain    = "chain_sha256"
	keySPKI     = "spki_sha256"
	keyIssuer   = "issuer"
	keySHA1     = "leaf_sha1"
)

// metadata is what Vault says of a secret without its data.
type metadata struct {
	exists  bool // the secret has, or had, a version
	current int  // its newest version
	gone    bool // which is deleted or destroyed
	custom  map[string]string
}

func parseMetadata(data map[string]any) (metadata, error) {
	var raw struct {
		Current  int               `json:"current_version"`
		Custom   map[string]string `json:"custom_metadata"`
		Versions map[string]struct {
			Deleted   string `json:"deletion_time"`
			Destroyed bool   `json:"destroyed"`
		} `json:"versions"`
	}
	b, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(b, &raw)
	}
	if err != nil {
		return metadata{}, fmt.Errorf("the metadata is not what Vault sends: %w", err)
	}
	m := metadata{exists: true, current: raw.Current, custom: raw.Custom, gone: raw.Current == 0}
	if v, ok := raw.Versions[strconv.Itoa(raw.Current)]; ok {
		m.gone = m.gone || v.Destroyed || past(v.Deleted)
	}
	return m, nil
}

// past reports whether a version is deleted: delete_version_after gives each
// one a time in the future.
func past(deletion string) bool {
	if deletion == "" {
		return false
	}
	t, err := time.Parse(time.RFC3339Nano, deletion)
	return err != nil || !t.After(time.Now())
}

// describes reports whether the custom metadata is of the newest version.
func (m metadata) describes() bool {
	return m.custom[keyVersion] == strconv.Itoa(m.current) && m.custom[keyLeaf] != "" && m.custom[keyChain] != ""
}

// fits reports whether b is what the metadata describes.
func (m metadata) fits(b *cert.Bundle) bool {
	return m.describes() && m.custom[keyLeaf] == string(b.Leaf()) &&
		m.custom[keyChain] == string(b.Chain.Fingerprint()) && m.custom[keySPKI] == string(b.Key().SPKI())
}

// held is what the metadata describes.
func (m metadata) held() sinks.Held {
	h := sinks.Held{
		Leaf: cert.Fingerprint(m.custom[keyLeaf]), Chain: cert.Fingerprint(m.custom[keyChain]),
		Issuer: m.custom[keyIssuer], SHA1: m.custom[keySHA1], Serial: m.custom[keySerial],
	}
	if t, err := time.Parse(time.RFC3339, m.custom[keyNotAfter]); err == nil {
		h.NotAfter = t.UTC()
	}
	for i := 1; ; i++ {
		part, ok := m.custom[namesKey(i)]
		if !ok {
			return h
		}
		h.Names = append(h.Names, strings.FieldsFunc(part, func(r rune) bool { return r == ',' })...)
	}
}

func namesKey(i int) string {
	if i == 1 {
		return keyNames
	}
	return keyNames + "_" + strconv.Itoa(i)
}

// describe is the custom metadata for b as a version, with what others have
// put beside it.
func (m metadata) describe(b *cert.Bundle, version int) map[string]any {
	out := map[string]any{}
	for k, v := range m.custom {
		if k != keyNames && !strings.HasPrefix(k, keyNames+"_") {
			out[k] = v
		}
	}
	leaf := b.Chain.Leaf()
	for k, v := range map[string]string{
		keyVersion: strconv.Itoa(version), keySerial: sinks.Serial(leaf.SerialNumber), keyNotAfter: leaf.NotAfter.UTC().Format(time.RFC3339),
		keyLeaf: string(b.Leaf()), keyChain: string(b.Chain.Fingerprint()), keySPKI: string(b.Key().SPKI()),
		keyIssuer: sinks.Issuer(leaf), keySHA1: sinks.SHA1(leaf),
	} {
		if len(v) > valueLimit {
			v = v[:valueLimit]
		}
		out[k] = v
	}
	part, i := "", 1
	for _, n := range b.Chain.Names() {
		if len(part)+1+len(n) > valueLimit {
			out[namesKey(i)] = part
			part, i = "", i+1
		}
		if part != "" {
			part += ","
		}
		part += n
	}
	out[namesKey(i)] = part
	return out
}
