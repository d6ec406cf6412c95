package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["wedos"] = wedosFake }

// wedosFake is WAPI: a form with a request in JSON, and a code in every answer,
// whose status is always 200. The second removal is refused.
func wedosFake() fake {
	h := &held{zone: "example.com"}
	removals := 0
	return h.fake(map[string]string{"username": "user", "password": "canary-password"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Request struct {
				User, Auth, Command string
				Data                struct{ Domain, Name, TTL, Type, Rdata, Row_ID string }
			}
		}
		json.Unmarshal([]byte(r.PostFormValue("request")), &in)
		data := in.Request.Data
		reply := func(code int, v any) { replyJSON(w, object{"response": object{"code": code, "data": v}}) }
		name := data.Name
		if name == "" {
			name = "@"
		}
		switch in.Request.Command {
		default:
			reply(2004, nil)
		case "dns-rows-list", "dns-row-add", "dns-row-delete":
			switch {
			case r.Host != "api.wedos.com" || in.Request.User != "user" || len(in.Request.Auth) != 40:
				reply(2051, nil)
			case data.Domain != h.zone:
				reply(2202, nil)
			case in.Request.Command == "dns-rows-list":
				rows := []object{}
				for _, k := range h.all {
					if k.Name == "@" {
						k.Name = ""
					}
					rows = append(rows, object{"ID": strconv.Itoa(k.ID), "name": k.Name, "ttl": strconv.Itoa(k.TTL), "rdtype": k.Type, "rdata": k.Val})
				}
				reply(1000, object{"row": rows})
			case in.Request.Command == "dns-row-add":
				ttl, err := strconv.Atoi(data.TTL)
				if err != nil || ttl < 300 || ttl > 1<<31-1 {
					reply(2317, nil)
					return
				}
				reply(1000, object{"domain": h.zone, "row_id": strconv.Itoa(h.add(name, data.Type, data.Rdata, ttl).ID)})
			default:
				if removals++; removals == 2 {
					reply(3305, nil)
					return
				}
				h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == data.Row_ID })
				reply(1000, nil)
			}
		}
	})
}
