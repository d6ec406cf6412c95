package catalogue

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["westcn"] = westcnFake }

// westcnFake is the API of West.cn, version 2: forms in, and status 200 with a
// result out.
func westcnFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"username": "user", "api_password": "canary-password"}, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		sum := md5.Sum([]byte("user" + "canary-password" + r.PostForm.Get("time")))
		in := r.PostForm
		switch {
		case r.Host != "api.west.cn" || in.Get("token") != hex.EncodeToString(sum[:]):
			replyJSON(w, object{"result": 500, "msg": "auth failed", "errcode": 10000})
		case in.Get("domain") != h.zone:
			replyJSON(w, object{"result": 500, "msg": "no such domain", "errcode": 10001})
		case r.URL.Query().Get("act") == "getdnsrecord":
			items := []object{}
			for _, k := range h.all {
				items = append(items, object{"id": k.ID, "item": k.Name, "type": k.Type, "value": k.Val, "ttl": k.TTL, "level": 10})
			}
			replyJSON(w, object{"result": 200, "data": object{"items": items}})
		case r.URL.Query().Get("act") == "adddnsrecord":
			ttl, _ := strconv.Atoi(in.Get("ttl"))
			if ttl < 60 {
				replyJSON(w, object{"result": 500, "msg": "bad ttl", "errcode": 10002})
				return
			}
			replyJSON(w, object{"result": 200, "data": object{"id": h.add(in.Get("host"), in.Get("type"), in.Get("value"), ttl).ID}})
		case r.URL.Query().Get("act") == "deldnsrecord":
			if h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == in.Get("id") }) == 0 {
				replyJSON(w, object{"result": 500, "msg": "no such record", "errcode": 10003})
				return
			}
			replyJSON(w, object{"result": 200})
		default:
			replyJSON(w, object{"result": 500, "msg": "no such act", "errcode": 10004})
		}
	})
}

// The first records that a provider reads are not taken for all of a zone.
func TestWhole(t *testing.T) {
	recs := make([]libdns.Record, 1000)
	if out, err := whole(recs, nil, 1000); err == nil || out != nil {
		t.Errorf("%d records and error %v", len(out), err)
	}
	if out, err := whole(recs[:999], nil, 1000); err != nil || len(out) != 999 {
		t.Errorf("%d records and error %v", len(out), err)
	}
}
