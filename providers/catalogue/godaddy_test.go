package catalogue

import (
	"encoding/json"
	"net/http"
)

func init() { fakes["godaddy"] = godaddyFake }

// godaddyFake holds sets: a PUT replaces all values of a name.
func godaddyFake() fake {
	h := &held{zone: "example.com"}
	drop := func(r *http.Request) int {
		return h.drop(func(k kept) bool { return k.Name == r.PathValue("name") && k.Type == "TXT" })
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/domains/example.com/records/TXT", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range h.all {
			if k.Type == "TXT" {
				all = append(all, object{"type": k.Type, "name": k.Name, "data": k.Val, "ttl": k.TTL})
			}
		}
		replyJSON(w, all)
	})
	m.HandleFunc("PUT /v1/domains/example.com/records/TXT/{name}", func(w http.ResponseWriter, r *http.Request) {
		var in []struct {
			Data string
			TTL  int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || len(in) == 0 || in[0].TTL < 600 {
			refuse(w, http.StatusUnprocessableEntity, "invalid")
			return
		}
		drop(r)
		for _, v := range in {
			h.add(r.PathValue("name"), "TXT", v.Data, v.TTL)
		}
	})
	m.HandleFunc("DELETE /v1/domains/example.com/records/TXT/{name}", func(w http.ResponseWriter, r *http.Request) {
		if drop(r) == 0 {
			refuse(w, http.StatusNotFound, "no records")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return h.fake(map[string]string{"api_token": "canary-key:canary-secret"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.godaddy.com" || r.Header.Get("Authorization") != "sso-key canary-key:canary-secret" {
			refuse(w, http.StatusUnauthorized, "unable to authenticate")
			return
		}
		m.ServeHTTP(w, r)
	})
}
