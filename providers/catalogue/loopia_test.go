package catalogue

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/libdns/libdns"
)

func init() { fakes["loopia"] = loopiaFake }

// loopiaFake is Loopia's API, XML-RPC. A name exists by itself, and its
// records are lost with it.
func loopiaFake() fake {
	h := &held{zone: "example.com"}
	names := map[string]bool{"@": true, "www": true}
	type value struct {
		String  string `xml:"string"`
		Int     string `xml:"int"`
		Members []struct {
			Name  string `xml:"name"`
			Value struct {
				String string `xml:"string"`
				Int    string `xml:"int"`
			} `xml:"value"`
		} `xml:"struct>member"`
	}
	text := func(s string) string {
		var b strings.Builder
		xml.EscapeText(&b, []byte(s))
		return "<value><string>" + b.String() + "</string></value>"
	}
	f := h.fake(map[string]string{"username": "me@loopiaapi", "password": "canary-password"}, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Method string  `xml:"methodName"`
			Params []value `xml:"params>param>value"`
		}
		xml.NewDecoder(r.Body).Decode(&in)
		arg := func(i int) value {
			if i < len(in.Params) {
				return in.Params[i]
			}
			return value{}
		}
		name := arg(3).String
		result := text("OK")
		switch {
		case r.Host != "api.loopia.se" || arg(0).String != "me@loopiaapi" || arg(1).String != "canary-password":
			result = text("AUTH_ERROR")
		case arg(2).String != h.zone:
			result = text("UNKNOWN_ERROR")
		case in.Method == "getSubdomains":
			result = ""
			for n := range names {
				result += text(n)
			}
			result = "<value><array><data>" + result + "</data></array></value>"
		case in.Method == "getZoneRecords":
			result = ""
			for _, k := range h.all {
				if k.Name == name {
					member := func(name, v string) string { return "<member><name>" + name + "</name>" + v + "</member>" }
					number := func(n int) string { return fmt.Sprintf("<value><int>%d</int></value>", n) }
					result += "<value><struct>" + member("record_id", number(k.ID)) + member("type", text(k.Type)) + member("ttl", number(k.TTL)) +
						member("priority", number(0)) + member("rdata", text(k.Val)) + "</struct></value>"
				}
			}
			result = "<value><array><data>" + result + "</data></array></value>"
		case in.Method == "addSubdomain":
			names[name] = true
		case in.Method == "removeSubdomain":
			delete(names, name)
			h.drop(func(k kept) bool { return k.Name == name })
		case in.Method == "addZoneRecord" && !names[name]:
			result = text("BAD_INDATA")
		case in.Method == "addZoneRecord":
			fields := map[string]string{}
			for _, m := range arg(4).Members {
				fields[m.Name] = m.Value.String + m.Value.Int
			}
			ttl, _ := strconv.Atoi(fields["ttl"])
			h.add(name, fields["type"], fields["rdata"], ttl)
		case in.Method == "removeZoneRecord":
			if h.drop(func(k kept) bool { return k.Name == name && strconv.Itoa(k.ID) == arg(4).Int }) == 0 {
				result = text("UNKNOWN_ERROR")
			}
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param>%s</param></params></methodResponse>`, result)
	})
	foreign := f.foreign
	f.foreign = func(name, value string) {
		foreign(name, value)
		h.mu.Lock()
		defer h.mu.Unlock()
		names[h.relative(name)] = true
	}
	return f
}

// A zone from which upstream could not remove again is refused, before
// anything is asked.
func TestLoopiaZone(t *testing.T) {
	for _, zone := range []string{"example.co.uk.", "sub.example.com."} {
		_, err := new(twoLabels).AppendRecords(t.Context(), zone, []libdns.Record{libdns.TXT{Name: "_acme-challenge", Text: "x"}})
		if err == nil || !strings.Contains(err.Error(), "a zone of two labels alone") {
			t.Errorf("%s: error %v", zone, err)
		}
	}
}
