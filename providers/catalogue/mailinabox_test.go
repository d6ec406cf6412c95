package catalogue

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certform/certform/orchestrator/world"
	"github.com/libdns/libdns"
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

// Each block has a session of its own, logs in again when that has ended, and
// says so when it cannot.
func TestMailinaboxSessions(t *testing.T) {
	type host struct {
		key    string
		logins int
		added  []string
	}
	open := func(h *host, password string) *box {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, key, _ := r.BasicAuth()
			switch {
			case r.URL.Path == "/login" && key == "right" && len(r.Header.Get("X-Auth-Token")) == 6:
				h.logins++
				replyJSON(w, object{"status": "ok", "privileges": []string{"admin"}, "api_key": h.key})
			case r.URL.Path == "/login":
				replyJSON(w, object{"status": "invalid", "reason": "Incorrect username or password"})
			case key != h.key:
				refuse(w, http.StatusForbidden, "Incorrect username or password")
			default:
				h.added = append(h.added, r.URL.Path)
			}
		}))
		t.Cleanup(s.Close)
		return &box{HTTPClient: s.Client(), Provider: mailinabox.Provider{
			APIURL: s.URL, EmailAddress: "me@example.com", Password: password, TOTPSecret: "JBSWY3DPEHPK3PXP"}}
	}
	a, b := &host{key: "one"}, &host{key: "two"}
	boxes := []*box{open(a, "right"), open(b, "right")}
	value := []libdns.Record{libdns.TXT{Name: "@", Text: "v"}}
	for _, key := range []string{"one", "after the end of the session"} {
		a.key = key
		for _, p := range boxes {
			if out, err := p.AppendRecords(t.Context(), "example.com.", value); err != nil || len(out) != 1 {
				t.Fatal(out, err)
			}
		}
	}
	if a.logins != 2 || b.logins != 1 || len(a.added) != 2 || a.added[0] != "/dns/custom/example.com/TXT" {
		t.Errorf("%+v and %+v", a, b)
	}
	_, err := open(a, "canary").AppendRecords(t.Context(), "example.com.", value)
	if _, again := world.RetryAt(err); err == nil || again || !strings.Contains(err.Error(), "Incorrect username") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a wrong password: %v", err)
	}
}

// A box that cannot be reached is an error, no panic, and is asked again.
func TestMailinaboxUnreached(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	p := &box{HTTPClient: http.DefaultClient, Provider: mailinabox.Provider{APIURL: s.URL, EmailAddress: "me@example.com", Password: "x"}}
	_, err := p.GetRecords(t.Context(), "example.com.")
	if _, again := world.RetryAt(err); err == nil || !again {
		t.Errorf("error %v, again %v", err, again)
	}
}
