package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["ionos"] = ionosFake }

// ionosFake has full names and puts TXT values in quotes, a long one in several
// strings.
func ionosFake() fake {
	h := &held{zone: "example.com"}
	h.add("dkim", "TXT", `v=DKIM1;" "p=abc`, 3600)
	shown := func(k kept) object {
		v := k.Val
		if k.Type == "TXT" {
			v = `"` + v + `"`
		}
		return object{"id": "r" + strconv.Itoa(k.ID), "name": h.full(k.Name), "rootName": h.zone, "type": k.Type, "content": v, "ttl": k.TTL}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /dns/v1/zones", func(w http.ResponseWriter, r *http.Request) {
		replyJSON(w, []object{{"id": "z0", "name": "other.example", "type": "NATIVE"}, {"id": "z1", "name": h.zone, "type": "NATIVE"}})
	})
	m.HandleFunc("GET /dns/v1/zones/z1", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range h.all {
			if (r.FormValue("recordType") == "" || r.FormValue("recordType") == k.Type) && (r.FormValue("recordName") == "" || r.FormValue("recordName") == h.full(k.Name)) {
				all = append(all, shown(k))
			}
		}
		replyJSON(w, object{"id": "z1", "name": h.zone, "type": "NATIVE", "records": all})
	})
	m.HandleFunc("POST /dns/v1/zones/z1/records", func(w http.ResponseWriter, r *http.Request) {
		var in []struct {
			Name, Type, Content string
			TTL                 int
		}
		json.NewDecoder(r.Body).Decode(&in)
		all := []object{}
		for _, v := range in {
			if v.Type != "TXT" || v.TTL < 60 {
				refuse(w, http.StatusBadRequest, "invalid record")
				return
			}
			all = append(all, shown(h.add(h.relative(strings.TrimSuffix(v.Name, ".")), v.Type, v.Content, v.TTL)))
		}
		w.WriteHeader(http.StatusCreated)
		replyJSON(w, all)
	})
	m.HandleFunc("DELETE /dns/v1/zones/z1/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if h.drop(func(k kept) bool { return "r"+strconv.Itoa(k.ID) == r.PathValue("id") }) == 0 {
			refuse(w, http.StatusNotFound, "record does not exist")
		}
	})
	return h.fake(map[string]string{"auth_api_token": "canary.token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.hosting.ionos.com" || r.Header.Get("X-API-Key") != "canary.token" {
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		m.ServeHTTP(w, r)
	})
}
