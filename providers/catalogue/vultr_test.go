package catalogue

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func init() { fakes["vultr"] = vultrFake }

// vultrFake is the API of Vultr, version 2: TXT values come back in quotes, and
// a page holds two records.
func vultrFake() fake {
	h := &held{zone: "example.com"}
	answer := func(k kept) object {
		if k.Type == "TXT" {
			k.Val = `"` + k.Val + `"`
		}
		return object{"id": strconv.Itoa(k.ID), "type": k.Type, "name": strings.TrimPrefix(k.Name, "@"), "data": k.Val, "ttl": k.TTL, "priority": -1}
	}
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		const base = "/v2/domains/example.com/records"
		id, single := strings.CutPrefix(r.URL.Path, base+"/")
		switch {
		case r.Host != "api.vultr.com" || r.Header.Get("Authorization") != "Bearer canary-token":
			refuse(w, http.StatusUnauthorized, "Invalid API token.")
		case r.URL.Path == base && r.Method == "GET":
			from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
			records, next := []object{}, ""
			for k := range slices.Values(h.all[from:min(from+2, len(h.all))]) {
				records = append(records, answer(k))
			}
			if from+2 < len(h.all) {
				next = strconv.Itoa(from + 2)
			}
			replyJSON(w, object{"records": records, "meta": object{"total": len(h.all), "links": object{"next": next, "prev": ""}}})
		case r.URL.Path == base && r.Method == "POST":
			var in struct {
				Name, Type, Data string
				TTL              int
			}
			json.NewDecoder(r.Body).Decode(&in)
			if in.TTL < 120 {
				refuse(w, http.StatusBadRequest, "Invalid TTL")
				return
			}
			if in.Name == "" {
				in.Name = "@"
			}
			w.WriteHeader(http.StatusCreated)
			replyJSON(w, object{"record": answer(h.add(in.Name, in.Type, unquoted(in.Data), in.TTL))})
		case single && r.Method == "DELETE":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == id }) == 0 {
				refuse(w, http.StatusNotFound, "Invalid record")
				return
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			refuse(w, http.StatusNotFound, "Invalid resource")
		}
	})
}
