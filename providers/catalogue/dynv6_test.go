package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["dynv6"] = dynv6Fake }

// dynv6Fake knows no TTL of a record, and refuses what it does not know.
func dynv6Fake() fake {
	h := &held{zone: "example.dynv6.net"}
	type record struct {
		ID     int    `json:"id,omitempty"`
		ZoneID int    `json:"zoneID,omitempty"`
		Name   string `json:"name"`
		Type   string `json:"type"`
		Data   string `json:"data"`
	}
	shown := func(k kept) record { return record{k.ID, 5, strings.TrimPrefix(k.Name, "@"), k.Type, k.Val} }
	m := http.NewServeMux()
	m.HandleFunc("GET /api/v2/zones/by-name/example.dynv6.net", func(w http.ResponseWriter, r *http.Request) {
		replyJSON(w, object{"id": 5, "name": h.zone})
	})
	m.HandleFunc("GET /api/v2/zones/5/records", func(w http.ResponseWriter, r *http.Request) {
		all := []record{}
		for _, k := range h.all {
			all = append(all, shown(k))
		}
		replyJSON(w, all)
	})
	m.HandleFunc("POST /api/v2/zones/5/records", func(w http.ResponseWriter, r *http.Request) {
		var in record
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil || in.Type != "TXT" || in.Name == "@" {
			refuse(w, http.StatusUnprocessableEntity, "invalid: %v", err)
			return
		}
		if in.Name == "" {
			in.Name = "@"
		}
		replyJSON(w, shown(h.add(in.Name, in.Type, in.Data, 60)))
	})
	m.HandleFunc("DELETE /api/v2/zones/5/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == r.PathValue("id") }) == 0 {
			refuse(w, http.StatusNotFound, "not found")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return h.fake(map[string]string{"token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "dynv6.com" || r.Header.Get("Authorization") != "Bearer canary-token" {
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		m.ServeHTTP(w, r)
	})
}
