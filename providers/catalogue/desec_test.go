package catalogue

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

func init() { fakes["desec"] = desecFake }

// desecFake holds sets of TXT records; a PUT of sets replaces each, and one
// without records removes it (desec.readthedocs.io, dns/rrsets).
func desecFake() fake {
	const zone = "example.com"
	type set struct {
		Subname string   `json:"subname"`
		Type    string   `json:"type"`
		Records []string `json:"records"`
		TTL     int      `json:"ttl"`
	}
	var mu sync.Mutex
	sets := map[string]set{} // by subname
	subname := func(name string) string { return strings.TrimSuffix(strings.TrimSuffix(name, zone), ".") }
	reply := func(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }
	m := http.NewServeMux()
	m.HandleFunc("GET /api/v1/domains/example.com/rrsets/{$}", func(w http.ResponseWriter, r *http.Request) {
		all := []set{}
		for _, s := range sets {
			all = append(all, s)
		}
		reply(w, all)
	})
	m.HandleFunc("GET /api/v1/domains/example.com/rrsets/{sub}/{type}", func(w http.ResponseWriter, r *http.Request) {
		s, ok := sets[strings.TrimPrefix(r.PathValue("sub"), "@")]
		if !ok || r.PathValue("type") != "TXT" {
			http.Error(w, `{"detail":"Not found."}`, http.StatusNotFound)
			return
		}
		reply(w, s)
	})
	m.HandleFunc("PUT /api/v1/domains/example.com/rrsets/{$}", func(w http.ResponseWriter, r *http.Request) {
		var in []set
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, s := range in {
			if s.TTL < 3600 && len(s.Records) > 0 {
				http.Error(w, `[{"ttl":["Ensure this value is greater than or equal to 3600."]}]`, http.StatusBadRequest)
				return
			}
		}
		for _, s := range in {
			if len(s.Records) == 0 {
				delete(sets, s.Subname)
			} else {
				sets[s.Subname] = s
			}
		}
		reply(w, in)
	})
	return fake{
		zone: zone,
		args: map[string]string{"token": "canary-token"},
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.Host != "desec.io" || r.Header.Get("Authorization") != "Token canary-token" {
				http.Error(w, `{"detail":"Invalid token."}`, http.StatusUnauthorized)
				return
			}
			m.ServeHTTP(w, r)
		}),
		txt: func(name string) (out []string) {
			mu.Lock()
			defer mu.Unlock()
			for _, v := range sets[subname(name)].Records {
				text, _ := strconv.Unquote(v)
				out = append(out, text)
			}
			return out
		},
		foreign: func(name, value string) {
			mu.Lock()
			defer mu.Unlock()
			s, ok := sets[subname(name)]
			if !ok {
				s = set{Subname: subname(name), Type: "TXT", TTL: 3600}
			}
			s.Records = append(slices.Clone(s.Records), strconv.Quote(value))
			sets[s.Subname] = s
		},
	}
}
