package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
)

func init() { fakes["netcup"] = netcupFake }

// netcupFake is netcup's API: a record without an id is added, one with an id
// changed, or removed if it says so.
func netcupFake() fake {
	h := &held{zone: "example.com"}
	type record struct {
		ID          string `json:"id"`
		Hostname    string `json:"hostname"`
		Type        string `json:"type"`
		Priority    string `json:"priority"`
		Destination string `json:"destination"`
		Delete      bool   `json:"deleterecord"`
	}
	session := ""
	return h.fake(map[string]string{"customer_number": "1234", "api_key": "canary-key", "api_password": "canary-password"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Action string
			Param  struct {
				DomainName, CustomerNumber, APIKey, APIPassword, APISessionID string
				DNSRecordSet                                                  struct{ DNSRecords []record }
			}
		}
		json.NewDecoder(r.Body).Decode(&in)
		p := in.Param
		reply := func(status, message string, data any) {
			replyJSON(w, object{"action": in.Action, "status": status, "shortmessage": message, "longmessage": message, "responsedata": data})
		}
		set := func() object {
			list := []record{}
			for _, k := range h.all {
				list = append(list, record{strconv.Itoa(k.ID), k.Name, k.Type, "0", k.Val, false})
			}
			return object{"dnsrecords": list}
		}
		switch {
		case r.Host != "ccp.netcup.net" || p.CustomerNumber != "1234" || p.APIKey != "canary-key":
			reply("error", "Validation Error.", "")
		case in.Action == "login" && p.APIPassword == "canary-password":
			session = "canary-session-" + strconv.Itoa(len(session))
			reply("success", "Login successful", object{"apisessionid": session})
		case session == "" || p.APISessionID != session:
			reply("error", "The session id is not in a valid format.", "")
		case in.Action == "logout":
			session = ""
			reply("success", "Logout successful", "")
		case p.DomainName != h.zone:
			reply("error", "Can not get DNS zone.", "")
		case in.Action == "infoDnsZone":
			reply("success", "DNS zone found", object{"name": h.zone, "ttl": "86400"})
		case in.Action == "infoDnsRecords":
			reply("success", "DNS records found", set())
		case in.Action == "updateDnsRecords":
			for _, rec := range p.DNSRecordSet.DNSRecords {
				at := func(k kept) bool { return strconv.Itoa(k.ID) == rec.ID }
				switch {
				case rec.ID == "":
					h.add(rec.Hostname, rec.Type, rec.Destination, 0)
				case rec.Delete:
					h.drop(at)
				default:
					for i, k := range h.all {
						if at(k) {
							h.all[i].Val = rec.Destination
						}
					}
				}
			}
			reply("success", "DNS records successful updated", set())
		default:
			reply("error", "Action not found.", "")
		}
	})
}
