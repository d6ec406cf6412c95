package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["dynu"] = dynuFake }

// dynuFake is Dynu's API, version 2: every answer repeats its status in the
// body, and errors come with the same fields.
func dynuFake() fake {
	h := &held{zone: "example.com"}
	m := http.NewServeMux()
	record := func(k kept) object {
		o := object{"statusCode": 200, "id": k.ID, "domainId": 77, "domainName": h.zone, "nodeName": k.Name, "hostname": h.full(k.Name),
			"recordType": k.Type, "ttl": k.TTL, "state": true, "content": h.full(k.Name) + ". IN " + k.Type + " \"" + k.Val + "\""}
		if k.Type == "TXT" {
			o["textData"] = k.Val
		} else {
			o["ipv4Address"] = k.Val
		}
		if k.Name == "@" {
			o["nodeName"] = ""
		}
		return o
	}
	m.HandleFunc("GET /v2/dns/getroot/example.com", func(w http.ResponseWriter, r *http.Request) {
		replyJSON(w, object{"statusCode": 200, "id": 77, "domainName": h.zone, "hostname": h.zone, "node": ""})
	})
	m.HandleFunc("GET /v2/dns/77/record", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		for _, k := range h.all {
			all = append(all, record(k))
		}
		replyJSON(w, object{"statusCode": 200, "dnsRecords": all})
	})
	m.HandleFunc("POST /v2/dns/77/record", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			NodeName, RecordType, TextData string
			TTL                            int
			State                          bool
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.RecordType != "TXT" || !in.State {
			replyJSON(w, object{"statusCode": 501, "type": "Validation Exception", "message": "Invalid."})
			return
		}
		if in.NodeName == "" {
			in.NodeName = "@"
		}
		replyJSON(w, record(h.add(in.NodeName, in.RecordType, in.TextData, in.TTL)))
	})
	m.HandleFunc("DELETE /v2/dns/77/record/{id}", func(w http.ResponseWriter, r *http.Request) {
		if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == r.PathValue("id") }) == 0 {
			replyJSON(w, object{"statusCode": 501, "type": "Argument Exception", "message": "Invalid."})
			return
		}
		replyJSON(w, object{"statusCode": 200})
	})
	return h.fake(map[string]string{"api_token": "canary-token", "own_domain": "example.com"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "api.dynu.com" || r.Header.Get("API-Key") != "canary-token" {
			replyJSON(w, object{"statusCode": 401, "type": "Authentication Exception", "message": "Invalid."})
			return
		}
		m.ServeHTTP(w, r)
	})
}
