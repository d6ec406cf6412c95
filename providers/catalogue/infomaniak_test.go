package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["infomaniak"] = infomaniakFake }

// infomaniakFake gives every record an id, and puts TXT values in quotes.
func infomaniakFake() fake {
	h := &held{zone: "example.com"}
	ok := func(w http.ResponseWriter, v any) { replyJSON(w, object{"result": "success", "data": v}) }
	fails := func(w http.ResponseWriter, code int, word string) {
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(object{"result": "error", "error": object{"code": word, "description": word}})
	}
	shown := func(k kept) object {
		v := k.Val
		if k.Type == "TXT" {
			v = strconv.Quote(v)
		}
		return object{"id": k.ID, "type": k.Type, "source": k.Name, "target": v, "ttl": k.TTL}
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /2/domains/example.com/zones", func(w http.ResponseWriter, r *http.Request) { ok(w, []object{{"fqdn": h.zone}}) })
	m.HandleFunc("GET /2/zones/example.com/records", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range h.all {
			all = append(all, shown(k))
		}
		ok(w, all)
	})
	m.HandleFunc("POST /2/zones/example.com/records", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Type, Source, Target string
			TTL                  int
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Type != "TXT" || in.TTL < 60 {
			fails(w, http.StatusUnprocessableEntity, "validation_failed")
			return
		}
		ok(w, shown(h.add(in.Source, in.Type, strings.Trim(in.Target, `"`), in.TTL)))
	})
	m.HandleFunc("DELETE /2/zones/example.com/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == r.PathValue("id") }) == 0 {
			fails(w, http.StatusNotFound, "object_not_found")
			return
		}
		ok(w, true)
	})
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.infomaniak.com" || r.Header.Get("Authorization") != "Bearer canary-token" {
			fails(w, http.StatusUnauthorized, "not_authorized")
			return
		}
		m.ServeHTTP(w, r)
	})
}
