package catalogue

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func init() { fakes["alidns"] = alidnsFake }

// alidnsFake searches for parts of name and value, shows the newest first, and
// lists two records of a zone that has more.
func alidnsFake() fake {
	h := &table{zone: "example.com"}
	reply := func(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }
	fail := func(w http.ResponseWriter, code string) {
		w.WriteHeader(http.StatusBadRequest)
		reply(w, map[string]string{"Code": code, "Message": code})
	}
	return fake{zone: h.zone, args: map[string]string{"access_key_id": "id", "access_key_secret": "canary-secret"}, txt: h.txt, foreign: h.foreign,
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "alidns.aliyuncs.com" || !strings.HasPrefix(r.Header.Get("Authorization"), "ACS3-HMAC-SHA256 Credential=id,") {
				fail(w, "SignatureDoesNotMatch")
				return
			}
			switch action := r.Header.Get("x-acs-action"); action {
			case "DescribeDomains":
				reply(w, map[string]any{"Domains": map[string]any{"Domain": []any{map[string]string{"DomainName": h.zone, "VersionCode": "mianfei"}}}})
			case "DescribeDomainRecords":
				var found []map[string]any
				for _, t := range slices.Backward(h.list()) {
					if strings.Contains(t.name, r.FormValue("RRKeyWord")) && strings.Contains(t.text, r.FormValue("ValueKeyWord")) && len(found) < 2 {
						found = append(found, map[string]any{"RecordId": strconv.Itoa(t.id), "RR": t.name, "Type": "TXT", "Value": t.text, "TTL": 600})
					}
				}
				reply(w, map[string]any{"DomainRecords": map[string]any{"Record": found}})
			case "AddDomainRecord":
				if r.FormValue("Type") != "TXT" || r.FormValue("TTL") != "600" || r.FormValue("DomainName") != h.zone {
					fail(w, "QuotaExceeded.TTL")
					return
				}
				reply(w, map[string]string{"RecordId": strconv.Itoa(h.add(r.FormValue("RR"), r.FormValue("Value")).id)})
			case "DeleteDomainRecord":
				if id, _ := strconv.Atoi(r.FormValue("RecordId")); !h.remove(id) {
					fail(w, "DomainRecordNotBelongToUser")
					return
				}
				reply(w, map[string]string{"RecordId": r.FormValue("RecordId")})
			default:
				fail(w, "InvalidAction "+action)
			}
		})}
}
