package catalogue

import (
	"encoding/json"
	"net/http"
	"strings"
)

func init() { fakes["gcore"] = gcoreFake }

// gcoreFake holds sets: a POST makes one, a PUT replaces one that is there.
func gcoreFake() fake {
	h := &held{zone: "example.com"}
	type value struct {
		Content []string `json:"content"`
		Enabled bool     `json:"enabled"`
	}
	type rrset struct {
		Type    string  `json:"type"`
		TTL     int     `json:"ttl"`
		Records []value `json:"resource_records"`
	}
	fails := func(w http.ResponseWriter, code int, text string) {
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(object{"error": text})
	}
	at := func(r *http.Request) func(kept) bool {
		return func(k kept) bool { return h.full(k.Name) == r.PathValue("name") && k.Type == r.PathValue("type") }
	}
	read := func(r *http.Request) (s rrset) {
		for _, k := range h.all {
			if at(r)(k) {
				s.Type, s.TTL = k.Type, k.TTL
				s.Records = append(s.Records, value{[]string{k.Val}, true})
			}
		}
		return s
	}
	write := func(w http.ResponseWriter, r *http.Request) {
		var in rrset
		json.NewDecoder(r.Body).Decode(&in)
		seen := map[string]bool{}
		for _, v := range in.Records {
			if len(v.Content) != 1 || seen[v.Content[0]] || !v.Enabled {
				fails(w, http.StatusBadRequest, "invalid resource record")
				return
			}
			seen[v.Content[0]] = true
		}
		h.drop(at(r))
		for _, v := range in.Records {
			h.add(h.relative(r.PathValue("name")), r.PathValue("type"), v.Content[0], in.TTL)
		}
		replyJSON(w, object{})
	}
	m := http.NewServeMux()
	const one = "/dns/v2/zones/example.com/{name}/{type}"
	m.HandleFunc("GET /dns/v2/zones/example.com", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		seen := map[string]bool{}
		for _, k := range h.all {
			if !seen[k.Name+" "+k.Type] {
				all = append(all, object{"name": h.full(k.Name), "type": k.Type, "ttl": k.TTL})
			}
			seen[k.Name+" "+k.Type] = true
		}
		replyJSON(w, object{"name": h.zone, "records": all})
	})
	m.HandleFunc("GET "+one, func(w http.ResponseWriter, r *http.Request) {
		s := read(r)
		if len(s.Records) == 0 {
			fails(w, http.StatusNotFound, "record is not found")
			return
		}
		replyJSON(w, s)
	})
	m.HandleFunc("POST "+one, func(w http.ResponseWriter, r *http.Request) {
		if len(read(r).Records) > 0 {
			fails(w, http.StatusConflict, "record already exists")
			return
		}
		write(w, r)
	})
	m.HandleFunc("PUT "+one, func(w http.ResponseWriter, r *http.Request) {
		if len(read(r).Records) == 0 {
			fails(w, http.StatusNotFound, "record is not found")
			return
		}
		write(w, r)
	})
	m.HandleFunc("DELETE "+one, func(w http.ResponseWriter, r *http.Request) {
		if h.drop(at(r)) == 0 {
			fails(w, http.StatusNotFound, "record is not found")
			return
		}
		replyJSON(w, object{})
	})
	return h.fake(map[string]string{"api_key": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.gcore.com" || !strings.EqualFold(r.Header.Get("Authorization"), "APIKey canary-token") {
			fails(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		m.ServeHTTP(w, r)
	})
}
