package catalogue

import (
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["nfsn"] = nfsnFake }

// nfsnFake is NearlyFreeSpeech.NET's API: forms in, a list of records out.
func nfsnFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"login": "me", "api_key": "canary-key"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.nearlyfreespeech.net" || r.Method != "POST" || !strings.HasPrefix(r.Header.Get("X-NFSN-Authentication"), "me;") {
			refuse(w, http.StatusUnauthorized, "The API request could not be authenticated")
			return
		}
		same := func(k kept) bool {
			name := r.PostFormValue("name")
			if name == "" {
				name = "@"
			}
			return k.Name == name && k.Type == r.PostFormValue("type") && k.Val == r.PostFormValue("data")
		}
		switch r.URL.Path {
		case "/dns/example.com/listRRs":
			list := []object{}
			for _, k := range h.all {
				list = append(list, object{"name": strings.TrimPrefix(k.Name, "@"), "type": k.Type, "data": k.Val, "ttl": k.TTL, "scope": "member"})
			}
			replyJSON(w, list)
		case "/dns/example.com/addRR":
			ttl, _ := strconv.Atoi(r.PostFormValue("ttl"))
			if ttl < 180 {
				refuse(w, http.StatusBadRequest, "The TTL must be at least 180")
				return
			}
			for _, k := range h.all {
				if same(k) {
					refuse(w, http.StatusConflict, "The record exists")
					return
				}
			}
			name := r.PostFormValue("name")
			if name == "" {
				name = "@"
			}
			h.add(name, r.PostFormValue("type"), r.PostFormValue("data"), ttl)
		case "/dns/example.com/removeRR":
			if h.drop(same) == 0 {
				refuse(w, http.StatusNotFound, "There is no such record")
			}
		default:
			http.NotFound(w, r)
		}
	})
}
