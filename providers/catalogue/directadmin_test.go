package catalogue

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

func init() { fakes["directadmin"] = directadminFake }

// directadminFake shows TXT values in quotes and takes them without.
func directadminFake() fake {
	h := &table{zone: "example.com"}
	reply := func(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }
	fail := func(w http.ResponseWriter, why string) { reply(w, map[string]string{"error": why, "result": why}) }
	m := http.NewServeMux()
	m.HandleFunc("GET /CMD_API_SHOW_DOMAINS", func(w http.ResponseWriter, r *http.Request) { reply(w, []string{h.zone}) })
	m.HandleFunc("GET /CMD_API_DNS_CONTROL", func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("action") {
		case "add":
			for _, t := range h.list() {
				if t.name == r.FormValue("name") && t.text == r.FormValue("value") {
					fail(w, "The record already exists")
					return
				}
			}
			h.add(r.FormValue("name"), r.FormValue("value"))
		case "select":
			q, _ := url.ParseQuery(r.FormValue("txtrecs0"))
			for _, t := range h.list() {
				if t.name == q.Get("name") && t.text == q.Get("value") {
					h.remove(t.id)
				}
			}
		default:
			all := []map[string]string{{"type": "A", "name": "example.com.", "value": "192.0.2.1"}}
			for _, t := range h.list() {
				all = append(all, map[string]string{"type": "TXT", "name": t.name, "value": strconv.Quote(t.text), "ttl": "60"})
			}
			reply(w, map[string]any{"records": all})
			return
		}
		reply(w, map[string]string{"success": "done"})
	})
	return fake{zone: h.zone, args: map[string]string{"host": "%URL%", "user": "ops", "login_key": "canary-key"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); user != "ops" || pass != "canary-key" {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		})}
}
