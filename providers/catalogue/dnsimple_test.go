package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["dnsimple"] = dnsimpleFake }

// dnsimpleFake lists two records a page, the oldest first, and returns TXT
// values in quotes. Names may be asked for exactly (name) or in part
// (name_like), by developer.dnsimple.com/v2/zones/records.
func dnsimpleFake() fake {
	h := &table{zone: "example.com"}
	h.add("_acme-challenge.www.other", "not ours")
	type record struct {
		ID      int    `json:"id"`
		Name    string `json:"name"`
		Type    string `json:"type"`
		Content string `json:"content"`
		TTL     int    `json:"ttl"`
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /v2/whoami", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"data":{"user":null,"account":{"id":1010,"email":"ops@example.com"}}}`))
	})
	m.HandleFunc("GET /v2/1010/zones/example.com", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"data":{"id":5,"account_id":1010,"name":"example.com"}}`))
	})
	m.HandleFunc("GET /v2/1010/zones/example.com/records", func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.FormValue("page"))
		page = max(1, page)
		q := r.URL.Query()
		all := []record{}
		for _, t := range h.list() {
			if (!q.Has("name") || q.Get("name") == t.name) && strings.Contains(t.name, q.Get("name_like")) {
				all = append(all, record{t.id, t.name, "TXT", strconv.Quote(t.text), 60})
			}
		}
		pages := (len(all) + 1) / 2
		json.NewEncoder(w).Encode(map[string]any{
			"data":       all[min(len(all), 2*page-2):min(len(all), 2*page)],
			"pagination": map[string]int{"current_page": page, "per_page": 2, "total_entries": len(all), "total_pages": pages},
		})
	})
	m.HandleFunc("POST /v2/1010/zones/example.com/records", func(w http.ResponseWriter, r *http.Request) {
		var in record
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "TXT" {
			http.Error(w, `{"message":"Validation failed"}`, http.StatusBadRequest)
			return
		}
		in.ID = h.add(in.Name, in.Content).id
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"data": in})
	})
	m.HandleFunc("DELETE /v2/1010/zones/example.com/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.PathValue("id")); !h.remove(id) {
			http.Error(w, `{"message":"Record not found"}`, http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return fake{zone: h.zone, args: map[string]string{"api_access_token": "canary-token"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "api.dnsimple.com" || r.Header.Get("Authorization") != "Bearer canary-token" {
				http.Error(w, `{"message":"Authentication failed"}`, http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
