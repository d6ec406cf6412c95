package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["domainnameshop"] = domainnameshopFake }

func domainnameshopFake() fake {
	h := &table{zone: "example.com"}
	type record struct {
		ID   int    `json:"id"`
		Host string `json:"host"`
		TTL  int    `json:"ttl"`
		Type string `json:"type"`
		Data string `json:"data"`
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /v0/domains", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("domain") != h.zone {
			w.Write([]byte("[]"))
			return
		}
		json.NewEncoder(w).Encode([]any{map[string]any{"id": 3, "domain": h.zone}})
	})
	m.HandleFunc("GET /v0/domains/3/dns", func(w http.ResponseWriter, r *http.Request) {
		all := []record{}
		for _, t := range h.list() {
			all = append(all, record{t.id, t.name, 60, "TXT", t.text})
		}
		json.NewEncoder(w).Encode(all)
	})
	m.HandleFunc("POST /v0/domains/3/dns", func(w http.ResponseWriter, r *http.Request) {
		var in record
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "TXT" || in.TTL < 60 || in.TTL%60 != 0 {
			http.Error(w, `{"code":"record:ttl","help":"no"}`, http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]int{"id": h.add(in.Host, in.Data).id})
	})
	m.HandleFunc("DELETE /v0/domains/3/dns/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.PathValue("id")); !h.remove(id) {
			http.Error(w, `{"code":"record:not-found","help":"no"}`, http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return fake{zone: h.zone, args: map[string]string{"api_token": "canary-token", "api_secret": "canary-secret"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); r.Host != "api.domeneshop.no" || user != "canary-token" || pass != "canary-secret" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
