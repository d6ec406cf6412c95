package catalogue

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

func init() { fakes["acmedns"] = acmednsFake }

// acmednsFake holds the two newest values of an account, which every name shows
// that leads there.
func acmednsFake() fake {
	var mu sync.Mutex
	var texts []string
	put := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		texts = append(texts, text)
		texts = texts[max(0, len(texts)-2):]
	}
	return fake{
		zone: "8e5700ea.auth.example.org",
		args: map[string]string{"username": "ops", "password": "canary-password", "subdomain": "8e5700ea", "server_url": "%URL%"},
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Subdomain, Txt string }
			switch err := json.NewDecoder(r.Body).Decode(&in); {
			case r.Method != http.MethodPost || r.URL.Path != "/update" || err != nil || len(in.Txt) != 43:
				http.Error(w, `{"error":"bad_txt"}`, http.StatusBadRequest)
			case r.Header.Get("X-Api-User") != "ops" || r.Header.Get("X-Api-Key") != "canary-password" || in.Subdomain != "8e5700ea":
				http.Error(w, `{"error":"forbidden"}`, http.StatusUnauthorized)
			default:
				put(in.Txt)
				json.NewEncoder(w).Encode(map[string]string{"txt": in.Txt})
			}
		}),
		txt: func(string) []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(texts)
		},
		foreign: func(_, value string) { put(value) },
	}
}
