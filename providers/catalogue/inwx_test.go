package catalogue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["inwx"] = inwxFake }

// inwxFake is the JSON-RPC of INWX: a session is a cookie, names are full where
// they are read, and a question finds what matches all that it names.
func inwxFake() fake {
	h := &held{zone: "example.com"}
	sessions := map[string]bool{}
	return h.fake(map[string]string{"username": "me", "password": "canary-password", "endpoint_url": "%URL%/jsonrpc/"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Method string
			Params struct {
				User, Pass, Domain, Name, Type, Content, ID string
				TTL                                         int
			}
		}
		json.NewDecoder(r.Body).Decode(&in)
		a := in.Params
		says := func(code int, text string, data any) {
			replyJSON(w, object{"code": code, "msg": text, "resData": data})
		}
		session, _ := r.Cookie("domrobot")
		if in.Method == "account.login" {
			if a.User != "me" || a.Pass != "canary-password" {
				says(2200, "Authentication error", nil)
				return
			}
			id := fmt.Sprint("s", len(sessions))
			sessions[id] = true
			http.SetCookie(w, &http.Cookie{Name: "domrobot", Value: id, Path: "/"})
			says(1000, "Command completed successfully", object{"tfa": "0"})
			return
		}
		if session == nil || !sessions[session.Value] {
			says(2200, "Authentication error", nil)
			return
		}
		name := h.relative(strings.TrimSuffix(a.Name, "."))
		switch {
		case in.Method == "account.logout":
			sessions[session.Value] = false
			says(1500, "Command completed successfully; ending session", nil)
		case in.Method == "nameserver.info" && a.Domain == h.zone:
			all := []object{}
			for _, k := range h.all {
				if (a.Name == "" || name == k.Name) && (a.Type == "" || a.Type == k.Type) && (a.Content == "" || a.Content == k.Val) {
					all = append(all, object{"id": strconv.Itoa(k.ID), "name": h.full(k.Name), "type": k.Type, "content": k.Val, "ttl": k.TTL, "prio": 0})
				}
			}
			says(1000, "Command completed successfully", object{"roId": 1, "domain": h.zone, "count": len(all), "record": all})
		case in.Method == "nameserver.createRecord" && a.Domain == h.zone && a.TTL >= 300:
			says(1000, "Command completed successfully", object{"id": strconv.Itoa(h.add(name, a.Type, a.Content, a.TTL).ID)})
		case in.Method == "nameserver.deleteRecord" && h.drop(func(k kept) bool { return strconv.Itoa(k.ID) == a.ID }) > 0:
			says(1000, "Command completed successfully", nil)
		default:
			says(2303, "Object does not exist", nil)
		}
	})
}

// Two calls of one block do not break each other: upstream drops the session of
// the other one and panics.
func TestInwxAlone(t *testing.T) {
	f := inwxFake()
	base, _, _ := redirect(t, f.handler)
	p := inwxRow.open().(*inwxAlone)
	p.Username, p.Password, p.EndpointURL = "me", "canary-password", base+"/jsonrpc/"
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			_, err := p.AppendRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "x", Text: fmt.Sprint(i)}})
			if err == nil {
				_, err = p.DeleteRecords(t.Context(), "example.com.", []libdns.Record{libdns.TXT{Name: "x", Text: fmt.Sprint(i)}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := f.txt("x.example.com"); len(got) > 0 {
		t.Errorf("the host has %q", got)
	}
}
