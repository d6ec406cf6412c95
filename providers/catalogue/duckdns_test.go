package catalogue

import (
	"net/http"
	"sync"
)

func init() { fakes["duckdns"] = duckdnsFake }

// duckdnsFake holds one value for a domain and all names below it; clear
// removes whatever it is.
func duckdnsFake() fake {
	const token = "01234567-89ab-cdef-0123-456789abcdef"
	var mu sync.Mutex
	text := ""
	set := func(value string) {
		mu.Lock()
		defer mu.Unlock()
		text = value
	}
	return fake{
		zone: "example.duckdns.org", args: map[string]string{"api_token": token},
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			switch {
			case r.Host != "www.duckdns.org" || r.URL.Path != "/update" || q.Get("token") != token || q.Get("domains") != "example.duckdns.org" || !q.Has("txt"):
				w.Write([]byte("KO"))
				return
			case q.Get("clear") == "true":
				set("")
			default:
				set(q.Get("txt"))
			}
			w.Write([]byte("OK\n\n\nUPDATED"))
		}),
		txt: func(string) []string {
			mu.Lock()
			defer mu.Unlock()
			if text == "" {
				return nil
			}
			return []string{text}
		},
		foreign: func(_, value string) { set(value) },
	}
}
