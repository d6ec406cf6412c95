package catalogue

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func init() { fakes["ovh"] = ovhFake }

// ovhFake is the API of OVHcloud. What was changed is served after a refresh,
// and every third refresh fails; TXT values come back in quotes.
func ovhFake() fake {
	h := &held{zone: "example.com"}
	var served []kept
	refreshes := 0
	type record struct {
		ID        int    `json:"id"`
		FieldType string `json:"fieldType"`
		SubDomain string `json:"subDomain"`
		TTL       int    `json:"ttl"`
		Target    string `json:"target"`
	}
	answer := func(k kept) record {
		if k.Type == "TXT" {
			k.Val = `"` + k.Val + `"`
		}
		return record{k.ID, k.Type, strings.TrimPrefix(k.Name, "@"), k.TTL, k.Val}
	}
	f := h.fake(map[string]string{
		"endpoint": "%URL%/1.0", "application_key": "canary-app", "application_secret": "canary-secret", "consumer_key": "canary-consumer",
	}, func(w http.ResponseWriter, r *http.Request) {
		const base = "/1.0/domain/zone/example.com"
		id, single := strings.CutPrefix(r.URL.Path, base+"/record/")
		at := slices.IndexFunc(h.all, func(k kept) bool { return single && strconv.Itoa(k.ID) == id })
		switch {
		case r.URL.Path == "/1.0/auth/time":
			replyJSON(w, time.Now().Unix())
		case r.Header.Get("X-Ovh-Consumer") != "canary-consumer" || !strings.HasPrefix(r.Header.Get("X-Ovh-Signature"), "$1$"):
			refuse(w, http.StatusForbidden, "This credential is not valid")
		case r.URL.Path == base+"/refresh" && r.Method == "POST":
			if refreshes++; refreshes%3 == 0 {
				refuse(w, http.StatusInternalServerError, "Internal server error")
				return
			}
			served = slices.Clone(h.all)
		case r.URL.Path == base+"/record" && r.Method == "GET":
			ids := []int{}
			for _, k := range h.all {
				a := answer(k)
				if q := r.URL.Query(); q.Has("subDomain") && (q.Get("subDomain") != a.SubDomain || q.Get("fieldType") != a.FieldType) {
					continue
				}
				ids = append(ids, k.ID)
			}
			replyJSON(w, ids)
		case r.URL.Path == base+"/record" && r.Method == "POST":
			var in record
			json.NewDecoder(r.Body).Decode(&in)
			if in.SubDomain == "" {
				in.SubDomain = "@"
			}
			replyJSON(w, answer(h.add(in.SubDomain, in.FieldType, strings.Trim(in.Target, `"`), in.TTL)))
		case at >= 0 && r.Method == "GET":
			replyJSON(w, answer(h.all[at]))
		case at >= 0 && r.Method == "DELETE":
			h.all = slices.Delete(h.all, at, at+1)
		default:
			refuse(w, http.StatusNotFound, "This service does not exist")
		}
	})
	foreign := f.foreign
	f.foreign = func(name, value string) {
		foreign(name, value)
		h.mu.Lock()
		defer h.mu.Unlock()
		served = append(served, h.all[len(h.all)-1])
	}
	f.txt = func(name string) (out []string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, k := range served {
			if k.Type == "TXT" && k.Name == h.relative(name) {
				out = append(out, k.Val)
			}
		}
		return out
	}
	return f
}
