package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["porkbun"] = porkbunFake }

// porkbunFake is the API of Porkbun, version 3. Names are absolute, and all but
// some failures are answered with status 200.
func porkbunFake() fake {
	h := &held{zone: "example.com"}
	ok := object{"status": "SUCCESS"}
	return h.fake(map[string]string{"api_key": "canary-key", "api_secret_key": "canary-secret"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Apikey, Secretapikey, Name, Type, Content, TTL string }
		json.NewDecoder(r.Body).Decode(&in)
		path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/json/v3/dns/"), "/")
		switch {
		case r.Host != "api.porkbun.com" || in.Apikey != "canary-key" || in.Secretapikey != "canary-secret":
			refuse(w, http.StatusBadRequest, "Invalid API key.")
		case len(path) < 2 || path[1] != h.zone:
			replyJSON(w, object{"status": "ERROR", "message": "Invalid domain."})
		case path[0] == "retrieve":
			records := []object{}
			for _, k := range h.all {
				records = append(records, object{"id": strconv.Itoa(k.ID), "name": h.full(k.Name), "type": k.Type, "content": k.Val, "ttl": strconv.Itoa(k.TTL), "prio": "0"})
			}
			replyJSON(w, object{"status": "SUCCESS", "records": records})
		case path[0] == "create":
			ttl, err := strconv.Atoi(in.TTL)
			if err != nil || ttl < 600 {
				replyJSON(w, object{"status": "ERROR", "message": "Invalid TTL."})
				return
			}
			if in.Name == "" {
				in.Name = "@"
			}
			replyJSON(w, object{"status": "SUCCESS", "id": h.add(in.Name, in.Type, in.Content, ttl).ID})
		case path[0] == "delete":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == path[2] }) == 0 {
				replyJSON(w, object{"status": "ERROR", "message": "Invalid record ID."})
				return
			}
			replyJSON(w, ok)
		case path[0] == "deleteByNameType":
			h.drop(func(k kept) bool { return k.Type == path[2] && k.Name == path[3] })
			replyJSON(w, ok)
		case path[0] == "editByNameType":
			for i, k := range h.all {
				if k.Type == path[2] && k.Name == path[3] {
					h.all[i].Val = in.Content
				}
			}
			replyJSON(w, ok)
		default:
			refuse(w, http.StatusNotFound, "Not found.")
		}
	})
}
