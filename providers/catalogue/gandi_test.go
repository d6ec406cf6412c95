package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["gandi"] = gandiFake }

// gandiFake holds sets: a PUT replaces one, values come back in quotes, and one
// set comes a page.
func gandiFake() fake {
	h := &held{zone: "example.com"}
	drop := func(r *http.Request) int {
		return h.drop(func(k kept) bool { return k.Name == r.PathValue("name") && k.Type == r.PathValue("type") })
	}
	m := http.NewServeMux()
	const records = "/v5/livedns/domains/example.com/records"
	m.HandleFunc("GET "+records, func(w http.ResponseWriter, r *http.Request) {
		sets := []*gandiSet{}
		at := map[string]*gandiSet{}
		for _, k := range h.all {
			s := at[k.Name+" "+k.Type]
			if s == nil {
				s = &gandiSet{Name: k.Name, Type: k.Type, TTL: k.TTL}
				at[k.Name+" "+k.Type] = s
				sets = append(sets, s)
			}
			s.Values = append(s.Values, strconv.Quote(k.Val))
		}
		page, _ := strconv.Atoi(r.FormValue("page"))
		if page+1 < len(sets) {
			w.Header().Set("Link", fmt.Sprintf(`<https://api.gandi.net%s?page=0>; rel="first", <https://api.gandi.net%s?page=%d>; rel="next"`, records, records, page+1))
		}
		replyJSON(w, sets[page:min(page+1, len(sets))])
	})
	m.HandleFunc("PUT "+records+"/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		var in gandiSet
		json.NewDecoder(r.Body).Decode(&in)
		seen := map[string]bool{}
		for _, v := range in.Values {
			if seen[strings.Trim(v, `"`)] || in.TTL < 300 {
				refuse(w, http.StatusBadRequest, "invalid")
				return
			}
			seen[strings.Trim(v, `"`)] = true
		}
		drop(r)
		for _, v := range in.Values {
			h.add(r.PathValue("name"), r.PathValue("type"), strings.Trim(v, `"`), in.TTL)
		}
		w.WriteHeader(http.StatusCreated)
		replyJSON(w, object{"message": "DNS Record Created"})
	})
	m.HandleFunc("DELETE "+records+"/{name}/{type}", func(w http.ResponseWriter, r *http.Request) {
		if drop(r) == 0 {
			refuse(w, http.StatusNotFound, "Can't find the DNS record")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return h.fake(map[string]string{"bearer_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.gandi.net" || r.Header.Get("Authorization") != "Bearer canary-token" {
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		m.ServeHTTP(w, r)
	})
}
