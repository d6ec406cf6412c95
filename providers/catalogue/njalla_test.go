package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["njalla"] = njallaFake }

// njallaFake is Njalla's API, JSON-RPC.
func njallaFake() fake {
	h := &held{zone: "example.com"}
	record := func(k kept) object {
		return object{"id": strconv.Itoa(k.ID), "domain": h.zone, "type": k.Type, "name": k.Name, "content": k.Val, "ttl": k.TTL}
	}
	return h.fake(map[string]string{"api_token": "canary-token"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Method string
			Params struct {
				ID, Domain, Type, Name, Content string
				TTL                             int
			}
		}
		json.NewDecoder(r.Body).Decode(&in)
		p := in.Params
		fault := func(code int, message string) {
			replyJSON(w, object{"jsonrpc": "2.0", "error": object{"code": code, "message": message}})
		}
		var result any
		switch {
		case r.Host != "njal.la" || r.URL.Path != "/api/1/" || r.Header.Get("Authorization") != "Njalla canary-token":
			fault(403, "Access denied")
			return
		case p.Domain != h.zone:
			fault(404, "Domain not found")
			return
		case in.Method == "list-records":
			list := []object{}
			for _, k := range h.all {
				list = append(list, record(k))
			}
			result = object{"records": list}
		case in.Method == "add-record":
			result = record(h.add(p.Name, p.Type, p.Content, p.TTL))
		case in.Method == "remove-record":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == p.ID }) == 0 {
				fault(404, "Record not found")
				return
			}
			result = object{}
		default:
			fault(400, "Unknown method")
			return
		}
		replyJSON(w, object{"jsonrpc": "2.0", "result": result})
	})
}
