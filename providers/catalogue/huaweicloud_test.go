package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func init() { fakes["huaweicloud"] = huaweicloudFake }

// huaweicloudFake holds one set for each name and type, with an id: a second
// one is refused. Values are in quotes.
func huaweicloudFake() fake {
	h := &held{zone: "example.com"}
	ids := map[string]string{}
	id := func(name, typ string) string {
		if ids[name+" "+typ] == "" {
			ids[name+" "+typ] = fmt.Sprint("set", len(ids))
		}
		return ids[name+" "+typ]
	}
	of := func(k kept, wanted string) bool { return id(k.Name, k.Type) == wanted }
	type rset struct {
		ID      string   `json:"id"`
		Name    string   `json:"name"`
		Type    string   `json:"type"`
		TTL     int      `json:"ttl"`
		Records []string `json:"records"`
	}
	read := func(wanted string) (s *rset) {
		for _, k := range h.all {
			if !of(k, wanted) {
				continue
			}
			if s == nil {
				s = &rset{ID: wanted, Name: h.full(k.Name) + ".", Type: k.Type, TTL: k.TTL}
			}
			v := k.Val
			if k.Type == "TXT" {
				v = `"` + v + `"`
			}
			s.Records = append(s.Records, v)
		}
		return s
	}
	write := func(w http.ResponseWriter, code int, in rset) {
		name := h.relative(strings.TrimSuffix(in.Name, "."))
		for _, v := range in.Records {
			if !strings.HasPrefix(v, `"`) || in.TTL < 1 {
				refuse(w, http.StatusBadRequest, "DNS.0308: invalid")
				return
			}
			h.add(name, in.Type, strings.Trim(v, `"`), in.TTL)
		}
		w.WriteHeader(code)
		replyJSON(w, read(id(name, in.Type)))
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /v2/zones", func(w http.ResponseWriter, r *http.Request) {
		all := []object{}
		if r.FormValue("name") == h.zone {
			all = append(all, object{"id": "z1", "name": h.zone + "."})
		}
		replyJSON(w, object{"zones": all})
	})
	m.HandleFunc("GET /v2/zones/z1/recordsets", func(w http.ResponseWriter, r *http.Request) {
		all := []*rset{}
		seen := map[string]bool{}
		for _, k := range h.all {
			if !seen[id(k.Name, k.Type)] {
				all = append(all, read(id(k.Name, k.Type)))
			}
			seen[id(k.Name, k.Type)] = true
		}
		replyJSON(w, object{"recordsets": all})
	})
	m.HandleFunc("POST /v2/zones/z1/recordsets", func(w http.ResponseWriter, r *http.Request) {
		var in rset
		json.NewDecoder(r.Body).Decode(&in)
		if read(id(h.relative(strings.TrimSuffix(in.Name, ".")), in.Type)) != nil {
			refuse(w, http.StatusBadRequest, "DNS.0312: conflicts with an existing record set")
			return
		}
		write(w, http.StatusAccepted, in)
	})
	m.HandleFunc("PUT /v2/zones/z1/recordsets/{id}", func(w http.ResponseWriter, r *http.Request) {
		var in rset
		json.NewDecoder(r.Body).Decode(&in)
		if h.drop(func(k kept) bool { return of(k, r.PathValue("id")) }) == 0 {
			refuse(w, http.StatusNotFound, "DNS.0313: no such record set")
			return
		}
		write(w, http.StatusAccepted, in)
	})
	m.HandleFunc("DELETE /v2/zones/z1/recordsets/{id}", func(w http.ResponseWriter, r *http.Request) {
		s := read(r.PathValue("id"))
		if h.drop(func(k kept) bool { return of(k, r.PathValue("id")) }) == 0 {
			refuse(w, http.StatusNotFound, "DNS.0313: no such record set")
			return
		}
		w.WriteHeader(http.StatusAccepted)
		replyJSON(w, s)
	})
	return h.fake(map[string]string{"access_key_id": "AK", "secret_access_key": "canary-secret"}, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "dns.cn-south-1.myhuaweicloud.com" || !strings.HasPrefix(r.Header.Get("Authorization"), "SDK-HMAC-SHA256 Access=AK, ") {
			refuse(w, http.StatusUnauthorized, "APIGW.0301: incorrect IAM authentication information")
			return
		}
		m.ServeHTTP(w, r)
	})
}

// A zone that may be longer than what the host gives at once is not taken for
// read.
func TestHuaweicloudPage(t *testing.T) {
	f := huaweicloudFake()
	for i := range huaweicloudPage {
		f.foreign(fmt.Sprintf("h%d.example.com", i), theirs)
	}
	redirect(t, f.handler)
	p := &huaweicloudSets{}
	p.AccessKeyId, p.SecretAccessKey = "AK", "canary-secret"
	if _, err := p.GetRecords(t.Context(), "example.com."); !errors.Is(err, errUnread) {
		t.Errorf("error %v", err)
	}
}
