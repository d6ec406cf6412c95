package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["regfish"] = regfishFake }

// regfishFake is the DNS API of regfish. Names are absolute, with a dot at the
// end.
func regfishFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
		Type string `json:"type"`
		Data string `json:"data"`
		TTL  int    `json:"ttl"`
	}
	answer := func(k kept) record { return record{k.ID, h.full(k.Name) + ".", k.Type, k.Val, k.TTL} }
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		id, single := strings.CutPrefix(r.URL.Path, "/dns/rr/")
		switch {
		case r.Host != "api.regfish.de" || r.Header.Get("x-api-key") != "canary-token":
			refuse(w, http.StatusUnauthorized, "invalid API key")
		case strings.ReplaceAll(r.URL.Path, "com./", "com/") == "/dns/example.com/rr" && r.Method == "GET":
			all := []record{}
			for _, k := range h.all {
				all = append(all, answer(k))
			}
			replyJSON(w, object{"response": all})
		case r.URL.Path == "/dns/rr" && r.Method == "POST":
			var in record
			json.NewDecoder(r.Body).Decode(&in)
			if !strings.HasSuffix(in.Name, ".example.com.") {
				refuse(w, http.StatusBadRequest, "no such zone")
				return
			}
			replyJSON(w, object{"response": answer(h.add(h.relative(strings.TrimSuffix(in.Name, ".")), in.Type, in.Data, in.TTL))})
		case single && r.Method == "DELETE":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == id }) == 0 {
				refuse(w, http.StatusNotFound, "no such record")
				return
			}
			replyJSON(w, object{"success": true})
		default:
			refuse(w, http.StatusNotFound, "not found")
		}
	})
}
