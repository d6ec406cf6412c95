package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["metaname"] = metanameFake }

// metanameFake is Metaname's API, JSON-RPC.
func metanameFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"api_key": "canary-key", "account_reference": "abcd", "endpoint": "%URL%/api/1.1"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ID     string
			Method string
			Params []json.RawMessage
		}
		json.NewDecoder(r.Body).Decode(&in)
		text := func(i int) (s string) {
			if i < len(in.Params) {
				json.Unmarshal(in.Params[i], &s)
			}
			return s
		}
		fault := func(code int, message string) {
			replyJSON(w, object{"jsonrpc": "2.0", "id": in.ID, "error": object{"code": code, "message": message}})
		}
		var result any
		switch {
		case text(0) != "abcd" || text(1) != "canary-key":
			fault(-1, "Authentication failed")
			return
		case text(2) != h.zone:
			fault(-4, "Domain name not found")
			return
		case in.Method == "dns_zone":
			list := []object{}
			for _, k := range h.all {
				list = append(list, object{"reference": strconv.Itoa(k.ID), "name": k.Name, "type": k.Type, "aux": nil, "ttl": k.TTL, "data": k.Val})
			}
			result = list
		case in.Method == "create_dns_record":
			var rec struct {
				Name, Type, Data string
				TTL              int
			}
			json.Unmarshal(in.Params[3], &rec)
			result = strconv.Itoa(h.add(rec.Name, rec.Type, rec.Data, rec.TTL).ID)
		case in.Method == "delete_dns_record":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == text(3) }) == 0 {
				fault(-18, "Resource record not found")
				return
			}
			result = ""
		default:
			fault(-32601, "Method not found")
			return
		}
		replyJSON(w, object{"jsonrpc": "2.0", "id": in.ID, "result": result})
	})
}
