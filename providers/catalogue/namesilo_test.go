package catalogue

import (
	"net/http"
	"strconv"
)

func init() { fakes["namesilo"] = namesiloFake }

// namesiloFake is NameSilo's API: everything is a GET, and 300 is success.
func namesiloFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		reply := object{"code": 300, "detail": "success"}
		ttl, _ := strconv.Atoi(q.Get("rrttl"))
		switch {
		case r.Host != "www.namesilo.com" || q.Get("key") != "canary-token":
			reply = object{"code": 110, "detail": "Invalid API Key"}
		case q.Get("domain") != h.zone:
			reply = object{"code": 200, "detail": "Domain is not active, or does not belong to this user"}
		case r.URL.Path == "/api/dnsListRecords":
			list := []object{}
			for _, k := range h.all {
				list = append(list, object{"record_id": strconv.Itoa(k.ID), "type": k.Type, "host": h.full(k.Name), "value": k.Val, "ttl": strconv.Itoa(k.TTL), "distance": "0"})
			}
			reply["resource_record"] = list
		case r.URL.Path == "/api/dnsAddRecord" && (ttl < 3600 || ttl > 2592000):
			reply = object{"code": 280, "detail": "DNS modification error: invalid TTL"}
		case r.URL.Path == "/api/dnsAddRecord":
			name := q.Get("rrhost")
			if name == "" {
				name = "@"
			}
			h.add(name, q.Get("rrtype"), q.Get("rrvalue"), ttl)
		case r.URL.Path == "/api/dnsDeleteRecord":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == q.Get("rrid") }) == 0 {
				reply = object{"code": 280, "detail": "DNS modification error: record does not exist"}
			}
		default:
			http.NotFound(w, r)
			return
		}
		replyJSON(w, object{"request": object{"operation": r.URL.Path}, "reply": reply})
	})
}
