package catalogue

import (
	"encoding/json"
	"net/http"
)

func init() { fakes["glesys"] = glesysFake }

// glesysFake is the API of GleSYS: every call is a POST.
func glesysFake() fake {
	h := &held{zone: "example.com"}
	shown := func(k kept) object {
		return object{"recordid": k.ID, "domainname": h.zone, "host": k.Name, "type": k.Type, "data": k.Val, "ttl": k.TTL}
	}
	return h.fake(map[string]string{"project": "CL12345", "api_key": "canary-key"}, func(w http.ResponseWriter, r *http.Request) {
		says := func(code int, text string, more object) {
			more["status"] = object{"code": code, "text": text}
			w.WriteHeader(code)
			json.NewEncoder(w).Encode(object{"response": more})
		}
		var in struct {
			DomainName, Host, Type, Data string
			TTL, RecordID                int
		}
		json.NewDecoder(r.Body).Decode(&in)
		user, key, _ := r.BasicAuth()
		switch {
		case r.Host != "api.glesys.com" || r.Method != "POST" || user != "CL12345" || key != "canary-key":
			says(401, "Access denied", object{})
		case r.URL.Path == "/domain/listrecords" && in.DomainName == h.zone:
			all := []object{}
			for _, k := range h.all {
				all = append(all, shown(k))
			}
			says(200, "OK", object{"records": all})
		case r.URL.Path == "/domain/addrecord" && in.DomainName == h.zone:
			says(200, "OK", object{"record": shown(h.add(in.Host, in.Type, in.Data, in.TTL))})
		case r.URL.Path == "/domain/deleterecord" && h.drop(func(k kept) bool { return k.ID == in.RecordID }) > 0:
			says(200, "OK", object{})
		default:
			says(404, "Could not find it", object{})
		}
	})
}
