package catalogue

import (
	"encoding/json"
	"net/http"
	"strings"
)

func init() { fakes["mijnhost"] = mijnhostFake }

// mijnhostFake is mijn.host's API: a PUT replaces all that the zone holds.
func mijnhostFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
		TTL   int    `json:"ttl"`
	}
	return h.fake(map[string]string{"api_key": "canary-key"}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "mijn.host" || r.Header.Get("api-key") != "canary-key":
			refuse(w, http.StatusUnauthorized, "Invalid API key")
		case r.URL.Path != "/api/v2/domains/example.com/dns":
			refuse(w, http.StatusNotFound, "Not found")
		case r.Method == "GET":
			all := []record{}
			for _, k := range h.all {
				all = append(all, record{k.Type, h.full(k.Name) + ".", k.Val, k.TTL})
			}
			replyJSON(w, object{"status": 200, "status_description": "Request successful", "data": object{"domain": h.zone, "records": all}})
		case r.Method == "PUT":
			var in struct{ Records []record }
			if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.Records) == 0 {
				refuse(w, http.StatusBadRequest, "No records")
				return
			}
			h.all = nil
			for _, rec := range in.Records {
				h.add(h.relative(strings.TrimSuffix(rec.Name, ".")), rec.Type, rec.Value, rec.TTL)
			}
			replyJSON(w, object{"status": 200, "status_description": "DNS records updated"})
		}
	})
}
