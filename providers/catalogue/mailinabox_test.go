package catalogue

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/libdns/mailinabox"
)

func init() { fakes["mailinabox"] = mailinaboxFake }

// mailinaboxFake is a box's administration: a record is a path and a body.
func mailinaboxFake() fake {
	h := &held{zone: "example.com"}
	return h.fake(map[string]string{"api_url": "%URL%/admin", "email_address": "me@example.com", "password": "canary-password"}, func(w http.ResponseWriter, r *http.Request) {
		user, key, _ := r.BasicAuth()
		path, ok := strings.CutPrefix(r.URL.Path, "/admin/")
		if !ok || user != "me@example.com" || key != map[bool]string{true: "canary-password", false: "canary-session"}[path == "login"] {
			refuse(w, http.StatusForbidden, "Incorrect username or password")
			return
		}
		parts := strings.Split(path, "/") // dns, custom, NAME, TYPE
		if path != "login" && path != "dns/zones" && path != "dns/custom" && (len(parts) != 4 || parts[1] != "custom") {
			http.NotFound(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		value := string(body)
		switch {
		case path == "login":
			replyJSON(w, object{"status": "ok", "email": user, "privileges": []string{"admin"}, "api_key": "canary-session"})
		case path == "dns/zones":
			replyJSON(w, []string{"example.net", h.zone})
		case path == "dns/custom":
			// Records of a type that upstream does not know, and of another zone.
			list := []object{
				{"qname": "host.example.com", "rtype": "SSHFP", "value": "1 1 00", "zone": "example.com"},
				{"qname": "_acme-challenge.example.net", "rtype": "TXT", "value": first, "zone": "example.net"},
			}
			for _, k := range h.all {
				list = append(list, object{"qname": h.full(k.Name), "rtype": k.Type, "value": k.Val, "zone": h.zone})
			}
			replyJSON(w, list)
		case r.Method == "POST":
			same := func(k kept) bool { return h.full(k.Name) == parts[2] && k.Type == parts[3] && k.Val == value }
			h.drop(same)
			h.add(h.relative(parts[2]), parts[3], value, 0)
			io.WriteString(w, "updated DNS: example.com")
		case r.Method == "DELETE":
			h.drop(func(k kept) bool {
				return h.full(k.Name) == parts[2] && k.Type == parts[3] && (value == "" || k.Val == value)
			})
			io.WriteString(w, "updated DNS: example.com")
		}
	})
}

// A box that cannot be reached is an error, no panic, so that it is asked again.
func TestMailinaboxUnreached(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	p := &unreached{mailinabox.Provider{APIURL: s.URL, EmailAddress: "me@example.com", Password: "x"}}
	if _, err := p.GetRecords(t.Context(), "example.com."); err != errUnreached {
		t.Errorf("error %v", err)
	}
}
