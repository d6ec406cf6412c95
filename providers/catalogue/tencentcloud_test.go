package catalogue

import (
	"encoding/json"
	"net/http"
	"strings"
)

func init() { fakes["tencentcloud"] = tencentcloudFake }

// tencentcloudFake is DNSPod's API at Tencent Cloud: errors come with status
// 200, and an empty list is one. Every fourth removal is refused for its pace,
// and so is the call after it.
func tencentcloudFake() fake {
	h := &held{zone: "example.com"}
	removals, busy := 0, false
	reply := func(w http.ResponseWriter, v object) { replyJSON(w, object{"Response": v}) }
	fault := func(w http.ResponseWriter, code string) {
		reply(w, object{"Error": object{"Code": code, "Message": "no"}, "RequestId": "1"})
	}
	return h.fake(map[string]string{"secret_id": "id", "secret_key": "canary-key"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Domain, SubDomain, Subdomain, RecordType, Value, RecordLine string
			TTL, RecordId                                               int
		}
		json.NewDecoder(r.Body).Decode(&in)
		switch action := r.Header.Get("X-TC-Action"); {
		case busy:
			busy = false
			fault(w, "RequestLimitExceeded")
		case r.Host != "dnspod.tencentcloudapi.com" || !strings.Contains(r.Header.Get("Authorization"), "Credential=id/"):
			fault(w, "AuthFailure.SignatureFailure")
		case in.Domain != h.zone:
			fault(w, "InvalidParameter.DomainInvalid")
		case action == "DescribeRecordList":
			var list []object
			for _, k := range h.all {
				if (in.SubDomain+in.Subdomain == "" || in.SubDomain+in.Subdomain == k.Name) && (in.RecordType == "" || in.RecordType == k.Type) {
					list = append(list, object{"RecordId": k.ID, "Type": k.Type, "Name": k.Name, "Value": k.Val, "TTL": k.TTL})
				}
			}
			if list == nil {
				fault(w, "ResourceNotFound.NoDataOfRecord")
				return
			}
			reply(w, object{"RecordList": list})
		case action == "CreateRecord" && in.TTL < 600:
			fault(w, "LimitExceeded.RecordTtlLimit")
		case action == "CreateRecord":
			if in.SubDomain == "" {
				in.SubDomain = "@"
			}
			reply(w, object{"RecordId": h.add(in.SubDomain, in.RecordType, in.Value, in.TTL).ID})
		case action == "DeleteRecord":
			if removals++; removals%4 == 0 {
				busy = true
				fault(w, "RequestLimitExceeded")
				return
			}
			if h.drop(func(k kept) bool { return k.ID == in.RecordId }) == 0 {
				fault(w, "InvalidParameter.RecordIdInvalid")
				return
			}
			reply(w, object{"RequestId": "1"})
		default:
			fault(w, "InvalidAction")
		}
	})
}
