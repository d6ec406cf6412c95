package catalogue

import (
	"encoding/json"
	"net/http"
)

func init() { fakes["autodns"] = autodnsFake }

// autodnsFake takes additions and removals of single records by _stream. It
// refuses to have the zone written as a whole: that would lose the preference
// of the MX record.
func autodnsFake() fake {
	h := &table{zone: "example.com"}
	type record struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Value string `json:"value"`
		TTL   int    `json:"ttl"`
		Pref  int    `json:"pref,omitempty"`
	}
	reply := func(w http.ResponseWriter, data any) {
		json.NewEncoder(w).Encode(map[string]any{"status": map[string]string{"type": "SUCCESS"}, "data": data})
	}
	fail := func(w http.ResponseWriter, status int) {
		w.WriteHeader(status)
		w.Write([]byte(`{"status":{"type":"ERROR"},"messages":[{"text":"no","code":"EF00000"}]}`))
	}
	m := http.NewServeMux()
	m.HandleFunc("POST /zone/_search", func(w http.ResponseWriter, r *http.Request) {
		reply(w, []any{map[string]any{"origin": h.zone, "virtualNameServer": "a.ns14.net"}})
	})
	m.HandleFunc("GET /zone/example.com/a.ns14.net", func(w http.ResponseWriter, r *http.Request) {
		all := []record{{"", "MX", "mail.example.com.", 300, 10}}
		for _, t := range h.list() {
			all = append(all, record{t.name, "TXT", t.text, 60, 0})
		}
		reply(w, []any{map[string]any{"origin": h.zone, "virtualNameServer": "a.ns14.net", "resourceRecords": all}})
	})
	m.HandleFunc("POST /zone/example.com/_stream", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Adds, Rems []record }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			fail(w, http.StatusBadRequest)
			return
		}
		for _, rem := range in.Rems {
			there := false
			for _, t := range h.list() {
				if rem.TTL == 60 && t.name == rem.Name && t.text == rem.Value {
					there = h.remove(t.id)
				}
			}
			if !there {
				fail(w, http.StatusBadRequest)
				return
			}
		}
		for _, add := range in.Adds {
			h.add(add.Name, add.Value)
		}
		reply(w, nil)
	})
	return fake{zone: h.zone, args: map[string]string{"username": "ops", "password": "canary-password", "Endpoint": "%URL%"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); user != "ops" || pass != "canary-password" || r.Header.Get("X-Domainrobot-Context") != "4" {
				fail(w, http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
