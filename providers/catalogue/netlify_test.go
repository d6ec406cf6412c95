package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["netlify"] = netlifyFake }

// netlifyFake is Netlify's API. A host name that is sent without the zone gets
// it.
func netlifyFake() fake {
	h := &held{zone: "example.com"}
	record := func(k kept) object {
		return object{"id": "r" + strconv.Itoa(k.ID), "hostname": h.full(k.Name), "type": k.Type, "value": k.Val, "ttl": k.TTL, "dns_zone_id": "z1"}
	}
	return h.fake(map[string]string{"personal_access_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		id, single := strings.CutPrefix(r.URL.Path, "/api/v1/dns_zones/z1/dns_records/")
		same := func(k kept) bool { return "r"+strconv.Itoa(k.ID) == id }
		switch {
		case r.Host != "api.netlify.com" || r.Header.Get("Authorization") != "Bearer canary-token":
			refuse(w, http.StatusUnauthorized, "Access Denied")
		case r.URL.Path == "/api/v1/dns_zones":
			zones := []object{}
			if r.URL.Query().Get("name") == h.zone {
				zones = append(zones, object{"id": "z1", "name": h.zone, "domain": h.zone})
			}
			replyJSON(w, zones)
		case r.URL.Path == "/api/v1/dns_zones/z1/dns_records" && r.Method == "GET":
			list := []object{}
			for _, k := range h.all {
				list = append(list, record(k))
			}
			replyJSON(w, list)
		case r.URL.Path == "/api/v1/dns_zones/z1/dns_records" && r.Method == "POST":
			var in struct {
				Hostname, Type, Value string
				TTL                   int64
			}
			json.NewDecoder(r.Body).Decode(&in)
			if in.TTL < 1 || in.TTL > 1<<31-1 {
				refuse(w, http.StatusUnprocessableEntity, "TTL is not a 32-bit number of seconds")
				return
			}
			w.WriteHeader(http.StatusCreated)
			replyJSON(w, record(h.add(h.relative(in.Hostname), in.Type, in.Value, int(in.TTL))))
		case single && r.Method == "DELETE":
			if h.drop(same) == 0 {
				refuse(w, http.StatusNotFound, "Not Found")
				return
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			refuse(w, http.StatusNotFound, "Not Found")
		}
	})
}
