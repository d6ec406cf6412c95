package catalogue

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["mythicbeasts"] = mythicbeastsFake }

// mythicbeastsFake is the DNS API of Mythic Beasts, version 2: a DELETE takes
// all of a name and type, a PUT replaces what its select says.
func mythicbeastsFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		Host string `json:"host"`
		Type string `json:"type"`
		Data string `json:"data"`
		TTL  int    `json:"ttl"`
	}
	return h.fake(map[string]string{"key_id": "me", "secret": "canary-secret"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "auth.mythic-beasts.com" {
			if id, secret, _ := r.BasicAuth(); id != "me" || secret != "canary-secret" {
				refuse(w, http.StatusUnauthorized, "invalid_client")
				return
			}
			replyJSON(w, object{"access_token": "canary-bearer", "expires_in": 300, "token_type": "bearer"})
			return
		}
		path, ok := strings.CutPrefix(r.URL.Path, "/dns/v2/zones/example.com/records")
		if !ok || r.Host != "api.mythic-beasts.com" || r.Header.Get("Authorization") != "Bearer canary-bearer" {
			refuse(w, http.StatusForbidden, "Not authorised")
			return
		}
		var in struct{ Records []record }
		if r.Method == "POST" || r.Method == "PUT" {
			json.NewDecoder(r.Body).Decode(&in)
		}
		removed := 0
		switch r.Method {
		case "GET":
			list := []record{}
			for _, k := range h.all {
				list = append(list, record{k.Name, k.Type, k.Val, k.TTL})
			}
			replyJSON(w, object{"records": list})
			return
		case "DELETE":
			parts := strings.Split(path, "/") // "", host, type
			removed = h.drop(func(k kept) bool { return len(parts) == 3 && k.Name == parts[1] && k.Type == parts[2] })
		case "PUT":
			for _, sel := range r.URL.Query()["select"] {
				q, _ := url.ParseQuery(sel)
				removed += h.drop(func(k kept) bool { return k.Name == q.Get("host") && k.Type == q.Get("type") })
			}
		}
		for _, rec := range in.Records {
			h.add(rec.Host, rec.Type, rec.Data, rec.TTL)
		}
		replyJSON(w, object{"message": "ok", "records_added": len(in.Records), "records_removed": removed})
	})
}

// A zone below a registered domain is refused, before anything is asked.
func TestMythicBeastsZone(t *testing.T) {
	_, err := new(registered).AppendRecords(t.Context(), "sub.example.com.", []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "x"}})
	if err == nil || !strings.Contains(err.Error(), "not the zone sub.example.com") {
		t.Errorf("error %v", err)
	}
}
