package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["simplydotcom"] = simplydotcomFake }

// simplydotcomFake is the API of Simply.com, version 2.
func simplydotcomFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"account_name": "S1", "api_key": "canary-key", "base_url": "%URL%/2/"}, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		id, single := strings.CutPrefix(r.URL.Path, "/2/my/products/example.com/dns/records/")
		switch {
		case user != "S1" || pass != "canary-key":
			refuse(w, http.StatusUnauthorized, "wrong credentials")
		case r.URL.Path == "/2/my/products/example.com/dns/records" && r.Method == "GET":
			all := []object{}
			for _, k := range h.all {
				all = append(all, object{"record_id": k.ID, "name": k.Name, "type": k.Type, "data": k.Val, "ttl": k.TTL})
			}
			replyJSON(w, object{"records": all, "status": 200, "message": "success"})
		case r.URL.Path == "/2/my/products/example.com/dns/records" && r.Method == "POST":
			var in struct {
				Name, Type, Data string
				TTL              int
			}
			json.NewDecoder(r.Body).Decode(&in)
			replyJSON(w, object{"record": object{"id": h.add(in.Name, in.Type, in.Data, in.TTL).ID}, "status": 200, "message": "success"})
		case single && r.Method == "DELETE":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == id }) == 0 {
				refuse(w, http.StatusNotFound, "record not found")
				return
			}
			replyJSON(w, object{"status": 200, "message": "success"})
		default:
			refuse(w, http.StatusNotFound, "object not found")
		}
	})
}
