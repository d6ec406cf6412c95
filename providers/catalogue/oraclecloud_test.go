package catalogue

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

func init() { fakes["oraclecloud"] = oraclecloudFake }

// oraclecloudFake is the DNS API of Oracle Cloud: names are absolute without a
// dot, TXT values stand in quotes, and a page holds two records.
func oraclecloudFake() fake {
	h := &held{zone: "example.com"}
	_, key := rsaKey()
	type item struct {
		Domain    string `json:"domain"`
		Rdata     string `json:"rdata"`
		Rtype     string `json:"rtype"`
		TTL       *int   `json:"ttl"`
		Operation string `json:"operation,omitempty"`
	}
	return h.fake(map[string]string{
		"auth": "api_key", "tenancy_ocid": "ocid1.tenancy.oc1..t", "user_ocid": "ocid1.user.oc1..u", "fingerprint": "aa:bb",
		"region": "eu-frankfurt-1", "private_key": key,
	}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.Host, "dns.eu-frankfurt-1.") || !strings.Contains(r.Header.Get("Authorization"), `keyId="ocid1.tenancy.oc1..t/ocid1.user.oc1..u/aa:bb"`):
			refuse(w, http.StatusUnauthorized, "NotAuthenticated")
		case r.URL.Path != "/20180115/zones/example.com/records":
			refuse(w, http.StatusNotFound, "NotAuthorizedOrNotFound")
		case r.Method == "GET":
			from, _ := strconv.Atoi(r.URL.Query().Get("page"))
			items := []item{}
			for _, k := range h.all[from:min(from+2, len(h.all))] {
				if k.Type == "TXT" {
					k.Val = strconv.Quote(k.Val)
				}
				items = append(items, item{Domain: h.full(k.Name), Rdata: k.Val, Rtype: k.Type, TTL: &k.TTL})
			}
			if from+2 < len(h.all) {
				w.Header().Set("opc-next-page", strconv.Itoa(from+2))
			}
			replyJSON(w, object{"items": items})
		case r.Method == "PATCH":
			var in struct{ Items []item }
			json.NewDecoder(r.Body).Decode(&in)
			for _, i := range in.Items {
				val, err := strconv.Unquote(i.Rdata)
				if err != nil {
					refuse(w, http.StatusBadRequest, "InvalidParameter")
					return
				}
				h.drop(func(k kept) bool {
					return h.full(k.Name) == i.Domain && k.Type == i.Rtype && k.Val == val && (i.TTL == nil || i.Operation == "ADD" || *i.TTL == k.TTL)
				})
				if i.Operation == "ADD" {
					h.add(h.relative(i.Domain), i.Rtype, val, *i.TTL)
				}
			}
			replyJSON(w, object{"items": []item{}})
		default:
			refuse(w, http.StatusMethodNotAllowed, "NotAllowed")
		}
	})
}
