package azure

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/certform/certform/providers"
)

// set is the TXT records of a name, as they were last seen.
type set struct {
	etag       string // "" if there is no such set
	properties map[string]json.RawMessage
	records    []record
}

// record is a TXT record: as the service has it, and as one text.
type record struct {
	raw  json.RawMessage
	text string
}

// recordSet is a set on its way.
type recordSet struct {
	Name       string                     `json:"name,omitempty"` // relative, "@" for the zone
	Etag       string                     `json:"etag,omitempty"`
	Properties map[string]json.RawMessage `json:"properties"`
}

// What a set says of itself that cannot be written.
var readOnly = []string{"fqdn", "provisioningState"}

// seen is what the service gave.
func seen(r recordSet) (set, error) {
	s := set{etag: r.Etag, properties: map[string]json.RawMessage{}}
	for name, value := range r.Properties {
		switch {
		case slices.ContainsFunc(readOnly, func(n string) bool { return strings.EqualFold(n, name) }):
		case strings.EqualFold(name, "TXTRecords"):
			var raw []json.RawMessage
			if err := json.Unmarshal(value, &raw); err != nil {
				return set{}, err
			}
			for _, one := range raw {
				var content struct {
					Value []string `json:"value"`
				}
				if err := json.Unmarshal(one, &content); err != nil {
					return set{}, err
				}
				s.records = append(s.records, record{one, strings.Join(content.Value, "")})
			}
		default:
			s.properties[name] = value
		}
	}
	return s, nil
}

// sent is the set as it is to be.
func (s set) sent() (recordSet, error) {
	raw := make([]json.RawMessage, len(s.records))
	for i, r := range s.records {
		raw[i] = r.raw
	}
	list, err := json.Marshal(raw)
	if err != nil {
		return recordSet{}, err
	}
	r := recordSet{Properties: maps.Clone(s.properties)}
	r.Properties["TXTRecords"] = list
	return r, nil
}

// described reports whether somebody wrote something to the set itself, so that
// it must stay though it is empty.
func (s set) described() bool {
	for name, value := range s.properties {
		var metadata map[string]any
		if strings.EqualFold(name, "metadata") && json.Unmarshal(value, &metadata) == nil && len(metadata) > 0 {
			return true
		}
	}
	return false
}

func (s set) same(as set) bool {
	return slices.EqualFunc(s.records, as.records, func(a, b record) bool { return a.text == b.text })
}

// merge is a set with its additions and without its removals.
func merge(old set, e providers.Edit) (set, error) {
	next := set{properties: maps.Clone(old.properties), records: slices.Clone(old.records)}
	if next.properties == nil {
		next.properties = map[string]json.RawMessage{}
	}
	has := func(text string) func(record) bool {
		return func(r record) bool { return r.text == text }
	}
	for _, rr := range e.Del {
		next.records = slices.DeleteFunc(next.records, has(rr.Data))
	}
	for _, rr := range e.Add {
		if slices.ContainsFunc(next.records, has(rr.Data)) {
			continue
		}
		raw, err := json.Marshal(map[string][]string{"value": split(rr.Data)})
		if err != nil {
			return set{}, err
		}
		next.records = append(next.records, record{raw, rr.Data})
		if old.etag == "" {
			if next.properties["TTL"], err = json.Marshal(max(1, int64(rr.TTL/time.Second))); err != nil {
				return set{}, err
			}
		}
	}
	return next, nil
}

// split is a text as strings of 255 octets.
func split(text string) (out []string) {
	for len(text) > 255 {
		out = append(out, text[:255])
		text = text[255:]
	}
	return append(out, text)
}
