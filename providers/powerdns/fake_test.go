package powerdns_test

import (
	"encoding/json"
	"net/http"
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
			set := rrset{Name: name, Type: "TXT", TTL: 300}
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
	for _, set := range patch.RRsets {
		delete(s.held, set.Name)
		if set.ChangeType == "REPLACE" {
			for _, rec := range set.Records {
				s.held[set.Name] = append(s.held[set.Name], strings.Trim(rec["content"].(string), `"`))
			}
		}
	}
	s.between(s)
	w.WriteHeader(http.StatusNoContent)
}
