package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["bunny"] = bunnyFake }

func bunnyFake() fake {
	h := &table{zone: "example.com"}
	type record struct {
		ID    int `json:"Id"`
		Type  int
		TTL   int `json:"Ttl"`
		Value string
		Name  string
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /dnszone", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"Items": []any{map[string]any{"Id": 7, "Domain": h.zone}}})
	})
	m.HandleFunc("GET /dnszone/7", func(w http.ResponseWriter, r *http.Request) {
		all := []record{{ID: 1000, Type: 0, TTL: 300, Value: "192.0.2.1"}}
		for _, t := range h.list() {
			all = append(all, record{t.id, 3, 60, t.text, t.name})
		}
		json.NewEncoder(w).Encode(map[string]any{"Records": all})
	})
	m.HandleFunc("PUT /dnszone/7/records", func(w http.ResponseWriter, r *http.Request) {
		var in record
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != 3 {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		in.ID = h.add(in.Name, in.Value).id
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(in)
	})
	m.HandleFunc("DELETE /dnszone/7/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.PathValue("id")); !h.remove(id) {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return fake{zone: h.zone, args: map[string]string{"access_key": "canary-key"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "api.bunny.net" || r.Header.Get("AccessKey") != "canary-key" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
