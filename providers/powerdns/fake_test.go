package powerdns_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

type rrset struct {
	Name       string              `json:"name"`
	Type       string              `json:"type"`
	ChangeType string              `json:"changetype,omitempty"`
	TTL        int                 `json:"ttl"`
	Records    []map[string]any    `json:"records"`
	Comments   []map[string]string `json:"comments,omitempty"`
}

func (s *sets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.reads++
		out := []rrset{}
		for name, values := range s.held {
			if q := r.URL.Query().Get("rrset_name"); s.single && q != "" && q != name {
				continue
			}
			set := rrset{Name: name, Type: "TXT", TTL: s.timeToLive()}
			for _, v := range values {
				set.Records = append(set.Records, map[string]any{"content": `"` + v + `"`, "disabled": false})
			}
			out = append(out, set)
		}
		json.NewEncoder(w).Encode(map[string]any{"name": "a.test.", "rrsets": out})
		return
	}
	var patch struct {
		RRsets []rrset `json:"rrsets"`
	}
	if json.NewDecoder(r.Body).Decode(&patch) != nil || r.Method != http.MethodPatch {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if s.before != nil {
		s.before(s)
	}
	for _, set := range patch.RRsets {
		if set.ChangeType == "EXTEND" || set.ChangeType == "PRUNE" {
			if fault := s.extend(set); fault != "" {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnprocessableEntity)
				json.NewEncoder(w).Encode(map[string]string{"error": fault})
				return
			}
			continue
		}
		delete(s.held, set.Name)
		if set.ChangeType == "REPLACE" {
			for _, rec := range set.Records {
				s.held[set.Name] = append(s.held[set.Name], strings.Trim(rec["content"].(string), `"`))
			}
		}
	}
	if s.between != nil {
		s.between(s)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *sets) timeToLive() int {
	if s.ttl == 0 {
		return 300
	}
	return s.ttl
}

// extend adds or removes one value as pdns/ws-auth.cc does from 4.9.12 and 5.0.2
// on; an older server knows no such thing.
func (s *sets) extend(set rrset) (fault string) {
	if !s.single || !s.extends {
		return "Changetype not understood"
	}
	if len(set.Records) != 1 {
		return "Exactly one record should be provided for PRUNE or EXTEND operation"
	}
	held := s.held[set.Name]
	if len(held) > 0 && set.TTL != s.timeToLive() {
		return "RRset has records with different TTLs"
	}
	v := strings.Trim(set.Records[0]["content"].(string), `"`)
	i := slices.Index(held, v)
	switch {
	case set.ChangeType == "EXTEND" && i < 0:
		s.held[set.Name] = append(held, v)
	case set.ChangeType == "PRUNE" && i >= 0:
		s.held[set.Name] = slices.Delete(slices.Clone(held), i, i+1)
	}
	return ""
}
