package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["cloudns"] = cloudnsFake }

// cloudnsFake answers 200 to everything and says in the body what failed, as
// the host does.
func cloudnsFake() fake {
	h := &table{zone: "example.com"}
	failed := func(w http.ResponseWriter, why string) {
		json.NewEncoder(w).Encode(map[string]string{"status": "Failed", "statusDescription": why})
	}
	done := func(w http.ResponseWriter) {
		json.NewEncoder(w).Encode(map[string]string{"status": "Success", "statusDescription": "done"})
	}
	m := http.NewServeMux()
	m.HandleFunc("POST /dns/records.json", func(w http.ResponseWriter, r *http.Request) {
		all := map[string]map[string]string{}
		for _, t := range h.list() {
			id := strconv.Itoa(t.id)
			all[id] = map[string]string{"id": id, "type": "TXT", "host": t.name, "record": t.text, "ttl": "60"}
		}
		if len(all) == 0 {
			w.Write([]byte("[]"))
			return
		}
		json.NewEncoder(w).Encode(all)
	})
	m.HandleFunc("POST /dns/add-record.json", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("record-type") != "TXT" || r.FormValue("ttl") != "60" {
			failed(w, "Invalid TTL.")
			return
		}
		h.add(r.FormValue("host"), r.FormValue("record"))
		done(w)
	})
	m.HandleFunc("POST /dns/delete-record.json", func(w http.ResponseWriter, r *http.Request) {
		if id, _ := strconv.Atoi(r.FormValue("record-id")); !h.remove(id) {
			failed(w, "Invalid record-id param.")
			return
		}
		done(w)
	})
	return fake{zone: h.zone, args: map[string]string{"auth_id": "1234", "auth_password": "canary-password"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "api.cloudns.net" || r.FormValue("auth-id") != "1234" || r.FormValue("auth-password") != "canary-password" || r.FormValue("domain-name") != h.zone {
				failed(w, "Invalid authentication, incorrect auth-id or auth-password.")
				return
			}
			m.ServeHTTP(w, r)
		})}
}
