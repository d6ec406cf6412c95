package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

func init() { fakes["volcengine"] = volcengineFake }

// volcengineFake is the DNS API of Volcengine: a list is narrowed by each
// parameter that is given.
func volcengineFake() fake {
	h := &held{zone: "example.com"}
	answer := func(k kept) object {
		return object{"RecordID": strconv.Itoa(k.ID), "Host": k.Name, "Type": k.Type, "Value": k.Val, "TTL": k.TTL, "Line": "default"}
	}
	fault := func(w http.ResponseWriter, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(object{"ResponseMetadata": object{"Error": object{"Code": code, "Message": code}}})
	}
	return h.fake(map[string]string{"access_key_id": "key", "access_key_secret": "canary-secret"}, func(w http.ResponseWriter, r *http.Request) {
		in := map[string]string{}
		for k, v := range r.URL.Query() {
			in[k] = v[0]
		}
		var body map[string]any
		json.NewDecoder(r.Body).Decode(&body)
		for k, v := range body {
			in[k] = fmt.Sprint(v)
		}
		is := func(param, have string) bool { return in[param] == "" || in[param] == have }
		switch {
		case r.Host != "dns.volcengineapi.com" || r.Header.Get("Authorization") == "":
			fault(w, "SignatureDoesNotMatch")
		case in["Action"] == "ListZones":
			replyJSON(w, object{"Result": object{"Zones": []object{{"ZID": 7, "ZoneName": h.zone}}}})
		case in["Action"] == "ListRecords" && in["ZID"] == "7":
			records := []object{}
			for _, k := range h.all {
				if is("Host", k.Name) && is("Type", k.Type) && is("Value", k.Val) {
					records = append(records, answer(k))
				}
			}
			replyJSON(w, object{"Result": object{"Records": records}})
		case in["Action"] == "QueryRecord":
			for _, k := range h.all {
				if h.full(k.Name) == in["PQDN"] && k.Type == in["Type"] && k.Val == in["Value"] && in["Line"] == "default" {
					replyJSON(w, object{"Result": answer(k)})
					return
				}
			}
			fault(w, "RecordNotFound")
		case in["Action"] == "CreateRecord" && in["ZID"] == "7":
			ttl, _ := strconv.Atoi(in["TTL"])
			replyJSON(w, object{"Result": answer(h.add(in["Host"], in["Type"], in["Value"], ttl))})
		case in["Action"] == "DeleteRecord":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == in["RecordID"] }) == 0 {
				fault(w, "RecordNotFound")
				return
			}
			replyJSON(w, object{})
		default:
			fault(w, "InvalidAction")
		}
	})
}
